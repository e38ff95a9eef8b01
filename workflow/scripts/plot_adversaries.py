import pandas as pd

from ptq_privacy import joblog
from ptq_privacy.report import adversaries

joblog.start(snakemake.log[0])
summary = pd.read_parquet(snakemake.input.summary)
own = (summary["dataset"] == snakemake.wildcards.dataset) & (
    summary["arch"] == snakemake.wildcards.arch
)
adversaries.plot(
    adversaries.side_by_side(pd.read_parquet(snakemake.input.comparisons), summary[own]),
    snakemake.params.attacks,
    snakemake.params.title,
    [snakemake.output.svg, snakemake.output.png],
)

import pandas as pd

from ptq_privacy import joblog
from ptq_privacy.report import tradeoff

joblog.start(snakemake.log[0])
tradeoff.plot(
    pd.read_parquet(snakemake.input.summary),
    snakemake.wildcards.dataset,
    snakemake.wildcards.arch,
    snakemake.params.attack,
    [snakemake.output.svg, snakemake.output.png],
)

import pandas as pd

from ptq_privacy import joblog
from ptq_privacy.report import sweep

joblog.start(snakemake.log[0])
sweep.plot(
    pd.read_parquet(snakemake.input.sweep),
    snakemake.params.title,
    [snakemake.output.svg, snakemake.output.png],
)

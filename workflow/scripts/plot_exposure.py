import pandas as pd

from ptq_privacy import joblog
from ptq_privacy.data import dataset
from ptq_privacy.report import contact_sheet, exposure

joblog.start(snakemake.log[0])
given, output, params = snakemake.input, snakemake.output, snakemake.params
summaries = dict(zip(params.adversaries, map(pd.read_parquet, given.summaries), strict=True))
exposure.plot(summaries, params.title, [output.svg, output.png])
summary = pd.read_parquet(given.summary)
own = (summary["dataset"] == snakemake.wildcards.dataset) & (
    summary["arch"] == snakemake.wildcards.arch
)
contact_sheet.plot(
    pd.read_parquet(given.exposure),
    dataset.read(given.dataset),
    contact_sheet.shown_precisions(summary[own]),
    f"{params.title}, {params.adversaries[-1]} shadow models",
    [output.sheet_svg, output.sheet_png],
)

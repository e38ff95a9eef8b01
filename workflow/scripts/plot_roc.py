from ptq_privacy import joblog
from ptq_privacy.report import roc

joblog.start(snakemake.log[0])
roc.plot(
    dict(zip(snakemake.params.precisions, snakemake.input.scores, strict=True)),
    snakemake.params.attack,
    snakemake.params.title,
    [snakemake.output.svg, snakemake.output.png],
)

from ptq_privacy import joblog
from ptq_privacy.data import tables
from ptq_privacy.report import sweep

joblog.start(snakemake.log[0])
sweep.plot(
    tables.read_frame(snakemake.input.sweep),
    snakemake.params.title,
    [snakemake.output.svg, snakemake.output.png],
)

from ptq_privacy.runtime import joblog
from ptq_privacy.stages.plot_sweep import plot_sweep

joblog.start(snakemake.log[0])
plot_sweep(
    snakemake.input.sweep,
    snakemake.params.title,
    [snakemake.output.svg, snakemake.output.png],
)

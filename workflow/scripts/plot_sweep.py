from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.plot_sweep import plot_sweep

joblog.start(snakemake.log[0])
plot_sweep(
    snakemake.input.sweep,
    snakemake.input.membership,
    snakemake.params.title,
    [snakemake.output.svg, snakemake.output.png],
    origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.plot_scale import plot_scale

joblog.start(snakemake.log[0])
plot_scale(
    snakemake.input.scale,
    snakemake.wildcards.dataset,
    snakemake.wildcards.network,
    snakemake.params.attack,
    [snakemake.output.svg, snakemake.output.png],
    origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.plot_adversaries import plot_adversaries

joblog.start(snakemake.log[0])
plot_adversaries(
    snakemake.input.summary,
    snakemake.input.comparisons,
    snakemake.wildcards.dataset,
    snakemake.wildcards.network,
    snakemake.params.attacks,
    snakemake.params.title,
    [snakemake.output.svg, snakemake.output.png],
    origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

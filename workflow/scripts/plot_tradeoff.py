from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.plot_tradeoff import plot_tradeoff

joblog.start(snakemake.log[0])
output = snakemake.output
plot_tradeoff(
    snakemake.input.summary,
    snakemake.wildcards.dataset,
    snakemake.wildcards.network,
    snakemake.params.attack,
    [output.svg, output.png],
    [output.storage_svg, output.storage_png],
    origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

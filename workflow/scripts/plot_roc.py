from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.plot_roc import plot_roc

joblog.start(snakemake.log[0])
plot_roc(
    dict(zip(snakemake.params.variants, snakemake.input.scores, strict=True)),
    snakemake.params.attack,
    snakemake.params.title,
    [snakemake.output.svg, snakemake.output.png],
    origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
    trained=snakemake.input.trained,
)

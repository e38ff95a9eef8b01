from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.summarize import summarize

joblog.start(snakemake.log[0])
summarize(
    **dict(snakemake.input.items()),
    **snakemake.params.settings,
    **dict(snakemake.output.items()),
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

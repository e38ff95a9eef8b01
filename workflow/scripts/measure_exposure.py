from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.measure_exposure import measure_exposure

joblog.start(snakemake.log[0])
settings = dict(snakemake.params.settings)
measure_exposure(
    dict(zip(settings.pop("variants"), snakemake.input.scores, strict=True)),
    snakemake.output.exposure,
    snakemake.output.summary,
    snakemake.input.full_logits,
    **settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

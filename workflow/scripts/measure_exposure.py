from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.stages.expose import expose_samples

joblog.start(snakemake.log[0])
settings = dict(snakemake.params.settings)
expose_samples(
    dict(zip(settings.pop("precisions"), snakemake.input.scores, strict=True)),
    snakemake.output.exposure,
    snakemake.output.summary,
    snakemake.input.full_logits,
    **settings,
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

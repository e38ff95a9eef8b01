from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.sweep_shadow_models import sweep_shadow_models

joblog.start(snakemake.log[0])
sweep_shadow_models(
    snakemake.input.logits,
    snakemake.output.sweep,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

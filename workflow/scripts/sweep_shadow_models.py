from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.stages.sweep import sweep_shadow_models

joblog.start(snakemake.log[0])
sweep_shadow_models(
    snakemake.input.logits,
    snakemake.output.sweep,
    **snakemake.params.settings,
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

from ptq_privacy import joblog
from ptq_privacy.stages.sweep import sweep_shadow_models

joblog.start(snakemake.log[0])
sweep_shadow_models(snakemake.input.logits, snakemake.output.sweep, **snakemake.params.settings)

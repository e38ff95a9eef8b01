from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.stages.threshold import calibrate_thresholds

joblog.start(snakemake.log[0])
calibrate_thresholds(
    snakemake.input.scores,
    snakemake.input.shadow_logits,
    snakemake.output.thresholds,
    **snakemake.params.settings,
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

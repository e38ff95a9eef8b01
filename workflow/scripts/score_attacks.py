from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.stages.score import score_targets

joblog.start(snakemake.log[0])
score_targets(
    snakemake.input.target_logits,
    snakemake.input.shadow_logits,
    snakemake.output.scores,
    **snakemake.params.settings,
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

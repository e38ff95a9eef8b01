from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.score_attacks import score_attacks

joblog.start(snakemake.log[0])
score_attacks(
    snakemake.input.target_logits,
    snakemake.input.shadow_logits,
    snakemake.output.scores,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

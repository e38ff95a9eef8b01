from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.score_attacks import score_attacks

joblog.start(snakemake.log[0])
counts, paths = snakemake.params.shards, iter(snakemake.input.logits)
score_attacks(
    {stored: [next(paths) for _ in range(count)] for stored, count in counts.items()},
    snakemake.output.scores,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.calibrate_thresholds import calibrate_thresholds

joblog.start(snakemake.log[0])
pools, logits = snakemake.params.pools, snakemake.input.logits
shards = len(logits) // len(pools)
calibrate_thresholds(
    snakemake.input.scores,
    {pool: logits[place * shards :][:shards] for place, pool in enumerate(pools)},
    snakemake.output.thresholds,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.stages.threshold import calibrate_thresholds

joblog.start(snakemake.log[0])
pools, logits = snakemake.params.pools, snakemake.input.logits
shards = len(logits) // len(pools)
calibrate_thresholds(
    snakemake.input.scores,
    {pool: logits[place * shards :][:shards] for place, pool in enumerate(pools)},
    snakemake.output.thresholds,
    **snakemake.params.settings,
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.calibrate_thresholds import calibrate_thresholds

joblog.start(snakemake.log[0])
counts, paths = snakemake.params.shards, iter(snakemake.input.logits)
calibrate_thresholds(
    snakemake.input.scores,
    {stored: [next(paths) for _ in range(count)] for stored, count in counts.items()},
    snakemake.output.thresholds,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

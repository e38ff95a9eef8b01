from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.stages.measure import measure_scores

joblog.start(snakemake.log[0])
measure_scores(
    snakemake.input.scores,
    snakemake.output.leakage,
    snakemake.output.replicates,
    **snakemake.params.settings,
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

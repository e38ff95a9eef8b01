from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.measure_leakage import measure_leakage

joblog.start(snakemake.log[0])
measure_leakage(
    snakemake.input.scores,
    snakemake.output.leakage,
    snakemake.output.values_of_targets,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

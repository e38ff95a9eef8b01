from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.compare_methods import compare_methods

joblog.start(snakemake.log[0])
compare_methods(
    snakemake.input.leakage,
    snakemake.input.values_of_targets,
    snakemake.input.checkpoints,
    **snakemake.params.settings,
    parquet=snakemake.output.parquet,
    csv=snakemake.output.csv,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

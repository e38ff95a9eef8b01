from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.compare_scale import compare_scale

joblog.start(snakemake.log[0])
compare_scale(
    snakemake.input.leakage,
    snakemake.input.values_of_targets,
    snakemake.input.checkpoints,
    snakemake.input.tried,
    **snakemake.params.settings,
    parquet=snakemake.output.parquet,
    csv=snakemake.output.csv,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

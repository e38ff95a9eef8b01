from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.compare_variants import compare_variants

joblog.start(snakemake.log[0])
compare_variants(
    snakemake.input.leakage,
    snakemake.input.values_of_targets,
    snakemake.output.comparisons,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

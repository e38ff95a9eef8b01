from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.stages.compare import compare_cells

joblog.start(snakemake.log[0])
compare_cells(
    snakemake.input.leakage,
    snakemake.input.replicates,
    snakemake.output.comparisons,
    **snakemake.params.settings,
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

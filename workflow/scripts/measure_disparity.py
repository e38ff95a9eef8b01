from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.measure_disparity import measure_disparity

joblog.start(snakemake.log[0])
measure_disparity(
    snakemake.input.scores,
    snakemake.input.dataset,
    snakemake.output.disparity,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.compare_calibration import compare_calibration

joblog.start(snakemake.log[0])
compare_calibration(
    snakemake.input.scores,
    snakemake.input.logits,
    snakemake.output.calibration,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

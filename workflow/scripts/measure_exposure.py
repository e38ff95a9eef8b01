from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.measure_exposure import measure_exposure

joblog.start(snakemake.log[0])
measure_exposure(
    **dict(snakemake.input.items()),
    output=snakemake.output.exposure,
    summary_output=snakemake.output.summary,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

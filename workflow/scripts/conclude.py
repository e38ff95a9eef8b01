from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.conclude import conclude

joblog.start(snakemake.log[0])
conclude(
    **dict(snakemake.input.items()),
    **snakemake.params.settings,
    outputs=dict(snakemake.output.items()),
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

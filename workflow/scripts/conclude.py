from ptq_privacy.runtime import joblog
from ptq_privacy.stages.conclude import conclude

joblog.start(snakemake.log[0])
conclude(
    **dict(snakemake.input.items()),
    **snakemake.params.settings,
    outputs=dict(snakemake.output.items()),
)

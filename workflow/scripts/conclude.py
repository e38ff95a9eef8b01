from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.conclude import conclude

joblog.start(snakemake.log[0])
params = dict(snakemake.params.items())
conclude(
    **dict(snakemake.input.items()),
    **snakemake.params.settings,
    captions=params.pop("captions"),
    outputs=dict(snakemake.output.items()),
    origin=origin.record(snakemake.rule, snakemake.config, params.items(), snakemake.input.items()),
)

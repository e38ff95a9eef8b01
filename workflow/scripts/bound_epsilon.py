from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.bound_epsilon import bound_epsilon

joblog.start(snakemake.log[0])
bound_epsilon(
    snakemake.input.scores,
    snakemake.output.epsilon,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.assign_members import assign_members

joblog.start(snakemake.log[0])
assign_members(
    snakemake.input.dataset,
    snakemake.output.membership,
    **snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

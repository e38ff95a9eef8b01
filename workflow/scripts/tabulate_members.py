from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.tabulate_members import tabulate_members

joblog.start(snakemake.log[0])
tabulate_members(
    snakemake.input.membership,
    snakemake.output.membership,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.stages.assign import assign_shard

joblog.start(snakemake.log[0])
assign_shard(
    snakemake.input.dataset,
    snakemake.output.membership,
    **snakemake.params.settings,
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

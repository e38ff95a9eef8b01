from ptq_privacy.runtime import joblog
from ptq_privacy.stages.check_network import check_network

joblog.start(snakemake.log[0])
check_network(
    snakemake.input.dataset,
    snakemake.output.network,
    **snakemake.params.settings,
)

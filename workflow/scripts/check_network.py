from ptq_privacy import joblog
from ptq_privacy.stages.check import check_network

joblog.start(snakemake.log[0])
check_network(snakemake.input.dataset, snakemake.output.network, **snakemake.params.settings)

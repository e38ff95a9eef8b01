from ptq_privacy.runtime import joblog
from ptq_privacy.stages.check_network import check_network
from ptq_privacy.study.experiment import Study

joblog.start(snakemake.log[0])
check_network(
    snakemake.input.dataset,
    snakemake.output.network,
    # No parameter: what has been trained is not tried again for a variant more.
    variants=Study.from_config(snakemake.config).built_in_variants,
    **snakemake.params.settings,
)

from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.prepare_dataset import prepare_dataset

joblog.start(snakemake.log[0])
prepare_dataset(
    snakemake.output.dataset,
    snakemake.params.settings,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

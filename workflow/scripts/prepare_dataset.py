from ptq_privacy import joblog
from ptq_privacy.data import dataset, origin
from ptq_privacy.data.sources import prepare

joblog.start(snakemake.log[0])
dataset.write(
    snakemake.output.dataset,
    prepare(snakemake.params.settings),
    origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

from ptq_privacy.files import origin
from ptq_privacy.files.checkpoints import Identity
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.train_models import train_models

joblog.start(snakemake.log[0])
settings = dict(snakemake.params.settings)
train_models(
    snakemake.input.dataset,
    snakemake.input.membership,
    snakemake.output.checkpoints,
    identity=Identity(**settings.pop("identity")),
    **settings,
    device=snakemake.config["device"],
    config=snakemake.config,
    origin=origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)

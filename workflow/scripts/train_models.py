from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.models.checkpoints import Identity
from ptq_privacy.models.training import Recipe
from ptq_privacy.stages.train import train_shard

joblog.start(snakemake.log[0])
settings = snakemake.params.settings
train_shard(
    snakemake.input.dataset,
    snakemake.input.membership,
    snakemake.output.checkpoints,
    identity=Identity(**settings["identity"]),
    factory=settings["factory"],
    recipe=Recipe(**settings["recipe"]),
    seed=settings["seed"],
    device=snakemake.config["device"],
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

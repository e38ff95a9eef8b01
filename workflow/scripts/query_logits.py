from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.models.checkpoints import Identity
from ptq_privacy.stages.query import query_shard

joblog.start(snakemake.log[0])
settings = snakemake.params.settings
query_shard(
    snakemake.input.dataset,
    snakemake.input.membership,
    snakemake.input.checkpoints,
    snakemake.output.logits,
    identity=Identity(**settings["identity"]),
    factory=settings["factory"],
    queries=settings["queries"],
    compact=settings["logits"] == "compact",
    device=snakemake.config["device"],
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

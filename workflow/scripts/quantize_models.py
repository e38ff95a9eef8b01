from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.models.checkpoints import Identity
from ptq_privacy.stages.quantize import quantize_shard

joblog.start(snakemake.log[0])
settings = snakemake.params.settings
quantize_shard(
    snakemake.input.dataset,
    snakemake.input.membership,
    snakemake.input.checkpoints,
    snakemake.output.checkpoints,
    identity=Identity(**settings["identity"]),
    factory=settings["factory"],
    calibration_samples=settings["calibration_samples"],
    methods=settings["methods"],
    seed=settings["seed"],
    device=snakemake.config["device"],
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)

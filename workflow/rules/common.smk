"""The config, checked, and what several rules need of it."""

import sys
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.append(str(SCRIPTS))

from snakemake.exceptions import WorkflowError

from ptq_privacy.experiment import Precision, Study
from ptq_privacy.provenance import code_digest, module_digest
from ptq_privacy.settings import checked, training_of

try:
    checked(config, Path(workflow.basedir) / "workflow/schemas/config.schema.yaml")
    STUDY = Study.from_config(config)
    OWN_CODE = {
        arch: module_digest(factory.partition(":")[0], Path.cwd())
        for arch, factory in STUDY.factories.items()
        if ":" in factory
    }
except (ValueError, SyntaxError) as error:
    raise WorkflowError(f"config: {error}")


pathvars:
    results=f"results/{config['study']}",
    logs=f"results/{config['study']}/logs",
    benchmarks=f"results/{config['study']}/benchmarks",


wildcard_constraints:
    # The names themselves, since a figure's file name joins two that may have hyphens.
    dataset="|".join(STUDY.datasets),
    arch="|".join(STUDY.architectures),
    precision=r"full|[a-z]+-w[0-9.]+(-head[0-9.]+)?",
    quantized=r"[a-z]+-w[0-9.]+(-head[0-9.]+)?",
    shard=r"\d{3}",
    adversary="transfer|adaptive",


LOGITS = "<results>/{dataset}/{arch}/{precision}/logits-{shard}.parquet"

GPU = 1 if config["device"] == "cuda" else 0


def code(script):
    """Digest of a rule's script and of all library code behind it: Snakemake sees neither change."""
    return code_digest(SCRIPTS / f"{script}.py")


def code_of_network(script):
    """As `code`, where networks run: your own network's module counts as the library does."""
    return lambda wildcards: " ".join(
        [
            code(script),
            *([OWN_CODE[wildcards.arch]] if wildcards.arch in OWN_CODE else []),
        ]
    )


def own_network(wildcards):
    """Your own network is tried before it is trained."""
    tried = "<results>/{dataset}/{arch}/network.json"
    return tried if wildcards.arch in OWN_CODE else []


def identity(wildcards, precision=None):
    """What a checkpoint shard must be, by its path."""
    return {
        "study": config["study"],
        "dataset": wildcards.dataset,
        "architecture": wildcards.arch,
        "precision": precision or wildcards.precision,
        "models": tuple(STUDY.pool.models_in(wildcards.shard)),
    }


def source_settings(wildcards):
    """How a data set is prepared; nothing of how it is used."""
    settings = dict(config["datasets"][wildcards.dataset])
    settings.pop("training", None)
    return {"name": wildcards.dataset, "seed": config["seed"], **settings}


def quantization_settings(wildcards):
    """What a recipe's result depends on; BRECQ starts from AdaRound's solution."""
    quantization = config["quantization"]
    method = Precision.parse(wildcards.quantized).method
    used = ["adaround", "brecq"] if method == "brecq" else [method]
    return {
        "identity": identity(wildcards, precision=wildcards.quantized),
        "factory": STUDY.factories[wildcards.arch],
        "calibration_samples": quantization["calibration_samples"],
        "methods": {name: quantization[name] for name in used if name in quantization},
        "seed": config["seed"],
    }


ATTACK_SETTINGS = {
    "targets": STUDY.pool.targets,
    "models": STUDY.pool.models,
    "lira_reference": config["attacks"]["lira"]["reference"],
    "rmia_gamma": config["attacks"]["rmia"]["gamma"],
    "rmia_a": config["attacks"]["rmia"]["a"],
}


def target_logits(wildcards):
    return expand(LOGITS, shard=STUDY.pool.target_shards, allow_missing=True)


def shadow_logits(wildcards):
    """The shadow models at the precision that the adversary keeps them at."""
    precision = "full" if wildcards.adversary == "transfer" else wildcards.precision
    return expand(
        LOGITS,
        dataset=wildcards.dataset,
        arch=wildcards.arch,
        precision=precision,
        shard=STUDY.pool.shards,
    )


def full_logits(wildcards):
    """Every model of the pool at full precision."""
    return expand(LOGITS, precision="full", shard=STUDY.pool.shards, allow_missing=True)


# What is measured of each network: precisions and adversaries.
PRECISION_CELLS = [
    {"precision": str(precision), "adversary": adversary}
    for precision in STUDY.precisions
    for adversary in STUDY.adversaries_of(precision)
]

QUANTIZED_CELLS = [cell for cell in PRECISION_CELLS if cell["precision"] != "full"]

NETWORKS = [
    {"dataset": dataset, "arch": arch}
    for dataset in STUDY.datasets
    for arch in STUDY.architectures
]

CELLS = [{**network, **cell} for network in NETWORKS for cell in PRECISION_CELLS]


def of_each_cell(pattern):
    return [path for cell in CELLS for path in expand(pattern, **cell)]


def checkpoints_of(cell):
    """The shards that hold a cell's targets, with their accuracy and storage."""
    return expand(
        "<results>/{dataset}/{arch}/{precision}/shard-{shard}.safetensors",
        shard=STUDY.pool.target_shards,
        **cell,
    )


def of_each_network(pattern, **more):
    return expand(pattern, dataset=STUDY.datasets, arch=STUDY.architectures, **more)


def of_each_precision(pattern, cells=PRECISION_CELLS):
    return [
        path for cell in cells for path in expand(pattern, allow_missing=True, **cell)
    ]


def of_each_quantized(pattern):
    return of_each_precision(pattern, QUANTIZED_CELLS)


def scores_of_precisions(wildcards):
    """Every precision's scores under one adversary; at full precision there is only one."""
    return [
        f"<results>/{wildcards.dataset}/{wildcards.arch}/{precision}/scores-{adversary}.parquet"
        for precision in STUDY.precisions
        for adversary in [
            wildcards.adversary if precision.quantized else STUDY.adversaries[0]
        ]
    ]


# The precisions at which adversaries keep a whole pool.
POOL_PRECISIONS = [
    str(precision)
    for precision in STUDY.precisions
    if not precision.quantized or "adaptive" in STUDY.adversaries_of(precision)
]

# A study without recipes has no calibration samples.
CALIBRATION = (
    of_each_network("<results>/{dataset}/{arch}/calibration.parquet")
    if QUANTIZED_CELLS
    else []
)

# A threshold takes two pairs of shadow models.
THRESHOLDS = (
    of_each_network("<results>/{dataset}/{arch}/thresholds.parquet")
    if STUDY.pool.shadow_models >= 4
    else []
)

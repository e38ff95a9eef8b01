"""The config, checked, and what several rules need of it."""

import sys
from pathlib import Path

SCRIPTS = Path(workflow.current_basedir).parent / "scripts"
sys.path.append(str(SCRIPTS))

from snakemake.exceptions import WorkflowError

import ptq_privacy

# As modules of one workflow, two clones would both compute by what the first one imports.
LIBRARY = Path(ptq_privacy.__file__).parent
if LIBRARY.resolve() != (SCRIPTS / LIBRARY.name).resolve():
    raise WorkflowError(
        f"{SCRIPTS / LIBRARY.name}: Python finds another {LIBRARY.name} first, {LIBRARY}; "
        "one workflow can use one clone"
    )

from ptq_privacy.study import config_file, fragments
from ptq_privacy.study.adversaries import ADVERSARIES
from ptq_privacy.study.digests import job_digest, module_digest
from ptq_privacy.study.experiment import DP_SGD, SGD, kind_of, queries_of, training_of
from ptq_privacy.study.families import families
from ptq_privacy.study.pool import SHARD
from ptq_privacy.study.variants import Variant

try:
    # Snakemake has read the config by now, but merges several files, and takes the last of two
    # equal keys. In a module it is handed in, and the files are the other workflow's.
    if workflow.modifier.is_main_snakefile():
        config_file.read(config_file.only(workflow.configfiles))
        config_file.set_keys(config, workflow.config_settings.config_args)
    STUDY = config_file.study_of(config)
    for function in STUDY.own_functions(config):
        module_digest(function.partition(":")[0], Path.cwd())
except (ValueError, SyntaxError) as error:
    raise WorkflowError(f"config: {error}")


GPU = 1 if config["device"] == "cuda" else 0


def code(script, *parts):
    """Digest of all code behind a rule's job: Snakemake sees none of it change.

    What the job's names stand for is in `parts`: "source", "network", "training", "compression",
    "attacks", "attacks of the cell", "headline", or parts of the data set's kind, such as "views".
    """
    return lambda wildcards: job_digest(
        SCRIPTS / f"{script}.py",
        [reference for part in parts for reference in references(part, wildcards)],
        Path.cwd(),
    )


def references(part, wildcards):
    """The functions, or whole modules, that a part of a job's name stands for."""
    if part == "source":
        source = config["datasets"][wildcards.dataset]["source"]
        return [fragments.get("sources", source).function]
    if part == "network":
        return [STUDY.networks[wildcards.network].function]
    if part == "training":
        return [training_settings(wildcards)["training"]]
    if part == "compression":
        return [STUDY.methods[wildcards.compressed.partition("-")[0]].function]
    if part == "attacks":
        return [attack.function for attack in STUDY.attacks.values()]
    if part == "attacks of the cell":
        return [STUDY.attacks[a].function for a in cell_settings(wildcards)["attacks"]]
    if part == "headline":
        return [STUDY.attacks[a].function for a in STUDY.needed([HEADLINE_ATTACK])]
    return [f"ptq_privacy.data.kinds.{kind_of(config, wildcards.dataset)}.{part}"]


# The attack that gives the headline's score.
HEADLINE_ATTACK = next(
    name
    for name in STUDY.attacks
    if config["attacks"]["headline"] in fragments.get("attacks", name).more["scores"]
)


def network_settings(wildcards):
    """What makes a network, as the library takes it."""
    network = STUDY.networks[wildcards.network]
    return {"function": network.function, "settings": network.settings}


def training_settings(wildcards):
    """What trains a network, and how, as the library takes it."""
    training, recipe = training_of(
        config, wildcards.dataset, STUDY.networks[wildcards.network]
    )
    return {"training": training, "recipe": recipe}


def promises(wildcards):
    """What the recipe promises of differential privacy, in a list; of others an empty one."""
    training, recipe = training_settings(wildcards).values()
    return [recipe["dp"]] if training == DP_SGD else []


def particular_training(wildcards):
    """The same where not every network can be trained so; all can by plain SGD."""
    settings = training_settings(wildcards)
    return {} if settings["training"] == SGD else settings


def identity(wildcards, stored):
    """What a checkpoint shard must be, by its path; `stored` is a variant or a further draw."""
    variant, *further = stored.split("/")
    return {
        "study": config["study"],
        "dataset": wildcards.dataset,
        "network": wildcards.network,
        "variant": variant,
        "draw": int(further[0].removeprefix("draw-")) if further else 0,
        "models": tuple(STUDY.pool.models_in(wildcards.shard)),
    }


def source_settings(wildcards):
    """How a data set is prepared; nothing of how it is used."""
    entry = config["datasets"][wildcards.dataset]
    own = {key: entry[key] for key in entry if key not in ("training", "queries")}
    return {"name": wildcards.dataset, "seed": config["seed"], **own}


def published(wildcards):
    """What a source's fragment says of the published files: classes and checksums."""
    more = fragments.get(
        "sources", config["datasets"][wildcards.dataset]["source"]
    ).more
    checksums = {
        name: {kind: file[kind] for kind in ("sha256", "md5") if kind in file}
        for name, file in more.get("files", {}).items()
    }
    return {"classes": more.get("classes"), "checksums": checksums}


def compression_settings(wildcards):
    """What a variant's result depends on, beside the models that it is made of."""
    method = STUDY.methods[wildcards.compressed.partition("-")[0]]
    return {
        "identity": identity(wildcards, wildcards.compressed),
        "factory": method.function if method.own else None,
        "settings": method.settings,
        "calibration_samples": config["compression"]["calibration_samples"],
        "seed": config["seed"],
    }


ATTACK_SETTINGS = {
    "targets": STUDY.pool.targets,
    "models": STUDY.pool.models,
    "attacks": {name: attack.settings for name, attack in STUDY.attacks.items()},
    "seed": config["seed"],
}


def cell_settings(wildcards):
    """What one cell is attacked with."""
    variant, adversary = wildcards.variant, wildcards.adversary
    names = STUDY.attacks_under(Variant.recorded(variant), adversary)
    return {
        **ATTACK_SETTINGS,
        "variant": variant,
        "adversary": adversary,
        "attacks": {name: STUDY.attacks[name].settings for name in STUDY.needed(names)},
        "wanted": STUDY.scores_of(names),
    }


HEADLINE_SETTINGS = {
    **ATTACK_SETTINGS,
    "attacks": {
        name: STUDY.attacks[name].settings for name in STUDY.needed([HEADLINE_ATTACK])
    },
}


# What is measured of each network: variants and adversaries.
VARIANT_CELLS = [
    {"variant": str(variant), "adversary": adversary}
    for variant in STUDY.variants
    for adversary in STUDY.adversaries_of(variant)
]

COMPRESSED_CELLS = [cell for cell in VARIANT_CELLS if cell["variant"] != "full"]

NETWORKS = [
    {"dataset": dataset, "network": network}
    for dataset in STUDY.datasets
    for network in STUDY.networks
]

# Networks that are alike but for their size; of each family all of them.
FAMILIES = families(STUDY.networks.values())
SIZED = [
    {"dataset": dataset, "family": family, "network": network}
    for dataset in STUDY.datasets
    for family, members in FAMILIES.items()
    for network in members
]

CELLS = [{**place, **cell} for place in NETWORKS for cell in VARIANT_CELLS]

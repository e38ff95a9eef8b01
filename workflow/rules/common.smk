"""The config, checked, and what several rules need of it."""

import sys
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.append(str(SCRIPTS))

from snakemake.exceptions import WorkflowError

from ptq_privacy.experiment import Precision, Study
from ptq_privacy.provenance import code_digest
from ptq_privacy.settings import checked, training_of

try:
    checked(config, Path(workflow.basedir) / "workflow/schemas/config.schema.yaml")
    STUDY = Study.from_config(config)
except ValueError as error:
    raise WorkflowError(f"config: {error}")


pathvars:
    results=f"results/{config['study']}",
    logs=f"results/{config['study']}/logs",
    benchmarks=f"results/{config['study']}/benchmarks",


wildcard_constraints:
    dataset=r"[a-z0-9][a-z0-9-]*",
    arch=r"[a-z0-9][a-z0-9-]*",
    precision=r"full|[a-z]+-w[0-9.]+(-head[0-9.]+)?",
    quantized=r"[a-z]+-w[0-9.]+(-head[0-9.]+)?",
    shard=r"\d{3}",
    adversary="transfer|adaptive",


GPU = 1 if config["device"] == "cuda" else 0


def code(script):
    """Digest of a rule's script and of all library code behind it: Snakemake sees neither change."""
    return code_digest(SCRIPTS / f"{script}.py")


def identity(wildcards, precision=None):
    """What a checkpoint shard must be, by its path."""
    return {
        "study": config["study"],
        "dataset": wildcards.dataset,
        "architecture": wildcards.arch,
        "precision": precision or wildcards.precision,
        "models": tuple(STUDY.pool.models_in(wildcards.shard)),
    }

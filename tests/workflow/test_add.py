"""A new method is a file and a fragment: one of each kind, added to a copy of the repository.

Nothing else is edited. The study that asks for them runs to its tables, and the config's check, its
documentation, the plan and the figures know them.
"""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ENVIRONMENT, REPOSITORY, TINY, Workdir

pytestmark = pytest.mark.slow

COMPRESSION = """
from ptq_privacy.compression.grid import QuantizedWeight, nearest, search
from ptq_privacy.compression.work import Cost, grid_search
from ptq_privacy.graph.layers import set_weight, unfold_weight
from ptq_privacy.graph.trace import weight_layer


def compress(model, inputs, levels, seed, *, shrink):
    layers = {}
    for name, count in levels.items():
        weight = unfold_weight(weight_layer(model, name)).flatten(0, 1)
        grid = search(weight, count)
        layers[name] = QuantizedWeight(nearest(shrink * weight, grid), grid)
        set_weight(model, name, layers[name].values)
    return model, layers


def work(network, images, device, *, shrink):
    return Cost(grid_search(network))
"""
ATTACK = """
def scores(evidence, settings):
    return {"opposite": -settings["strength"] * evidence.attacked.mean(axis=2)}
"""
NETWORK = """
from torch import nn


def build(classes, channels, width):
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )
"""
SOURCE = """
import numpy as np

from ptq_privacy.data.dataset import Dataset


def load(settings, downloads):
    draw = np.random.default_rng(0)
    labels = np.arange(240) % 3
    images = draw.integers(0, 60, (240, 1, 8, 8)) + 60 * labels[:, None, None, None]
    images = images.astype(np.uint8)
    return Dataset(
        name=settings["name"],
        classes=("dark", "grey", "light"),
        train_inputs=images[:180],
        train_labels=labels[:180],
        test_inputs=images[180:],
        test_labels=labels[180:],
        source="made up",
    )
"""
ADDED = {
    "scripts/ptq_privacy/compression/shrunk.py": COMPRESSION,
    "scripts/ptq_privacy/attacks/opposite.py": ATTACK,
    "scripts/ptq_privacy/networks/plain.py": NETWORK,
    "scripts/ptq_privacy/data/sources/squares.py": SOURCE,
    "schemas/compressions/shrunk.yaml": """
function: ptq_privacy.compression.shrunk:compress
work: ptq_privacy.compression.shrunk:work
title: Shrunk rounding
about: Rounds weights that were made smaller before.
properties:
  shrink: {type: number, exclusiveMinimum: 0, maximum: 1, default: 0.9, description: By how much.}
""",
    "schemas/attacks/opposite.yaml": """
function: ptq_privacy.attacks.opposite:scores
title: Opposite
about: Takes doubt for knowledge.
scores: {opposite: the opposite}
properties:
  strength: {type: number, minimum: 0, default: 2, description: How loudly.}
""",
    "schemas/networks/plain.yaml": """
function: ptq_privacy.networks.plain:build
title: Plain net
about: One convolution.
kind: images
properties:
  width: {type: integer, minimum: 1, default: 6, description: Its channels.}
""",
    "schemas/sources/squares.yaml": """
function: ptq_privacy.data.sources.squares:load
title: Squares
about: Grey squares of three shades.
kind: images
shape: {samples: 180, tests: 60, inputs: [1, 8, 8], classes: 3}
""",
}
CONFIG = {
    **TINY,
    "datasets": {"shades": {"source": "squares"}},
    "networks": ["plain", {"name": "wide", "architecture": "plain", "settings": {"width": 9}}],
    "pool": {"shadow_models": 4, "targets": 2, "models_per_job": 6},
    "compression": {
        "methods": ["shrunk"],
        "bits": [2],
        "shrunk": {"shrink": 0.8},
        "calibration_samples": 32,
    },
    "queries": ["identity"],
    "attacks": {
        "adversaries": ["adaptive"],
        "methods": ["opposite", "lira"],
        "headline": "opposite",
    },
}


@pytest.fixture
def workdir(tmp_path):
    repository = tmp_path / "repository"
    for name in ("workflow", "config", "profiles", "envs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, repository / name, ignore=ignored)
    shutil.copy(REPOSITORY / "Snakefile", repository)
    for path, text in ADDED.items():
        assert not (repository / "workflow" / path).exists()
        (repository / "workflow" / path).write_text(text)
    (tmp_path / "study").mkdir()
    workdir = Workdir(tmp_path / "study", repository)
    workdir.write_config(CONFIG)
    return workdir


def test_one_of_each_kind_is_added_and_runs(workdir):
    tables = "results/tiny/tables/summary.md"
    figure = "results/tiny/figures/tradeoff-shades-wide.svg"
    workdir.run(tables, figure)
    text = (workdir.path / tables).read_text()
    assert "## shades, plain" in text
    assert "## shades, wide" in text
    assert "the opposite, 2 targets" in text
    assert "Shrunk rounding 2 bits" in text
    assert "Shrunk rounding" in (workdir.path / figure).read_text()
    folder = workdir.results / "shades/plain/shrunk-w2"
    scores = pd.read_parquet(folder / "scores-adaptive.parquet")
    np.testing.assert_array_equal(list(scores)[4:6], ["opposite", "lira_online"])
    assert "global_threshold" not in scores
    assert workdir.planned(tables, figure) == {}


def python(workdir, *arguments):
    environment = {**ENVIRONMENT, "PYTHONPATH": str(workdir.repository / "workflow/scripts")}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=workdir.path,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_documentation_and_plan_know_them(workdir):
    text = python(workdir, workdir.repository / "workflow/schemas/document.py")
    for line in (
        "- `shrunk`, Shrunk rounding. Rounds weights that were made smaller before.",
        "| `compression.shrunk.shrink` | number > 0 and <= 1 | `0.9` | By how much. |",
        "- `opposite`, Opposite. Takes doubt for knowledge. Its scores: `opposite`.",
        "| `attacks.opposite.strength` | number >= 0 | `2` | How loudly. |",
        "- `plain`, Plain net. One convolution.",
        "- `squares`, Squares. Grey squares of three shades.",
    ):
        assert line in text
    plan = python(workdir, "-m", "ptq_privacy.planning", "config.yaml", "--tflops", "1")
    assert "compress_models: shrunk" in plan
    assert "?" not in plan


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        (
            "compressions/shrunk.yaml",
            "default: 0.9",
            "default: 2",
            "shrunk.yaml: properties.shrink",
        ),
        ("attacks/opposite.yaml", "opposite:scores", "opposite:absent", "has no function 'absent'"),
        ("networks/plain.yaml", "networks.plain", "networks.absent", "there is no module"),
    ],
)
def test_a_wrong_fragment_is_one_line_and_no_work(workdir, path, old, new, message):
    fragment = workdir.repository / "workflow/schemas" / path
    assert old in fragment.read_text()
    fragment.write_text(fragment.read_text().replace(old, new))
    done = workdir.snakemake()
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "config:" in line]
    assert len(lines) == 1
    assert str(fragment) in lines[0]
    assert message in lines[0]
    assert not workdir.results.exists()


def test_two_fragments_of_one_name_are_refused(workdir):
    folder = workdir.repository / "workflow/schemas/compressions"
    shutil.copy(folder / "shrunk.yaml", folder / "shrunk.yml")
    done = workdir.snakemake("--dry-run")
    assert done.returncode != 0
    assert "compressions has the name 'shrunk' twice" in done.stdout + done.stderr

"""An audit of own images with an own network: the example that the README shows, from its files."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ptq_privacy.data import dataset
from ptq_privacy.data.preparation import prepare
from ptq_privacy.files import checkpoints
from ptq_privacy.networks import factories
from ptq_privacy.stages.check_network import check, check_network
from ptq_privacy.study.variants import Variant
from tests.conftest import REPOSITORY, Workdir

EXAMPLE = REPOSITORY / "resources" / "example"


@pytest.mark.slow
def test_the_example(tmp_path):
    workdir = Workdir(tmp_path / "example")
    shutil.copytree(EXAMPLE, workdir.path, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "make_images.py"], cwd=workdir.path, check=True)
    results = workdir.path / "results/mine/scans/mynet"
    leakage = "results/mine/scans/mynet/adaround-w2/leakage-adaptive.parquet"
    workdir.run()
    assert "Nothing to be done" in workdir.run("--dry-run")

    table = pd.read_parquet(workdir.path / leakage).set_index("attack")
    assert np.isfinite(table["auc_mean"]).all()
    for variant in ("full", "adaround-w2"):
        records = checkpoints.records(results / variant / "shard-000.safetensors")
        assert list(records) == [0, 1, 2, 3]
        assert min(record.test_accuracy for record in records.values()) > 0.3
    tried = json.loads((results / "network.json").read_text())
    assert (tried["classes"], tried["inputs"]) == (10, [1, 8, 8])
    assert tried["parameters"] == 16 * 9 + 2 * 16 + 32 * 16 * 9 + 2 * 32 + 33 * 10

    module = workdir.path / "mynet.py"
    text = module.read_text()
    module.write_text(text.replace("class MyNet", "# A remark.\nclass MyNet"))
    assert workdir.planned(leakage) == {}
    module.write_text(text.replace("Dropout(0.1)", "Dropout(0.2)"))
    plan = workdir.planned(leakage)
    assert {"check_network", "train_models", "compress_models", "measure_leakage"} <= set(plan)
    assert "prepare_dataset" not in plan
    module.unlink()
    done = workdir.snakemake("--dry-run")
    assert f"config: no module 'mynet': there is no {module}" in done.stdout + done.stderr


@pytest.mark.slow
def test_the_examples_own_training(tmp_path):
    """Through the rules: its edit trains again, a remark does not, and without it nothing runs."""
    workdir = Workdir(tmp_path / "example")
    shutil.copytree(EXAMPLE, workdir.path, ignore=shutil.ignore_patterns("__pycache__"))
    (workdir.path / "own-training.yaml").replace(workdir.path / "config.yaml")
    subprocess.run([sys.executable, "make_images.py"], cwd=workdir.path, check=True)
    trained = "results/mine-trained/scans/mynet/full/shard-000.safetensors"
    workdir.run(trained)
    records = checkpoints.records(workdir.path / trained)
    assert min(record.test_accuracy for record in records.values()) > 0.3
    assert {record.promise for record in records.values()} == {None}

    module = workdir.path / "mytraining.py"
    text = module.read_text()
    module.write_text(text.replace("    network.train()", "    # A remark.\n    network.train()"))
    assert workdir.planned(trained) == {}
    module.write_text(text.replace("lr=0.01", "lr=0.02"))
    assert workdir.planned(trained) == {"check_network": 1, "train_models": 1}
    module.unlink()
    done = workdir.snakemake("--dry-run")
    assert f"config: no module 'mytraining': there is no {module}" in done.stdout + done.stderr


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module into the working directory, and import it afresh in this test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def write(text, name="ownnet"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text("from torch import nn\n" + text)

    yield write
    sys.modules.pop("ownnet", None)


def factory(body):
    return f"def build(classes, channels):\n    return {body}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_library\n", "'ownnet' of 'ownnet:build' cannot be imported .*No module n"),
        ("1 / 0\n", "'ownnet' of 'ownnet:build' cannot be imported from .*ZeroDivisionError"),
        ("def other(): pass\n", r"ownnet\.py has no function 'build'"),
        ("build = 3\n", r"ownnet\.py has no function 'build'"),
        ("def build(): pass\n", r"ownnet:build\(classes=10, channels=1\) failed: TypeError"),
        (factory("3"), "ownnet:build returns a int; allowed: torch.nn.Module"),
        (
            factory("nn.Sequential(nn.Flatten(), nn.Linear(64, 7))"),
            r"ownnet:build turns inputs \(4, 1, 8, 8\) into \(4, 7\); expected one logit a class, "
            r"\(4, 10\)",
        ),
        (factory("nn.Conv2d(channels, classes, 3)"), r"into \(4, 10, 6, 6\); expected one logit"),
        (factory("nn.LSTM(8, classes)"), r"ownnet:build fails on inputs \(4, 1, 8, 8\)"),
        (factory("nn.Conv2d(3, classes, 3)"), "in channels-last order: RuntimeError: .* 3 chan"),
        (
            factory(
                "nn.Sequential(nn.Flatten(2), nn.Conv1d(1, 1, 3), nn.Flatten(),"
                " nn.Linear(62, classes))"
            ),
            "ownnet:build: layer '1': Conv1d cannot be quantized; allowed: Conv2d, Linear",
        ),
    ],
)
def test_what_is_wrong_with_an_own_network_is_named(module, tmp_path, text, message):
    data = prepare({"name": "digits", "source": "digits", "audit_samples": 20})
    dataset.write(tmp_path / "data", data)
    module(text)
    with pytest.raises(ValueError, match=message):
        check_network(
            tmp_path / "data", tmp_path / "out", "ownnet:build", {}, [Variant("nearest", 2.0)]
        )
    assert not (tmp_path / "out").exists()


def test_weights_that_are_shared_are_refused(module):
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3))
    network[2].weight = network[1].weight
    with pytest.raises(ValueError, match="mine:net: its state cannot be stored: .*share memory"):
        check(network, torch.zeros(2, 1, 2, 2), 3, "mine:net")


def test_an_installed_module_is_not_taken_for_ones_own(module):
    with pytest.raises(ValueError, match="'json' is installed already, at .*; rename your own"):
        factories.build("json:loads", 10, (3, 8, 8))

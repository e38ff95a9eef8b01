"""Differential privacy from the config to its promise, and a network that cannot have it."""

import copy

import pytest

from ptq_privacy.files import checkpoints
from tests.conftest import TINY, Workdir

PRIVATE = {"epsilon": 2, "delta": 1.0e-3, "clip": 1.0}


@pytest.mark.slow
def test_a_promise_goes_with_what_looks_at_no_data_and_the_others_have_none(tmp_path):
    config = copy.deepcopy(TINY)
    config["training"] |= {"epochs": 1, "dp": PRIVATE, "weight_decay": 0}
    config["pool"] = {"shadow_models": 2, "targets": 2, "models_per_job": 4}
    config["compression"] = {"methods": ["nearest", "obc"], "bits": [2], "calibration_samples": 64}
    config["networks"] = [
        {"name": "gn", "architecture": "resnet8-gn", "settings": {"widths": [4, 8]}},
        "resnet6",
    ]
    workdir = Workdir(tmp_path)
    workdir.write_config(config)
    shards = {
        variant: f"results/tiny/digits/gn/{variant}/shard-000.safetensors"
        for variant in ("full", "nearest-w2", "obc-w2")
    }
    workdir.run(*shards.values())
    promises = {
        variant: [record.promise for record in checkpoints.records(tmp_path / path).values()]
        for variant, path in shards.items()
    }
    assert all(1.99 < promise["epsilon"] <= 2 for promise in promises["full"])
    assert all(promise["delta"] == 1e-3 for promise in promises["full"])
    assert promises["nearest-w2"] == promises["full"]
    assert promises["obc-w2"] == [None] * 4

    batch = "results/tiny/digits/resnet6"
    done = workdir.snakemake(f"{batch}/full/shard-000.safetensors")
    assert done.returncode != 0
    log = (tmp_path / "results/tiny/logs/digits/resnet6/check_network.log").read_text()
    assert "training.dp: BatchNorm cannot support training with differential privacy." in log
    assert not (tmp_path / batch / "network.json").exists()

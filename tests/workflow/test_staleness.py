"""Only stale artifacts are recomputed: each kind of change, and exactly what it makes stale."""

import copy
import os
import shutil
import time

import pytest

from tests.conftest import REPOSITORY, TINY, Workdir

LIBRARY = "workflow/scripts/ptq_privacy"
FROM_SUMMARY = {"plot_tradeoff", "plot_adversaries", "plot_exposure", "conclude", "all"}
FROM_LEAKAGE = FROM_SUMMARY | {"measure_leakage", "compare_variants", "summarize"}
FROM_SCORES = FROM_LEAKAGE | {
    "score_attacks",
    "compare_calibration",
    "measure_exposure",
    "calibrate_thresholds",
    "plot_roc",
}
FROM_QUANTIZATION = FROM_SCORES | {"query_logits", "compress_models"}
SWEEP = {"sweep_shadow_models", "plot_sweep"}  # of full precision
FROM_ATTACKS = FROM_SCORES | SWEEP
FROM_LOGITS = FROM_ATTACKS | {"query_logits"}
FROM_TRAINING = FROM_QUANTIZATION | SWEEP | {"train_models"}


@pytest.fixture
def cloned(finished, tmp_path):
    """The finished study beside a copy of the repository that a test may edit."""
    repository = tmp_path / "clone"
    for name in ("workflow", "config", "profiles", "envs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, repository / name, ignore=ignored)
    shutil.copy(REPOSITORY / "Snakefile", repository)
    shutil.copytree(finished.path, tmp_path / "study")
    return Workdir(tmp_path / "study", repository)


def edit(workdir, path, old, new):
    file = workdir.repository / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def replan(workdir, **changes):
    config = copy.deepcopy(TINY)
    for section, values in changes.items():
        config[section] = {**config[section], **values} if isinstance(values, dict) else values
    workdir.write_config(config)
    return workdir.planned()


def test_a_new_checkout_recomputes_nothing(cloned):
    now = time.time()
    for path in cloned.repository.rglob("*"):
        os.utime(path, (now, now))
    assert cloned.planned() == {}


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("attacks/lira.py", "from __future__", "# A remark.\nfrom __future__"),
        ("attacks/lira.py", '"""The likelihood', '"""In other words, the likelihood'),
        ("models/training.py", "epoch %d/%d loss", "epoch %d of %d, loss"),
        ("joblog.py", "%(asctime)s %(levelname)s", "%(levelname)s %(asctime)s"),
    ],
)
def test_what_only_people_read_recomputes_nothing(cloned, path, old, new):
    edit(cloned, f"{LIBRARY}/{path}", old, new)
    assert cloned.planned() == {}


@pytest.mark.parametrize(
    ("path", "old", "new", "stale"),
    [
        ("attacks/lira.py", "DEVIATION_FLOOR = 1e-6", "DEVIATION_FLOOR = 1e-5", FROM_ATTACKS),
        ("attacks/pool.py", "4096", "2048", FROM_ATTACKS),
        ("attacks/leakage.py", "2**14", "2**13", FROM_LEAKAGE),
        ("data/views.py", "import", "import math\nimport", FROM_LOGITS),
        ("ptq/rounding.py", "1.1", "1.2", FROM_QUANTIZATION),
        ("models/architectures.py", "padding=1", "padding=2", FROM_TRAINING),
        ("report/sentences.py", "just above 0", "above 0", {"conclude", "all"}),
        ("report/tradeoff.py", "elinewidth=0.8", "elinewidth=1", {"plot_tradeoff", "all"}),
    ],
)
def test_an_edit_recomputes_what_it_can_reach(cloned, path, old, new, stale):
    edit(cloned, f"{LIBRARY}/{path}", old, new)
    assert set(cloned.planned()) == stale


def test_execution_settings_recompute_nothing(cloned):
    assert replan(cloned, device="cuda") == {}
    cloned.write_config(TINY)
    assert cloned.planned("--cores", "7", "--resources", "gpu=3") == {}


def test_a_training_key_of_one_data_set_retrains_that_one_alone(cloned):
    digits = TINY["datasets"]["digits"]
    other = {"digits": digits, "others": {**digits, "audit_samples": 200}}
    before = replan(cloned, datasets=other)
    assert before["train_models"] == 2  # of the new data set
    overridden = {**other, "digits": {**digits, "training": {"epochs": 9}}}
    after = replan(cloned, datasets=overridden)
    assert after["train_models"] == 4
    assert after["prepare_dataset"] == 1


def test_a_head_variant_quantizes_only_that_variant(cloned):
    heads = [*TINY["quantization"]["decoupled"], {"bits": 1.58, "head_bits": 4}]
    plan = replan(cloned, quantization={"decoupled": heads})
    assert "train_models" not in plan
    assert (plan["compress_models"], plan["query_logits"], plan["score_attacks"]) == (2, 2, 2)


def test_a_setting_of_one_method_requantizes_by_that_method(cloned):
    plan = replan(cloned, quantization={"obc": {"damping": 0.1}})
    assert plan == {}
    plan = replan(cloned, quantization={"brecq": {"iterations": 21}})
    assert set(plan) == FROM_QUANTIZATION


def test_more_targets_attack_again_and_train_nothing(cloned):
    plan = replan(cloned, pool={"targets": 4})
    assert set(plan) == FROM_ATTACKS
    assert plan["score_attacks"] == 5


def test_another_calibration_size_requantizes_and_trains_nothing(cloned):
    plan = replan(cloned, quantization={"calibration_samples": 80})
    assert set(plan) == FROM_QUANTIZATION

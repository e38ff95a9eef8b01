"""A shard's training, killed at any moment: real processes, real SIGKILL, equal bytes."""

import logging
import multiprocessing
import random
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, replace

import pytest
import torch

from ptq_privacy.data import dataset, membership
from ptq_privacy.data.preparation import prepare
from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import Identity
from ptq_privacy.stages.train_models import train_models
from ptq_privacy.study import fragments
from ptq_privacy.study.experiment import DP_SGD, SGD
from ptq_privacy.training import snapshots
from ptq_privacy.training.epochs import Recipe

RECIPE = Recipe(
    optimizer="sgd",
    epochs=4,
    batch_size=16,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    augmentation={"flip": True, "crop_padding": 1},
    autocast=True,
)
IDENTITY = Identity("study", "digits", "resnet6", "full", (2, 3))
SAMPLES = 100
CONFIG = {
    "datasets": {"digits": {}},
    "networks": ["resnet6"],
    "training": {"batch_size": RECIPE.batch_size},
    "compression": {"methods": ["nearest"], "calibration_samples": 50},
    "queries": ["identity", "shift:7,-7"],
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    data = prepare({"name": "digits", "source": "digits", "audit_samples": SAMPLES})
    members = membership.draw(SAMPLES, 6, seed=0)
    dataset.write(folder / "dataset", data)
    membership.write(folder / "members", dict(enumerate(members)))
    return folder / "dataset", folder / "members"


def train(files, output, seed=0, seconds=0.0, training=SGD, recipe=RECIPE):
    network = fragments.get("networks", IDENTITY.network)
    train_models(
        *files,
        output,
        IDENTITY,
        network.function,
        {**network.defaults, "normalisation": "batch" if training == SGD else "group"},
        training,
        asdict(recipe),
        seed,
        "cpu",
        CONFIG,
        origin={"origin": "of today"},
        snapshot_seconds=seconds,
    )


# Forked from a process that has imported this and done nothing else: autograd may have started
# threads here, which no fork would have.
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload([__name__])


@pytest.fixture(scope="module")
def undisturbed(files, tmp_path_factory):
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp("undisturbed") / "shard"
    train(files, output)
    return output


def start(*arguments):
    process = FRESH.Process(target=train, args=arguments)
    process.start()
    return process


def kept(output):
    """What the snapshots hold, by file: another state is another one of these."""
    found = {}
    for path in snapshots.folder(output).glob("[!.]*"):
        with suppress(FileNotFoundError):  # gone since it was listed
            found[path.name] = path.stat().st_mtime_ns
    return found


def stopped_after_a_model(files, output, *arguments):
    """A training that is killed in its second model."""
    for _ in range(20):  # on a busy machine it may be done before anybody looks
        process = start(files, output, *arguments)
        while process.is_alive() and "0003" not in kept(output):
            time.sleep(0.003)
        process.kill()
        process.join()
        if "0003" in kept(output):
            return
        assert process.exitcode == 0, "the training failed"
        output.unlink()
    raise AssertionError("never seen in its second model")


@pytest.mark.slow
def test_killed_after_every_single_epoch(files, undisturbed, tmp_path):
    output = tmp_path / "shard"
    kills = 0
    while True:
        before = kept(output)
        process = start(files, output)
        while process.is_alive() and kept(output) == before:
            time.sleep(0.003)
        process.kill()
        process.join()
        if process.exitcode == 0:
            break
        kills += 1
        if output.exists():  # killed while it cleaned up
            assert output.read_bytes() == undisturbed.read_bytes()
    assert kills >= len(IDENTITY.models) * 2  # it may run on a little before it is hit
    assert output.read_bytes() == undisturbed.read_bytes()
    assert not snapshots.folder(output).exists()


@pytest.mark.slow
def test_killed_at_random_moments(files, undisturbed, tmp_path):
    output = tmp_path / "shard"
    moments = random.Random(0)
    for _ in range(12):
        process = start(files, output)
        process.join(moments.uniform(0, 0.4))
        process.kill()
        process.join()
    train(files, output)
    assert output.read_bytes() == undisturbed.read_bytes()


def test_a_finished_model_is_not_trained_again(files, undisturbed, tmp_path, caplog):
    output = tmp_path / "shard"
    stopped_after_a_model(files, output)
    with caplog.at_level(logging.INFO):
        train(files, output)
    assert "model 2: finished by a job before this one" in caplog.messages
    assert not any(line.startswith("model 2 epoch") for line in caplog.messages)
    assert any(line.startswith("model 3: going on after epoch") for line in caplog.messages)
    assert output.read_bytes() == undisturbed.read_bytes()


@pytest.mark.slow
def test_snapshots_of_another_seed_are_replaced(files, undisturbed, tmp_path, caplog):
    other, output = tmp_path / "other", tmp_path / "shard"
    stopped_after_a_model(files, other, 1)
    shutil.copytree(snapshots.folder(other), snapshots.folder(output))
    train(files, output)
    assert sum("of another training, not used" in line for line in caplog.messages) == 2
    assert output.read_bytes() == undisturbed.read_bytes()


def test_quick_trainings_are_kept_only_when_finished(files, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(snapshots, "write", lambda path, snapshot, _: written.append(snapshot))
    snapshots.folder(tmp_path / "shard").mkdir()
    train(files, tmp_path / "shard", seconds=snapshots.SECONDS)
    assert [snapshot.record is None for snapshot in written] == [False] * len(IDENTITY.models)


def test_a_private_training_goes_on_where_it_was_and_records_its_promise(
    files, tmp_path, monkeypatch
):
    """Stopped in the second model, between two epochs: the same bytes as never stopped."""
    private = replace(RECIPE, epochs=3, dp={"epsilon": 4.0, "delta": 1e-3, "clip": 1.0})
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    train(files, whole, training=DP_SGD, recipe=private)
    written, write = [], snapshots.write

    def killed(path, snapshot, about):
        write(path, snapshot, about)
        written.append((path.name, snapshot.progress.epochs))
        if len(written) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(snapshots, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        train(files, resumed, training=DP_SGD, recipe=private)
    assert written == [("0002", 1), ("0002", 2), ("0002", 3), ("0003", 1), ("0003", 2)]
    train(files, resumed, training=DP_SGD, recipe=private)
    assert written[5:] == [("0003", 3)]
    assert resumed.read_bytes() == whole.read_bytes()
    for record in checkpoints.records(whole).values():
        assert 3.99 < record.promise["epsilon"] <= 4
        assert record.promise["delta"] == 1e-3
        assert record.promise["replacing"] > 8


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("compression", {"calibration_samples": 51}, "compression.calibration_samples: 51 is more"),
        ("training", {"batch_size": 51}, "training.batch_size: 51 is more than the 50 members"),
    ],
)
def test_what_would_fail_after_the_training_fails_before_it(
    files, tmp_path, monkeypatch, section, change, message
):
    """Of your own data nothing is known before they are prepared."""
    monkeypatch.setitem(CONFIG, section, CONFIG[section] | change)
    with pytest.raises(ValueError, match=message):
        train(files, tmp_path / "shard")
    assert not list(tmp_path.iterdir())

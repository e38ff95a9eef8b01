import logging
import os

import pytest
import torch

from ptq_privacy.files.checkpoints import ModelRecord
from ptq_privacy.training import snapshots
from ptq_privacy.training.epochs import Progress
from ptq_privacy.training.snapshots import Snapshot

TRAINING = {"model": 3, "seed": 0, "recipe": {"epochs": 9, "learning_rate": 0.1}, "code": "abc"}


def running():
    generator = torch.Generator().manual_seed(0)
    network = {
        "conv.weight": torch.randn(4, 2, 3, 3, generator=generator).to(
            memory_format=torch.channels_last
        ),
        "bn.num_batches_tracked": torch.tensor(7),
        "mask": torch.tensor([True, False]),
        "half": torch.randn(3, generator=generator).bfloat16(),
    }
    return Snapshot(
        Progress(5, network, {"conv.weight": torch.randn(4, 2, 3, 3, generator=generator)})
    )


FINISHED = Snapshot(Progress(9, {"a": torch.tensor([0.1])}, {}), ModelRecord(1 / 3, 2 / 7))


@pytest.mark.parametrize("kept", [running(), FINISHED])
def test_what_is_read_is_what_was_kept(tmp_path, kept):
    snapshots.write(tmp_path / "folder" / "x", kept, TRAINING)
    found = snapshots.read(tmp_path / "folder" / "x", TRAINING)
    assert (found.record, found.progress.epochs) == (kept.record, kept.progress.epochs)
    for part in ("network", "optimizer"):
        before, after = getattr(kept.progress, part), getattr(found.progress, part)
        assert before.keys() == after.keys()
        assert all(torch.equal(after[name], value) for name, value in before.items())
        assert all(after[name].dtype == value.dtype for name, value in before.items())


def test_none_is_none(tmp_path, caplog):
    assert snapshots.read(tmp_path / "x", TRAINING) is None
    assert not caplog.records


@pytest.mark.parametrize(
    "other",
    [
        TRAINING | {"model": 4},
        TRAINING | {"seed": 1},
        TRAINING | {"recipe": {"epochs": 9, "learning_rate": 0.2}},
        TRAINING | {"code": "abd"},
        TRAINING | {"torch": "2"},
    ],
)
def test_one_of_another_training_is_not_used_and_the_log_says_so(tmp_path, caplog, other):
    snapshots.write(tmp_path / "x", running(), TRAINING)
    assert snapshots.read(tmp_path / "x", other) is None
    assert caplog.messages == [f"{tmp_path}/x: of another training, not used"]


def test_a_damaged_one_is_not_used_wherever_the_damage_is(tmp_path, caplog):
    path = tmp_path / "x"
    snapshots.write(path, running(), TRAINING)
    whole = path.read_bytes()
    damaged = [whole[:length] for length in range(0, len(whole), 97)]
    damaged += [
        whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        for place in range(len(whole))
    ]
    damaged += [os.urandom(100), b"\0" * len(whole)]
    for content in damaged:
        path.write_bytes(content)
        caplog.clear()
        assert snapshots.read(path, TRAINING) is None
        assert f"{path}: " in caplog.text
        assert "not used" in caplog.text
    path.write_bytes(whole)
    caplog.set_level(logging.INFO)
    caplog.clear()
    assert snapshots.read(path, TRAINING) is not None
    assert not caplog.records


def test_they_lie_hidden_beside_the_output(tmp_path):
    output = tmp_path / "full" / "shard-000.safetensors"
    assert snapshots.folder(output).parent == output.parent
    assert snapshots.folder(output).name.startswith(".shard-000")

import os

import pytest
import torch

from ptq_privacy.runtime import devices


def test_the_cpu_is_always_there():
    assert devices.choose("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused_and_not_replaced():
    with pytest.raises(RuntimeError, match=r"\Adevice: cuda, but torch sees no GPU here; .*cpu\Z"):
        devices.choose("cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize(
    ("allowed", "slurm", "seen"),
    [
        ("7, 8", None, "7"),  # the first of those that the user allows
        ("7,8", "42", "7,8"),  # SLURM chose before us
        ("-1", None, "-1"),  # none at all
    ],
)
def test_cuda_is_shown_one_leased_device_before_it_starts(
    tmp_path, monkeypatch, allowed, slurm, seen
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    if slurm:
        monkeypatch.setenv("SLURM_JOB_ID", slurm)
    with pytest.raises(RuntimeError, match="torch sees no GPU here"):
        devices.choose("cuda")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen
    assert [lock.name for lock in tmp_path.rglob("*.lock")] == ["7.lock"] * (seen == "7")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpu_computes():
    device = devices.choose("cuda")
    assert device.type == "cuda"
    assert float((torch.ones(2, device=device) * 3).sum()) == 6

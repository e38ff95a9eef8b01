"""Which device a job computes on: the one that the config names, or a clear refusal."""

from __future__ import annotations

import os

import torch

from ptq_privacy.runtime import leases


def choose(name: str) -> torch.device:
    """The torch device of a job; `name` is `cpu` or `cuda`.

    A job on a GPU holds one that no other job on this machine has, until it ends. It must ask
    before anything else starts CUDA, which sees only that one then.

    Raises:
        RuntimeError: the config asks for a GPU and this machine shows none.
    """
    if name == "cuda":
        _keep_to_one()
        if not torch.cuda.is_available():
            raise RuntimeError(
                "device: cuda, but torch sees no GPU here; run where one is visible, "
                "or set device: cpu"
            )
        compute_exactly()
    return torch.device(name)


def compute_exactly() -> None:
    """Keep float32 at its own precision: convolutions would by default round their inputs to TF32.

    Where a recipe asks for bfloat16 it gets it all the same.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def _keep_to_one() -> None:
    """Let CUDA see one leased device only; SLURM has done as much for its jobs already."""
    visible = _visible()
    if visible and "SLURM_JOB_ID" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = leases.take(visible, leases.folder())


def _visible() -> list[str]:
    """The devices that this process may use, by the names that CUDA_VISIBLE_DEVICES knows."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return [str(number) for number in range(torch.cuda.device_count())]
    names = [name.strip() for name in allowed.split(",")]
    return list(dict.fromkeys(name for name in names if name not in ("", "-1", "NoDevFiles")))

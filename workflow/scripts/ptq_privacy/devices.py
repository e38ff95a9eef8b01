"""Which device a job computes on: the one that the config names, or a clear refusal."""

from __future__ import annotations

import torch


def choose(name: str) -> torch.device:
    """The torch device of a job; `name` is `cpu` or `cuda`.

    Raises:
        RuntimeError: the config asks for a GPU and this machine shows none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            "device: cuda, but torch sees no GPU here; run where one is visible, or set device: cpu"
        )
    return torch.device(name)

"""Stage: attacks on one network with fewer shadow models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import sweep


def plot_sweep(
    swept: str | Path, title: str, outputs: Sequence[str | Path], origin: Origin
) -> None:
    """Draw what the stage `sweep_shadow_models` wrote."""
    sweep.plot(tables.read_frame(swept), title, outputs, origin)

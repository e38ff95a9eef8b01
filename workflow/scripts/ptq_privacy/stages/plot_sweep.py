"""Stage: attacks on one network with fewer shadow models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import style, sweep


def plot_sweep(
    swept: str | Path,
    leakage: str | Path,
    title: str,
    outputs: Sequence[str | Path],
    origin: Origin,
) -> None:
    """Draw what the stage `sweep_shadow_models` wrote.

    Args:
        leakage: at full precision, which says how many non-members a target has.
    """
    nonmembers = int(tables.read_frame(leakage)["nonmembers"].min())
    style.save(sweep.draw(tables.read_frame(swept), title, nonmembers), outputs, origin)

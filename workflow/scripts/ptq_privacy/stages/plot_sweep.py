"""Stage: attacks on one network with fewer shadow models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptq_privacy.data import membership
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import style, sweep


def plot_sweep(
    swept: str | Path,
    members: str | Path,
    title: str,
    outputs: Sequence[str | Path],
    origin: Origin,
) -> None:
    """Draw what the stage `sweep_shadow_models` wrote.

    Args:
        members: of the whole pool, which say how many non-members a target has.
    """
    table, known = tables.read_frame(swept), membership.read(members)
    nonmembers = min(int((~known[target]).sum()) for target in table["target"].unique())
    style.save(sweep.draw(table, title, nonmembers), outputs, origin)

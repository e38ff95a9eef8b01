"""Stage: leakage of one network against its accuracy, and against what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import storage, style, tradeoff


def plot_tradeoff(
    summary: str | Path,
    dataset: str,
    network: str,
    attack: str,
    outputs: Sequence[str | Path],
    storage_outputs: Sequence[str | Path],
    origin: Origin,
) -> None:
    """Draw both figures of the summary, for one score."""
    table = tables.read_frame(summary)
    own = table[(table["dataset"] == dataset) & (table["network"] == network)]
    title = f"{dataset}, {network}"
    style.save(tradeoff.draw(own, title, attack), outputs, origin)
    style.save(storage.draw(own, title, attack), storage_outputs, origin)

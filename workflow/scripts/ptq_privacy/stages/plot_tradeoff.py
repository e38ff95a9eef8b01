"""Stage: leakage of one network against its accuracy, and against what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import storage, tradeoff


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
    tradeoff.plot(table, dataset, network, attack, outputs, origin)
    storage.plot(table, dataset, network, attack, storage_outputs, origin)

"""Stage: adversary against adversary, for one network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import side_by_side, style
from ptq_privacy.report.quoted import quoted


def plot_adversaries(
    summary: str | Path,
    comparisons: str | Path,
    dataset: str,
    network: str,
    attacks: Sequence[str],
    title: str,
    outputs: Sequence[str | Path],
    origin: Origin,
) -> None:
    """Draw the adversaries of some scores side by side."""
    table = tables.read_frame(summary)
    own = table[(table["dataset"] == dataset) & (table["network"] == network)]
    nonmembers = int(own["nonmembers"].min())
    measure = quoted(nonmembers)
    both = side_by_side.side_by_side(tables.read_frame(comparisons), own, measure.metric)
    figure = side_by_side.draw(both, attacks, title, measure, nonmembers)
    style.save(figure, outputs, origin)

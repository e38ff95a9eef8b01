"""Stage: what the networks of one family leak, against their size and their accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import by_size, style


def plot_scale(
    scale: str | Path,
    dataset: str,
    family: str,
    attack: str,
    outputs: Sequence[str | Path],
    origin: Origin,
) -> None:
    """Draw one family of the table of scales, for one score."""
    table = tables.read_frame(scale)
    own = table[(table["dataset"] == dataset) & (table["family"] == family)]
    style.save(by_size.draw(own[own["attack"] == attack], attack), outputs, origin)

"""Stage: ROC curves of one network under one adversary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ptq_privacy.files.origin import Origin
from ptq_privacy.report import roc, style


def plot_roc(
    scores: Mapping[str, str | Path],
    attack: str,
    title: str,
    outputs: Sequence[str | Path],
    origin: Origin,
) -> None:
    """Draw the score file of each variant."""
    style.save(roc.draw(scores, attack, title), outputs, origin)

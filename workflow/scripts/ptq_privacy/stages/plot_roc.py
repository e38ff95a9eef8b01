"""Stage: ROC curves of one network under one adversary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ptq_privacy.files.origin import Origin
from ptq_privacy.report import roc


def plot_roc(
    scores: Mapping[str, str | Path],
    attack: str,
    title: str,
    outputs: Sequence[str | Path],
    origin: Origin,
) -> None:
    """Draw `roc.plot` of the score file of each variant, to each of `outputs`."""
    roc.plot(scores, attack, title, outputs, origin)

"""Stage: ROC curves of one network under one adversary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ptq_privacy.files.origin import Origin
from ptq_privacy.files.shard_records import records
from ptq_privacy.report import roc, style


def plot_roc(
    scores: Mapping[str, str | Path],
    attack: str,
    title: str,
    outputs: Sequence[str | Path],
    origin: Origin,
    trained: Sequence[str | Path] = (),
) -> None:
    """Draw the score file of each variant.

    Args:
        trained: a shard of the networks at full precision where they were trained with differential
            privacy, of which it says what was promised; else none.
    """
    known = [record.promise for path in trained for record in records(path).values()]
    style.save(roc.draw(scores, attack, title, known[0] if known else None), outputs, origin)

"""Stage: which samples of the audit pool each model of a shard is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptq_privacy.data import dataset, membership
from ptq_privacy.files.origin import Origin


def assign_members(
    dataset_path: str | Path,
    output: str | Path,
    models: Sequence[int],
    seed: int,
    origin: Origin,
) -> None:
    """Draw the halves of the pairs that a shard's models belong to, and write the models' own."""
    samples = len(dataset.read(dataset_path).train_labels)
    pairs_up_to = max(models) // 2 + 1
    members = membership.draw(samples, 2 * pairs_up_to, seed)
    membership.write(output, {model: members[model] for model in models}, origin)

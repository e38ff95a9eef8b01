"""What the attacks see of a pool: every model's confidence in every sample's true class.

The confidences are taken from logit files a block at a time, so a pool of any number of classes
costs no more memory than one number a (model, sample, query).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data import logits as logit_files
from .phi import of_block, phi

__all__ = ["Confidences", "phi", "read_phi"]


@dataclass(frozen=True)
class Confidences:
    """What the attacks see of some models of a pool, ascending by model number."""

    models: tuple[int, ...]
    phi: np.ndarray  # float64 [models, samples, queries]
    label: np.ndarray  # int16 [samples]
    member: np.ndarray  # bool [models, samples]


def read_phi(paths: Iterable[str | Path], models: Iterable[int]) -> Confidences:
    """Confidences of `models` from the logit files that hold them, a block at a time.

    Full and compact files give the same numbers. Files may come in any order and may hold other
    models as well: those are passed over.

    Raises:
        ValueError: names the model that is missing or found twice, or the file whose samples,
            labels or queries differ from those of the files before it.
    """
    wanted = tuple(sorted(models))
    found: dict[int, list[np.ndarray]] = {model: [] for model in wanted}
    member: dict[int, np.ndarray] = {}
    origin: dict[int, str | Path] = {}
    label: np.ndarray | None = None
    for path in paths:
        for block in logit_files.read_answers(path):
            if block.model not in found:
                continue
            name = f"{path}: model {block.model}, query {block.query}"
            if origin.setdefault(block.model, path) != path:
                raise ValueError(f"{name}: the model is in {origin[block.model]} as well")
            if label is None:
                label = block.label
            if not np.array_equal(label, block.label):
                raise ValueError(f"{name}: samples or labels differ from those read before")
            if not np.array_equal(member.setdefault(block.model, block.member), block.member):
                raise ValueError(f"{name}: membership differs from that of the model's first query")
            if block.query != len(found[block.model]):
                raise ValueError(
                    f"{name}: expected query {len(found[block.model])}; "
                    "a model's queries are 0, 1, 2, ..."
                )
            found[block.model].append(of_block(block))
    return _gathered(wanted, found, member, label)


def _gathered(
    wanted: tuple[int, ...],
    found: dict[int, list[np.ndarray]],
    member: dict[int, np.ndarray],
    label: np.ndarray | None,
) -> Confidences:
    missing = [model for model in wanted if not found[model]]
    if label is None or missing:
        raise ValueError(
            f"models {', '.join(map(str, missing))} are in none of the logit files; "
            f"expected one file each for models {wanted}"
        )
    queries = len(found[wanted[0]])
    stacked = np.empty((len(wanted), len(label), queries))
    for row, model in enumerate(wanted):
        blocks = found.pop(model)
        if len(blocks) != queries:
            raise ValueError(
                f"model {model} has {len(blocks)} queries, model {wanted[0]} has {queries}; "
                "every model must answer the same ones"
            )
        for query, values in enumerate(blocks):
            stacked[row, :, query] = values
    return Confidences(
        models=wanted,
        phi=stacked,
        label=label,
        member=np.stack([member[model] for model in wanted]),
    )

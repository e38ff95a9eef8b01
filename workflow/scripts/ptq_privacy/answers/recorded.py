"""What the models of a pool answered, of whatever shards: phi and correctness.

Both are taken from logit files a block at a time, so a pool of any number of classes costs no more
memory than these two numbers a (model, sample, query).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptq_privacy.answers import logits
from ptq_privacy.answers.phi import correct, of_block


@dataclass(frozen=True, eq=False)
class Answers:
    """What some models of a pool answered, ascending by model number."""

    models: tuple[int, ...]
    phi: np.ndarray  # float64 [models, samples, queries]
    correct: np.ndarray  # bool [models, samples, queries]
    label: np.ndarray  # int16 [samples]
    member: np.ndarray  # bool [models, samples]


def read(paths: Iterable[str | Path], models: Iterable[int]) -> Answers:
    """Answers of `models` from the logit files that hold them, a block at a time.

    Full and compact files give the same numbers. Files may come in any order and may hold other
    models as well: those are passed over.

    Raises:
        ValueError: names the model that is missing or found twice, or the file whose samples,
            labels or queries differ from those of the files before it.
    """
    wanted = tuple(sorted(models))
    found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {model: [] for model in wanted}
    member: dict[int, np.ndarray] = {}
    origin: dict[int, str | Path] = {}
    label: np.ndarray | None = None
    for path in paths:
        for block in logits.read_answers(path):
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
            found[block.model].append((of_block(block), correct(block)))
    return _gathered(wanted, found, member, label)


def _gathered(
    wanted: tuple[int, ...],
    found: dict[int, list[tuple[np.ndarray, np.ndarray]]],
    member: dict[int, np.ndarray],
    label: np.ndarray | None,
) -> Answers:
    missing = [model for model in wanted if not found[model]]
    if label is None or missing:
        raise ValueError(
            f"models {', '.join(map(str, missing))} are in none of the logit files; "
            f"expected one file each for models {wanted}"
        )
    queries = len(found[wanted[0]])
    shape = (len(wanted), len(label), queries)
    phi, right = np.empty(shape), np.empty(shape, bool)
    for row, model in enumerate(wanted):
        blocks = found.pop(model)
        if len(blocks) != queries:
            raise ValueError(
                f"model {model} has {len(blocks)} queries, model {wanted[0]} has {queries}; "
                "every model must answer the same ones"
            )
        for query, (values, hits) in enumerate(blocks):
            phi[row, :, query], right[row, :, query] = values, hits
    return Answers(
        models=wanted,
        phi=phi,
        correct=right,
        label=label,
        member=np.stack([member[model] for model in wanted]),
    )

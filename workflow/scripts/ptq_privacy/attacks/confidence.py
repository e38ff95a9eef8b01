"""From logits to the one number an attack looks at: how confident a model is in the true class.

phi(x) = log p_y - log(1 - p_y), the logit-scaled confidence of Carlini et al. (2022), section IV,
is close to normally distributed over models, where p_y itself piles up at 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..data import logits as logit_files


@dataclass(frozen=True)
class Confidences:
    """What the attacks see of some models of a pool, ascending by model number."""

    models: tuple[int, ...]
    phi: np.ndarray  # float64 [models, samples, queries]
    label: np.ndarray  # int16 [samples]
    member: np.ndarray  # bool [models, samples]


def phi(logits: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """Logit-scaled confidence z_y - logsumexp of the other classes' z, in float64.

    p_y itself is never formed, so nothing saturates or ties at extreme logits.

    Args:
        logits: [..., C], finite, of at least two classes.
        labels: integers 0..C-1 that broadcast to the leading axes of `logits`.

    Returns:
        float64 [...]: positive where the true class outweighs all the others together.

    Raises:
        ValueError: fewer than two classes, a label out of range, logits that are not finite.
    """
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim == 0 or z.shape[-1] < 2:
        raise ValueError(f"logits of shape {z.shape}: expected [..., classes], at least 2 classes")
    if not np.isfinite(z).all():
        raise ValueError("logits: not all are finite")
    y = np.asarray(labels)
    if not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"labels are {y.dtype}; expected integers")
    if y.size and (y.min() < 0 or y.max() >= z.shape[-1]):
        raise ValueError(
            f"labels from {y.min()} to {y.max()}; allowed: 0 to {z.shape[-1] - 1}, "
            "the classes of the logits"
        )
    try:
        at = np.broadcast_to(y, z.shape[:-1]).astype(np.int64)[..., None]
    except ValueError:
        raise ValueError(
            f"labels of shape {y.shape} do not broadcast to logits' leading axes {z.shape[:-1]}"
        ) from None
    z_y = np.take_along_axis(z, at, axis=-1)
    others = z.copy()
    np.put_along_axis(others, at, -np.inf, axis=-1)
    top = others.max(axis=-1, keepdims=True)
    others -= top
    total = np.exp(others, out=others).sum(axis=-1, keepdims=True)
    return (z_y - top - np.log(total))[..., 0]


def read_phi(paths: Iterable[str | Path], models: Iterable[int]) -> Confidences:
    """Confidences of `models` from the logit files that hold them, a block at a time.

    Files may come in any order and may hold other models as well: those are passed over.

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
        for block in logit_files.read(path):
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
            found[block.model].append(phi(block.logits, block.label))
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

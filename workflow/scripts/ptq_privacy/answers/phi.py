"""From logits to the one number an attack looks at: how confident a model is in the true class.

phi(x) = log p_y - log(1 - p_y), the logit-scaled confidence of Carlini et al. (2022), section IV,
is close to normally distributed over models, where p_y itself piles up at 1. Every attack of this
study needs it alone, p_y = 1 / (1 + exp(-phi)) included, so it can be stored in place of logits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ptq_privacy.answers.answer_blocks import CompactBlock, LogitBlock

SAMPLES_AT_ONCE = 8192  # of a block: float64 copies of all its logits would take a gigabyte


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


def of_block(block: LogitBlock | CompactBlock) -> np.ndarray:
    """phi of each sample of a block, float64 [S], computed or as stored."""
    if isinstance(block, CompactBlock):
        return block.phi
    found = np.empty(len(block.label))
    for start in range(0, len(found), SAMPLES_AT_ONCE):
        part = slice(start, start + SAMPLES_AT_ONCE)
        found[part] = phi(block.logits[part], block.label[part])
    return found


def correct(block: LogitBlock | CompactBlock) -> np.ndarray:
    """Whether each answer's largest logit is the label's, bool [S]."""
    if isinstance(block, CompactBlock):
        return block.correct
    return block.logits.argmax(axis=1) == block.label


def compacted(block: LogitBlock) -> CompactBlock:
    """What the attacks need of a block: phi, bit for bit as from the logits, and correctness."""
    return CompactBlock(
        model=block.model,
        query=block.query,
        label=block.label,
        member=block.member,
        phi=of_block(block),
        correct=correct(block),
    )

"""AdaRound (Nagel et al. 2020): learn for each weight whether it is rounded down or up.

The loss is the layer's own output error on the quantized network's inputs, without the activation
function. It is a quadratic known from second moments (see descent.py), so a step takes the exact
gradient over all calibration data for the price of one matrix product.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ptq_privacy.ptq.descent import best_of_rows, checked_moments, coordinate_descent
from ptq_privacy.ptq.grid import Grid, nearest
from ptq_privacy.ptq.rounding import Schedule, SoftWeights, descend


def quantize_rows(
    weight: Tensor,
    second_moment: Tensor,
    cross_moment: Tensor,
    grid: Grid,
    iterations: int = 500,
    learning_rate: float = 1e-2,
) -> Tensor:
    """Choose floor or ceil for each weight so that the layer's output error is least.

    The rectified sigmoids of Nagel et al. (2020), eq. 21-25, are learned by Adam, and rounded; then
    coordinate descent among the same floors and ceilings takes up what learning left. The same
    descent starts from nearest rounding too, and each row keeps the better of its two results.

    Args:
        weight: full-precision weight, [out, d].
        second_moment: E[x x^T] of the quantized network's inputs x, [d, d].
        cross_moment: E[y x^T], [out, d], y the full-precision output without bias. Where nothing
            before the layer is quantized it is weight @ second_moment.
        grid: of the same channels.
        iterations: of Adam.
        learning_rate: of Adam.

    Returns:
        Codes, uint8 [out, d], each the floor or the ceil of its weight, clipped to the grid.

    Raises:
        ValueError: an argument is not a finite matrix, or shapes do not fit.
    """
    second, cross = checked_moments(weight, second_moment, cross_moment)
    rounded = nearest(weight, grid)
    soft = SoftWeights.between([weight], [grid])
    learned = _learn(soft, second, cross, Schedule(iterations, learning_rate, batch=1))
    low = soft.low.view_as(rounded)
    high = low + (soft.step.view_as(rounded) > 0)
    candidates = [
        coordinate_descent(codes, (low, high), grid, second, cross) for codes in (learned, rounded)
    ]
    return best_of_rows(candidates, grid, second, cross)


def _learn(soft: SoftWeights, second: Tensor, cross: Tensor, schedule: Schedule) -> Tensor:
    """Codes learned on the whole calibration set at once."""
    second, cross = second.float(), cross.float()

    def gradients(weights: list[Tensor], _: Tensor) -> list[Tensor]:
        return [torch.addmm(cross, weights[0], second, beta=-2, alpha=2)]  # 2 (W H - T)

    h = descend(gradients, soft, soft.fraction, 1, schedule, torch.Generator())
    return soft.codes(h)[0]

"""AdaRound (Nagel et al. 2020): learn for each weight whether it is rounded down or up.

The loss is the layer's own output error on the quantized network's inputs. Where no activation
function follows, it is a quadratic known from second moments (see descent.py), so a step takes the
exact gradient over all calibration data for the price of one matrix product. Through an activation
a step takes some hundred positions, drawn from all images: far fewer than minibatches of images
have, and less alike. Both ways end with a descent that tries weight after weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ptq_privacy.ptq.calibration import Samples
from ptq_privacy.ptq.descent import best_of_rows, checked_moments, coordinate_descent
from ptq_privacy.ptq.grid import Grid, dequantize, nearest
from ptq_privacy.ptq.rounding import Schedule, SoftWeights, descend

WINDOW = 512  # positions a step: more cost time and gain nothing
STEPS = 4  # through an activation, for each step without: they see less of the data
TRIED_ON = 4096  # positions that decide about single weights at the end
SWEEPS = 5


def quantize_rows(
    weight: Tensor,
    second_moment: Tensor,
    cross_moment: Tensor,
    grid: Grid,
    iterations: int = 200,
    learning_rate: float = 0.1,
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


def quantize_activated(
    samples: Samples,
    activation: Callable[[Tensor], Tensor],
    grid: Grid,
    iterations: int,
    learning_rate: float,
    generator: torch.Generator,
) -> Tensor:
    """The same for a layer followed by an activation function f: eq. 25 of Nagel et al. (2020).

    The error is E[(f(y) - f(q x + b))^2]: what the activation cuts off costs nothing. All groups of
    a convolution are learned at once.

    Args:
        samples: the layer's weight and bias b, inputs x and full-precision outputs y.
        activation: f, value by value.
        grid: of all groups' channels.
        iterations: Adam takes `STEPS` times as many, each on a window of the positions.
        learning_rate: of Adam.
        generator: draws the windows.

    Returns:
        Codes, uint8 [groups * out, d], each the floor or the ceil of its weight, clipped to the
        grid.
    """
    order = torch.randperm(samples.inputs.shape[1], generator=generator).to(samples.inputs.device)
    x, target = samples.inputs[:, order], activation(samples.outputs[:, order])
    windows = list(zip(x.split(WINDOW, 1), target.split(WINDOW, 1), strict=True))
    bias = samples.bias[:, None]

    def gradients(weights: list[Tensor], drawn: Tensor) -> list[Tensor]:
        x, target = windows[int(drawn)]
        z = torch.baddbmm(bias, x, weights[0].view_as(samples.weight).mT)
        with torch.enable_grad():
            reached = activation(z.requires_grad_())
            (slope,) = torch.autograd.grad(reached, z, reached.detach() - target)
        return [slope.mT @ x * (2 / x.shape[1])]

    soft = SoftWeights.between([samples.weight.flatten(0, 1)], [grid])
    schedule = Schedule(STEPS * iterations, learning_rate, batch=1)
    h = descend(gradients, soft, soft.fraction, len(windows), schedule, generator)
    few = replace(samples, inputs=x[:, :TRIED_ON])
    return _try_each(few, target[:, :TRIED_ON], activation, grid, soft, h)


def _try_each(
    samples: Samples,
    target: Tensor,
    activation: Callable[[Tensor], Tensor],
    grid: Grid,
    soft: SoftWeights,
    h: Tensor,
) -> Tensor:
    """Give each weight its other grid point where that lowers its row's error, until none does."""
    x, (groups, out, d) = samples.inputs, samples.weight.shape
    (learned,) = soft.codes(h)
    z = torch.baddbmm(
        samples.bias[:, None], x, dequantize(learned, grid).view(groups, out, d).mT
    )  # [groups, positions, out]
    error = (activation(z) - target).square_().sum(1)
    codes = learned.float().view(groups, out, d)
    both = (2 * soft.low + (soft.step > 0)).view(groups, out, d)  # sum of the two points' codes
    scale = grid.scale.view(groups, out)
    columns = x.permute(2, 0, 1).unsqueeze(3).contiguous()  # [d, groups, positions, 1]
    for _ in range(SWEEPS):
        before = codes.clone()
        for j, column in enumerate(columns):
            other = both[..., j] - codes[..., j]
            change = (other - codes[..., j]).mul_(scale)
            moved = torch.addcmul(z, column, change[:, None])
            reached = activation(moved).sub_(target).square_().sum(1)
            better = reached < error
            z = torch.where(better[:, None], moved, z)
            error = torch.minimum(error, reached)
            codes[..., j] = torch.where(better, other, codes[..., j])
        if torch.equal(codes, before):
            break
    return codes.flatten(0, 1).to(torch.uint8)


def _learn(soft: SoftWeights, second: Tensor, cross: Tensor, schedule: Schedule) -> Tensor:
    """Codes learned on the whole calibration set at once."""
    second, cross = second.float(), cross.float()

    def gradients(weights: list[Tensor], _: Tensor) -> list[Tensor]:
        return [torch.addmm(cross, weights[0], second, beta=-2, alpha=2)]  # 2 (W H - T)

    h = descend(gradients, soft, soft.fraction, 1, schedule, torch.Generator())
    return soft.codes(h)[0]

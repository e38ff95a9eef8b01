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
TRIED_AT_ONCE = 1 << 16  # outputs, on a CPU: they stay in its cache
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
    """Give each weight its other grid point where that lowers its row's error, until none does.

    Rows do not depend on one another: a CPU takes as many at a time as its cache holds.
    """
    x, shape = samples.inputs, samples.weight.shape
    groups, out, _ = shape
    (learned,) = soft.codes(h)
    weight = dequantize(learned, grid).view(shape)
    codes = learned.float().view(shape)
    other = (2 * soft.low + (soft.step > 0)).view(shape) - codes
    changes = (other - codes) * grid.scale.view(groups, out, 1)
    columns = x.permute(2, 0, 1).unsqueeze(2).contiguous()
    rows = max(1, TRIED_AT_ONCE // x[..., 0].numel()) if x.device.type == "cpu" else out
    for start in range(0, out, rows):
        part = slice(start, start + rows)
        z = torch.baddbmm(samples.bias[:, part, None], weight[:, part], x.mT)
        wanted = target[..., part].mT.contiguous()
        changed = _changed(z, wanted, columns, changes[:, part], activation)
        codes[:, part] = torch.where(changed, other[:, part], codes[:, part])
    return codes.flatten(0, 1).to(torch.uint8)


def _changed(
    z: Tensor,
    wanted: Tensor,
    columns: Tensor,
    changes: Tensor,
    activation: Callable[[Tensor], Tensor],
) -> Tensor:
    """Which weights of some rows end at their other point, bool [groups, rows, d].

    Args:
        z: the rows' outputs before the activation, [groups, rows, positions]; changed in place.
        wanted: what the outputs should be after it.
        columns: the inputs, [d, groups, 1, positions].
        changes: from each weight to its other point, [groups, rows, d].
        activation: value by value.
    """
    changed = torch.zeros_like(changes, dtype=torch.bool)
    error = torch.linalg.vector_norm(activation(z) - wanted, dim=2, keepdim=True)
    moved = torch.empty_like(z)
    for _ in range(SWEEPS):
        steps = changes.permute(2, 0, 1).unsqueeze(3).contiguous()
        taken = []
        for column, step in zip(columns, steps, strict=True):
            torch.addcmul(z, column, step, out=moved)
            gap = activation(moved).sub_(wanted)
            reached = torch.linalg.vector_norm(gap, dim=2, keepdim=True)
            taken.append(reached < error)
            z.addcmul_(column, step * taken[-1])
            error = torch.minimum(error, reached)
        turned = torch.cat(taken, 2)
        if not turned.any():
            break
        changed ^= turned
        changes = torch.where(turned, -changes, changes)
    return changed


def _learn(soft: SoftWeights, second: Tensor, cross: Tensor, schedule: Schedule) -> Tensor:
    """Codes learned on the whole calibration set at once."""
    second, cross = second.float(), cross.float()

    def gradients(weights: list[Tensor], _: Tensor) -> list[Tensor]:
        return [torch.addmm(cross, weights[0], second, beta=-2, alpha=2)]  # 2 (W H - T)

    h = descend(gradients, soft, soft.fraction, 1, schedule, torch.Generator())
    return soft.codes(h)[0]

"""Learned rounding of one layer: for each weight, down or up (AdaRound, Nagel et al. 2020).

The loss is the layer's own output error on the quantized network's inputs. Where no activation
function follows, it is a quadratic known from second moments (see descent.py), so a step takes the
exact gradient over all calibration data for the price of one matrix product. Through an activation
a step takes some hundred positions, drawn from all images: far fewer than minibatches of images
have, and less alike. Both ways end by trying single weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from ptq_privacy.compression.descent import best_of_rows, checked_moments, coordinate_descent
from ptq_privacy.compression.grid import Grid, QuantizedWeight, dequantize, nearest, search
from ptq_privacy.compression.grouped import by_group
from ptq_privacy.compression.rounding import Schedule, SoftWeights, descend
from ptq_privacy.graph.blocks import activation_of
from ptq_privacy.graph.layers import Samples
from ptq_privacy.graph.walk import Walk

WINDOW = 512  # positions a step: more cost time and gain nothing
STEPS = 4  # through an activation, for each step without: they see less of the data
ROUNDS = 8  # of trying single weights at the end
TRIES = 64  # of a row's weights a round: hardly any other would be taken
TRIED_AT_ONCE = 1 << 16  # outputs, on a CPU: they stay in its cache


def quantize_layer(
    walk: Walk, node: fx.Node, levels: int, iterations: int, learning_rate: float
) -> QuantizedWeight:
    """Learn a layer's codes where a walk has come to, through the activation that follows it.

    Args:
        walk: over the full-precision network and the copy that is quantized.
        node: the layer's.
        levels: codes on its grid.
        iterations, learning_rate: of Adam.
    """
    activation = activation_of(node, walk.full.modules)
    if activation is not None:
        samples = walk.samples(node)
        grid = search(samples.weight.flatten(0, 1), levels)
        codes = quantize_activated(
            samples, activation, grid, iterations, learning_rate, walk.generator
        )
        return QuantizedWeight(codes, grid)

    def solve(weight: Tensor, second: Tensor, cross: Tensor, grid: Grid) -> Tensor:
        return quantize_rows(weight, second, cross, grid, iterations, learning_rate)

    return by_group(walk.moments(node), levels, solve)


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
        gap, slope = _gap_and_slope(z, target, activation)
        return [gap.mul_(slope).mT @ x * (2 / x.shape[1])]

    soft = SoftWeights.between([samples.weight.flatten(0, 1)], [grid])
    schedule = Schedule(STEPS * iterations, learning_rate, batch=1)
    h = descend(gradients, soft, soft.fraction, len(windows), schedule, generator)
    (codes,) = soft.codes(h)
    both = (2 * soft.low + (soft.step > 0)).view_as(codes)  # sum of the two points' codes
    other = (both - codes).to(torch.uint8)
    begun, changed = (dequantize(c, grid).view_as(samples.weight) for c in (codes, other))
    z = torch.baddbmm(samples.bias[..., None], begun, x.mT)
    turned = _turned(z, target.mT.contiguous(), x, changed - begun, activation)
    return torch.where(turned.view_as(codes), other, codes)


def _turned(
    z: Tensor,
    target: Tensor,
    x: Tensor,
    change: Tensor,
    activation: Callable[[Tensor], Tensor],
) -> Tensor:
    """Which weights to give their other grid point, so that their rows' errors fall.

    A round ranks a row's weights by what changing each is expected to do to the row's error, to
    second order; the most promising ones are tried in turn, and what lowers the true error is kept.

    Args:
        z: outputs before the activation, [groups, out, positions]; changed in place.
        target: what they should be after it.
        x: inputs, [groups, positions, d].
        change: from each weight to its other grid point, [groups, out, d].
        activation: value by value.

    Returns:
        bool [groups, out, d].
    """
    _, out, d = change.shape
    columns = x.mT.contiguous()
    rows = rows_at_once(out, x[..., 0].numel(), x.device.type)
    parts = [slice(start, start + rows) for start in range(0, out, rows)]
    slope = _gap_and_slope(z, target, activation)[1].square_()
    curvature = torch.zeros_like(change)
    for at in range(0, x.shape[1], WINDOW):
        window = slice(at, at + WINDOW)
        curvature.baddbmm_(slope[..., window], x[:, window].square())
    turned = torch.zeros_like(change, dtype=torch.bool)
    for _ in range(ROUNDS):
        gap, slope = _gap_and_slope(z, target, activation)
        expected = (gap.mul_(slope) @ x).mul_(change).mul_(2).addcmul_(curvature, change.square())
        promising = expected.topk(min(d, TRIES), largest=False).indices
        now = torch.zeros_like(turned)
        for part in parts:
            steps = change[:, part].gather(2, promising[:, part])
            taken = _taken(
                z[:, part], target[:, part], columns, promising[:, part], steps, activation
            )
            now[:, part].scatter_(2, promising[:, part], taken)
        if not now.any():
            break
        turned ^= now
        change = torch.where(now, -change, change)
    return turned


def rows_at_once(out: int, positions: int, device: str) -> int:
    """How many of `out` rows try weights side by side, by device type; positions of all groups."""
    return out if device != "cpu" else min(out, max(1, TRIED_AT_ONCE // positions))


def _gap_and_slope(
    z: Tensor, target: Tensor, activation: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """f(z) - target, and f's derivative at z."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        reached = activation(z)
        (slope,) = torch.autograd.grad(reached, z, torch.ones_like(reached))
    return reached.detach() - target, slope


def _taken(
    z: Tensor,
    target: Tensor,
    columns: Tensor,
    tried: Tensor,
    steps: Tensor,
    activation: Callable[[Tensor], Tensor],
) -> Tensor:
    """Change weight after weight of some rows, wherever that lowers the row's error.

    Args:
        z: the rows' outputs before the activation, [groups, rows, positions]; changed in place.
        target: what they should be after it.
        columns: inputs, [groups, d, positions].
        tried: which weights, [groups, rows, tries].
        steps: and by how much.
        activation: value by value.

    Returns:
        Whether each was changed, bool [groups, rows, tries].
    """
    group = torch.arange(len(z), device=z.device)[:, None]
    error = torch.linalg.vector_norm(activation(z) - target, dim=2, keepdim=True)
    moved = torch.empty_like(z)
    taken = []
    for j, step in zip(tried.unbind(2), steps.split(1, 2), strict=True):
        column = columns[group, j]
        torch.addcmul(z, column, step, out=moved)
        reached = torch.linalg.vector_norm(activation(moved).sub_(target), dim=2, keepdim=True)
        taken.append(reached < error)
        z.addcmul_(column, step * taken[-1])
        error = torch.minimum(error, reached)
    return torch.cat(taken, 2)


def _learn(soft: SoftWeights, second: Tensor, cross: Tensor, schedule: Schedule) -> Tensor:
    """Codes learned on the whole calibration set at once."""
    second, cross = second.float(), cross.float()

    def gradients(weights: list[Tensor], _: Tensor) -> list[Tensor]:
        return [torch.addmm(cross, weights[0], second, beta=-2, alpha=2)]  # 2 (W H - T)

    h = descend(gradients, soft, soft.fraction, 1, schedule, torch.Generator())
    return soft.codes(h)[0]

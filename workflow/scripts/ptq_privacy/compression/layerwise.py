"""Learned rounding of one layer: for each weight, down or up (AdaRound, Nagel et al. 2020).

The loss is the layer's own output error on the quantized network's inputs. Where no activation
function follows, it is a quadratic known from second moments (see descent.py), so a step takes the
exact gradient over all calibration data for the price of one matrix product. Through an activation
a step takes some hundred positions, drawn from all images: far fewer than minibatches of images
have, and less alike. Both ways end by trying single weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx

from ptq_privacy.compression.descent import best_of_rows, checked_moments, coordinate_descent
from ptq_privacy.compression.grid import Grid, QuantizedWeight, dequantize, nearest, search
from ptq_privacy.compression.rounding import Schedule, SoftWeights, descend
from ptq_privacy.graph.blocks import activation_of
from ptq_privacy.graph.layers import Samples
from ptq_privacy.graph.lockstep import Lockstep

WINDOW = 256  # positions a step: more cost time and gain nothing
STEPS = 2  # through an activation, for each step without: they see less of the data
ROUNDS = 8  # of trying single weights at the end
TRIES = 32  # of a row's weights a round: hardly any other would be taken
TRIED_AT_ONCE = 1 << 16  # outputs, on a CPU: they stay in its cache


def quantize_layer(
    walk: Lockstep, node: fx.Node, levels: int, iterations: int, learning_rate: float
) -> QuantizedWeight:
    """Learn a layer's codes where a walk has come to, through the activation that follows it.

    Args:
        walk: over full-precision networks and the copies that are quantized.
        node: the layer's.
        levels: codes on its grid.
        iterations, learning_rate: of Adam.

    Returns:
        The layer of all networks, the rows of each below those of the one before it.
    """
    activation = activation_of(node, walk.modules)
    if activation is not None:
        samples = walk.samples(node)
        grid = search(samples.weight.flatten(0, 1), levels)
        codes = quantize_activated(
            samples, activation, grid, iterations, learning_rate, walk.generators
        )
        return QuantizedWeight(codes, grid)
    found = walk.moments(node)
    grid = search(found.weight.flatten(0, 1), levels)
    known = found.weight, found.second, found.cross
    codes = _quantize(*known, grid, iterations, learning_rate)
    return QuantizedWeight(codes.flatten(0, 1), grid)


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
    return _quantize(weight[None], second[None], cross[None], grid, iterations, learning_rate)[0]


def _quantize(
    weight: Tensor,
    second: Tensor,
    cross: Tensor,
    grid: Grid,
    iterations: int,
    learning_rate: float,
) -> Tensor:
    """`quantize_rows` of several layers at once: weight and cross [layers, out, d]."""
    flat = weight.flatten(0, 1)
    rounded = nearest(flat, grid).view_as(weight)
    soft = SoftWeights.between([flat], [grid])
    learned = _learn(soft, second, cross, Schedule(iterations, learning_rate, batch=1))
    low = soft.low.view_as(weight)
    high = low + (soft.step.view_as(weight) > 0)
    candidates = [
        coordinate_descent(codes, (low, high), grid, second, cross)
        for codes in (learned.view_as(weight), rounded)
    ]
    return best_of_rows(candidates, grid, second, cross)


def quantize_activated(
    samples: Samples,
    activation: Callable[[Tensor], Tensor],
    grid: Grid,
    iterations: int,
    learning_rate: float,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """The same for a layer followed by an activation function f: eq. 25 of Nagel et al. (2020).

    The error is E[(f(y) - f(q x + b))^2]: what the activation cuts off costs nothing. All groups of
    a convolution, and all networks, are learned at once.

    Args:
        samples: the layer's weight and bias b, inputs x and full-precision outputs y; the groups of
            one network after those of another.
        activation: f, value by value.
        grid: of all groups' channels.
        iterations: Adam takes `STEPS` times as many, each on a window of the positions.
        learning_rate: of Adam.
        generators: one a network; it draws what positions make a window.

    Returns:
        Codes, uint8 [groups * out, d], each the floor or the ceil of its weight, clipped to the
        grid.
    """
    x, y = _shuffled(samples, generators)
    target = activation(y)
    count = max(1, x.shape[1] // WINDOW)
    windows = list(zip(x.tensor_split(count, 1), target.tensor_split(count, 1), strict=True))
    bias = samples.bias[:, None]

    def gradients(weights: list[Tensor], window: tuple[Tensor, Tensor]) -> list[Tensor]:
        x, target = window
        with torch.enable_grad():
            z = torch.baddbmm(bias, x, weights[0].view_as(samples.weight).mT).requires_grad_()
            reached = activation(z)
            gap = (reached.detach() - target).mul_(2 / x.shape[1])
            (by_z,) = torch.autograd.grad((reached * gap).sum(), z)
        return [by_z.mT @ x]

    soft = SoftWeights.between([samples.weight.flatten(0, 1)], [grid])
    schedule = Schedule(STEPS * iterations, learning_rate, batch=1)
    h = descend(gradients, soft, soft.fraction, lambda step: windows[step % count], schedule)
    (codes,) = soft.codes(h)
    both = (2 * soft.low + (soft.step > 0)).view_as(codes)  # sum of the two points' codes
    other = (both - codes).to(torch.uint8)
    begun, changed = (dequantize(c, grid).view_as(samples.weight) for c in (codes, other))
    z = torch.baddbmm(samples.bias[..., None], begun, x.mT)
    turned = _turned(z, target.mT.contiguous(), x, changed - begun, activation)
    return torch.where(turned.view_as(codes), other, codes)


def _shuffled(samples: Samples, generators: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
    """Inputs and outputs, the positions of each network in an order that its generator draws."""
    positions = samples.inputs.shape[1]
    orders = [torch.randperm(positions, generator=generator) for generator in generators]
    groups = len(samples.inputs) // len(generators)
    order = torch.stack(orders).repeat_interleave(groups, 0).to(samples.inputs.device)
    group = torch.arange(len(order), device=order.device)[:, None]
    return samples.inputs[group, order], samples.outputs[group, order]


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
    groups, out, d = change.shape
    columns = x.mT.contiguous()
    parts = parts_at_once(groups, out, x.shape[1], x.device.type)
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
            steps = change[part].gather(2, promising[part])
            taken = _taken(
                z[part], target[part], columns[part[0]], promising[part], steps, activation
            )
            now[part].scatter_(2, promising[part], taken)
        if not now.any():
            break
        turned ^= now
        change = torch.where(now, -change, change)
    return turned


def parts_at_once(groups: int, out: int, positions: int, device: str) -> list[tuple[slice, slice]]:
    """Which groups and rows of each try weights side by side, by device type."""
    if device != "cpu":
        return [(slice(groups), slice(out))]
    at_once = max(1, TRIED_AT_ONCE // positions)
    rows = min(out, at_once)
    some = max(1, at_once // out)
    return [
        (slice(group, group + some), slice(row, row + rows))
        for group in range(0, groups, some)
        for row in range(0, out, rows)
    ]


def _gap_and_slope(
    z: Tensor, target: Tensor, activation: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """f(z) - target, and f's derivative at z."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        reached = activation(z)
        # Of the sum: torch imports SymPy to look at a gradient that it is given.
        (slope,) = torch.autograd.grad(reached.sum(), z)
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

    def gradients(weights: list[Tensor], _: None) -> list[Tensor]:
        weight = weights[0].view_as(cross)
        return [torch.baddbmm(cross, weight, second, beta=-2, alpha=2)]  # 2 (W H - T)

    h = descend(gradients, soft, soft.fraction, lambda _: None, schedule)
    return soft.codes(h)[0]

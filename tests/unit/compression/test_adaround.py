"""AdaRound against the published run's error, all choices of a small layer, and minibatches."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ptq_privacy.compression import adaround, descent, grid, layerwise, rounding
from ptq_privacy.compression.grid import Grid
from ptq_privacy.compression.rounding import Schedule, SoftWeights, learn
from ptq_privacy.graph.layers import Samples

ORACLE = Path(__file__).parents[2] / "data" / "ada_fc.npz"


def inputs(samples: int, d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator)
    return (torch.randn(samples, d, generator=generator) @ mix).relu()


def layer(out: int, d: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    x = inputs(4 * d, d, seed)
    weight = torch.randn(out, d, generator=torch.Generator().manual_seed(seed + 1))
    second = x.T @ x / len(x)
    return weight, second, weight @ second


def error(codes: Tensor, on: Grid, second: Tensor, cross: Tensor) -> Tensor:
    return descent.objective(grid.dequantize(codes, on), second, cross)


def ends(weight: Tensor, on: Grid) -> tuple[Tensor, Tensor]:
    """Codes of floor and ceil."""
    floor = (weight / on.scale[:, None]).floor() + on.zero_point[:, None]
    return floor.clamp(0, on.levels - 1), (floor + 1).clamp(0, on.levels - 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [3, 4, 16])
def test_error_is_at_most_the_published_codes(levels, dtype):
    oracle = np.load(ORACLE)
    case = f"L{levels}"
    on = Grid(
        torch.from_numpy(oracle[f"{case}_scale"][:, 0]),
        torch.from_numpy(oracle[f"{case}_zero"][:, 0]),
        levels,
    )
    weight, second = torch.from_numpy(oracle["W"]), torch.from_numpy(oracle["H"])
    moments = second.to(dtype), weight.to(dtype) @ second.to(dtype)
    codes = adaround.quantize_rows(weight, *moments, on)
    gap = grid.dequantize(codes, on).double() - weight
    assert float(((gap @ second) * gap).sum()) <= float(oracle[f"{case}_err"])
    low, high = ends(weight, on)
    assert ((codes == low) | (codes == high)).all()


def test_codes_come_close_to_the_best_of_all_choices():
    weight, second, cross = layer(12, 9, seed=0)
    on = grid.search(weight, 4)
    low, high = ends(weight, on)
    choices = torch.tensor(list(product((False, True), repeat=9)))
    every = torch.stack([error(torch.where(c, high, low), on, second, cross) for c in choices])
    best, span = every.amin(0), every.amax(0) - every.amin(0)
    found = error(adaround.quantize_rows(weight, second, cross, on), on, second, cross)
    missed = (found - best) / span
    assert missed.min() >= -1e-6
    assert missed.mean() <= 0.02
    assert missed.max() <= 0.1


def test_error_is_at_most_that_of_the_published_minibatches():
    weight = torch.randn(8, 30, generator=torch.Generator().manual_seed(1))
    x = inputs(256, 30, seed=2)
    y = x @ weight.T
    on = grid.search(weight, 3)
    soft = SoftWeights.between([weight], [on])

    def loss(weights: list[Tensor], batch: Tensor) -> Tensor:
        return (x[batch] @ weights[0].T - y[batch]).square().sum(1).mean()

    generator = torch.Generator().manual_seed(0)
    published = soft.codes(
        learn(loss, soft, soft.fraction, 256, Schedule(1000, 1e-2, 32), generator)
    )
    second, cross = x.T @ x / 256, y.T @ x / 256
    ours = adaround.quantize_rows(weight, second, cross, on)
    theirs = error(published[0], on, second, cross)
    assert theirs.sum() < error(grid.nearest(weight, on), on, second, cross).sum()
    assert error(ours, on, second, cross).sum() <= theirs.sum()


def through_relu(codes: Tensor, on: Grid, x: Tensor, y: Tensor, bias: Tensor) -> Tensor:
    """Mean squared error of each row's activated output."""
    return ((x @ grid.dequantize(codes, on).T + bias).relu() - y.relu()).square().mean(0)


def activated(weight: Tensor, x: Tensor, y: Tensor, bias: Tensor, on: Grid, seed: int = 0):
    samples = Samples("fc", weight[None], bias[None], x[None], y[None])
    generator = torch.Generator().manual_seed(seed)
    return adaround.quantize_activated(samples, torch.relu, on, 200, 0.1, [generator])


def activated_layer(out: int, d: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A layer whose activation cuts off most of what comes, as in trained networks."""
    x = inputs(2000, d, seed)
    weight = torch.randn(out, d, generator=torch.Generator().manual_seed(seed))
    y = x @ weight.T
    bias = -y.mean(0) - y.std(0)
    return weight, x, y + bias, bias


def test_through_an_activation_codes_come_close_to_the_best_of_all_choices():
    weight, x, y, bias = activated_layer(12, 8, seed=0)
    on = grid.search(weight, 3)
    low, high = ends(weight, on)
    choices = torch.tensor(list(product((False, True), repeat=8)))
    every = torch.stack([through_relu(torch.where(c, high, low), on, x, y, bias) for c in choices])
    best, span = every.amin(0), every.amax(0) - every.amin(0)
    codes = activated(weight, x, y, bias, on)
    assert ((codes == low) | (codes == high)).all()
    missed = (through_relu(codes, on, x, y, bias) - best) / span
    assert missed.min() >= -1e-6
    assert missed.mean() <= 0.02
    assert missed.max() <= 0.1


def test_an_activation_in_the_loss_pays():
    weight, x, y, bias = activated_layer(16, 40, seed=1)
    on = grid.search(weight, 3)
    second = x.T @ x / len(x)
    blind = adaround.quantize_rows(weight, second, weight @ second, on)
    seeing = activated(weight, x, y, bias, on)
    ours, theirs = (through_relu(codes, on, x, y, bias).sum() for codes in (seeing, blind))
    assert ours < 0.9 * theirs


def test_through_an_activation_error_is_at_most_that_of_the_published_minibatches():
    weight, x, y, bias = activated_layer(8, 30, seed=2)
    on = grid.search(weight, 3)
    soft = SoftWeights.between([weight], [on])

    def loss(weights: list[Tensor], batch: Tensor) -> Tensor:
        z = x[batch] @ weights[0].T + bias
        return (z.relu() - y[batch].relu()).square().sum(1).mean()

    generator = torch.Generator().manual_seed(0)
    schedule = Schedule(2000, 1e-2, 128)
    (published,) = soft.codes(learn(loss, soft, soft.fraction, len(x), schedule, generator))
    ours, theirs = (
        through_relu(codes, on, x, y, bias).sum()
        for codes in (activated(weight, x, y, bias, on), published)
    )
    assert theirs < through_relu(grid.nearest(weight, on), on, x, y, bias).sum()
    assert ours <= theirs


def test_groups_are_learned_as_layers_of_their_own_would_be():
    layers = [activated_layer(6, 12, seed=seed) for seed in (4, 5, 6)]
    weight, x, y, bias = (torch.stack(parts) for parts in zip(*layers, strict=True))
    on = grid.search(weight.flatten(0, 1), 3)
    samples, generator = Samples("conv", weight, bias, x, y), torch.Generator().manual_seed(0)
    together = adaround.quantize_activated(samples, torch.relu, on, 200, 0.1, [generator])
    alone = [activated(*layer, on.rows(slice(6 * g, 6 * g + 6))) for g, layer in enumerate(layers)]
    errors = [
        sum(
            float(through_relu(codes, on.rows(slice(6 * g, 6 * g + 6)), *layers[g][1:]).sum())
            for g, codes in enumerate(parts)
        )
        for parts in (together.split(6), alone)
    ]
    assert errors[0] == pytest.approx(errors[1], rel=0.02)


def test_single_tries_lower_the_error_over_all_positions(monkeypatch):
    """With many inputs they once learned the part of the positions that they were tried on."""
    generator = torch.Generator().manual_seed(7)
    mix = torch.randn(1600, 1600, generator=generator) * torch.logspace(0, -1.5, 1600)[:, None]
    x = (torch.randn(8000, 1600, generator=generator) @ mix).relu()
    x /= x.std()
    weight = torch.randn(2, 1600, generator=generator) / 40
    y = x @ weight.T
    bias = -y.mean(0)
    on = grid.search(weight, 3)
    tried = through_relu(activated(weight, x, y + bias, bias, on), on, x, y + bias, bias)
    monkeypatch.setattr(layerwise, "ROUNDS", 0)
    learned = through_relu(activated(weight, x, y + bias, bias, on), on, x, y + bias, bias)
    assert (tried <= learned * (1 + 1e-5)).all()
    assert tried.sum() < learned.sum()


def test_how_much_goes_at_a_time_changes_no_code(monkeypatch):
    weight, x, y, bias = activated_layer(6, 20, seed=9)
    on = grid.search(weight, 3)
    whole = activated(weight, x, y, bias, on)
    monkeypatch.setattr(layerwise, "TRIED_AT_ONCE", 4001)  # two rows of 2,000 positions
    monkeypatch.setattr(rounding, "PIECE", 7)
    assert torch.equal(activated(weight, x, y, bias, on), whole)


def test_windows_follow_the_seed_alone():
    weight, x, y, bias = activated_layer(8, 30, seed=3)
    on = grid.search(weight, 3)
    first, same, other = (activated(weight, x, y, bias, on, seed) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_no_row_is_worse_than_nearest():
    for levels in (2, 3, 16):
        weight, second, cross = layer(10, 25, seed=levels)
        on = grid.search(weight, levels)
        found = error(adaround.quantize_rows(weight, second, cross, on, 20), on, second, cross)
        nearest = error(grid.nearest(weight, on), on, second, cross)
        assert (found <= nearest + 1e-6 * nearest.abs()).all()


def test_targets_come_from_the_cross_moment():
    weight, second, _ = layer(10, 25, seed=3)
    target = weight + 0.2 * torch.randn(10, 25, generator=torch.Generator().manual_seed(4))
    cross = target @ second
    on = grid.search(weight, 4)
    aimed = adaround.quantize_rows(weight, second, cross, on)
    blind = adaround.quantize_rows(weight, second, weight @ second, on)
    assert error(aimed, on, second, cross).sum() < error(blind, on, second, cross).sum()


@pytest.mark.parametrize("samples", [1, 6])
def test_rank_deficient_moments(samples):
    weight = torch.randn(5, 16, generator=torch.Generator().manual_seed(5))
    x = inputs(samples, 16, seed=6)
    x[:, 3] = 0
    second = x.T @ x / samples
    on = grid.search(weight, 3)
    codes = adaround.quantize_rows(weight, second, weight @ second, on)
    low, high = ends(weight, on)
    assert ((codes == low) | (codes == high)).all()
    rounded = grid.nearest(weight, on)
    cross = weight @ second
    assert error(codes, on, second, cross).sum() <= error(rounded, on, second, cross).sum() + 1e-5


def test_the_same_call_gives_the_same_codes():
    weight, second, cross = layer(10, 25, seed=7)
    on = grid.search(weight, 3)
    first = adaround.quantize_rows(weight, second, cross, on)
    assert torch.equal(first, adaround.quantize_rows(weight, second, cross, on))


def test_bad_input_is_named():
    weight, second, cross = layer(3, 8, seed=8)
    on = grid.search(weight, 3)
    with pytest.raises(ValueError, match=r"cross_moment: expected \[3, 8\], not \[8, 8\]"):
        adaround.quantize_rows(weight, second, second, on)
    with pytest.raises(ValueError, match=r"weight: row 0 has values that are not finite"):
        adaround.quantize_rows(weight * torch.inf, second, cross, on)

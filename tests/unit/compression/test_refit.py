"""The refit method against closed forms, exhaustive search on small layers, and its promises."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ptq_privacy.compression import adaround, descent, grid, obc, refit
from ptq_privacy.compression.grid import Grid


def samples(d: int, out: int, seed: int, count: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """A weight, a quantized prefix's inputs x [n, d], and full-precision outputs y [n, out]."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator, dtype=torch.float64)
    raw = torch.randn(count or 5 * d, d, generator=generator, dtype=torch.float64) @ mix
    weight = torch.randn(out, d, generator=generator)
    return weight, (raw + 0.3 * mix[0]).relu(), raw.relu() @ weight.double().T


def moments(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return x.T @ x / len(x), y.T @ x / len(x)


def error(codes: Tensor, on: Grid, second: Tensor, cross: Tensor) -> Tensor:
    return descent.objective(grid.dequantize(codes, on), second, cross)


def test_centred_moments_and_bias_are_the_error_after_the_best_bias():
    weight, x, y = samples(12, 5, seed=0)
    on = grid.search(weight, 3)
    codes = grid.nearest(weight, on)
    second, cross = refit.centred(*moments(x, y), x.mean(0), y.mean(0))
    left = y - x @ grid.dequantize(codes, on).double().T
    bias = refit.bias_correction(codes, on, x.mean(0), y.mean(0))
    torch.testing.assert_close(bias, left.mean(0))
    found = error(codes, on, second, cross)
    torch.testing.assert_close(found, (left - bias).square().mean(0) - y.var(0, correction=0))


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    levels=st.sampled_from([2, 3, 4, 16]),
    count=st.sampled_from([1, 7, 100]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_no_rows_error_is_above_that_of_nearest_rounding(seed, levels, count, dtype):
    weight, x, y = samples(20, 6, seed, count)
    second, cross = (moment.to(dtype) for moment in moments(x, y))
    on = grid.search(weight, levels)
    rounded = error(grid.nearest(weight, on), on, second, cross)
    slack = 1e-5 * y.square().mean(0)
    codes, found = refit.quantize_rows(weight, second, cross, on)
    assert codes.max() < levels
    assert (found.scale > 0).all()
    assert torch.equal(found.zero_point, on.zero_point)
    assert (error(codes, found, second, cross) <= rounded + slack).all()


def test_scales_are_the_best_for_their_codes():
    weight, x, y = samples(20, 6, seed=1)
    second, cross = moments(x, y)
    codes, found = refit.quantize_rows(weight, second, cross, grid.search(weight, 3))
    best = error(codes, found, second, cross)
    for factor in (0.98, 0.999, 1.001, 1.02):
        other = Grid(factor * found.scale, found.zero_point, 3)
        assert (error(codes, other, second, cross) > best).all()


def test_no_single_code_helps_at_the_end():
    weight, x, y = samples(20, 6, seed=2)
    second, cross = moments(x, y)
    codes, found = refit.quantize_rows(weight, second, cross, grid.search(weight, 3))
    best = error(codes, found, second, cross)
    for column, code in product(range(20), range(3)):
        other = codes.clone()
        other[:, column] = code
        assert (error(other, found, second, cross) >= best - 1e-6 * best.abs()).all()


def test_result_comes_close_to_the_best_codes_and_scale_of_all():
    weight, x, y = samples(7, 20, seed=3)
    second, cross = moments(x, y)
    on = grid.search(weight, 3)
    codes, found = refit.quantize_rows(weight, second, cross, on)
    every = torch.tensor(list(product(range(3), repeat=7)), dtype=torch.float64)
    steps = every[:, None] - on.zero_point.double()[:, None]  # [codes, out, d]
    along = (steps * cross).sum(2)
    across = ((steps @ second) * steps).sum(2).clamp(min=1e-12)
    best = -(along.clamp(min=0).square() / across).amax(0)
    missed = 1 - error(codes, found, second, cross) / best
    assert missed.min() >= -1e-5
    assert missed.mean() <= 0.02


def test_error_is_below_that_of_the_published_methods():
    weight, x, y = samples(60, 16, seed=4)
    second, cross = moments(x, y)
    on = grid.search(weight, 3)
    least = descent.objective(torch.linalg.solve(second, cross, left=False), second, cross).sum()
    ours = error(*refit.quantize_rows(weight, second, cross, on), second, cross).sum()
    rounded = adaround.quantize_rows(weight, second, cross, on)
    greedy = obc.quantize_rows(weight, second, on)
    for published in (rounded, greedy):
        assert ours - least < 0.95 * (error(published, on, second, cross).sum() - least)


def test_dead_inputs_and_zero_channels():
    weight, x, y = samples(16, 4, seed=5)
    x[:, :3] = 0
    weight[2] = 0
    second, cross = refit.centred(*moments(x, y), x.mean(0), y.mean(0))
    for moment in ((second, cross), (torch.zeros_like(second), torch.zeros_like(cross))):
        codes, found = refit.quantize_rows(weight, *moment, grid.search(weight, 3))
        assert codes.max() < 3
        assert torch.isfinite(grid.dequantize(codes, found)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_inputs_have_no_moments_about_their_mean(dtype):
    """Rounding once made a second moment of them that no method can invert."""
    weight, x, y = samples(16, 4, seed=8, count=5000)
    varying, *_ = refit.centred(*moments(x, y), x.mean(0), y.mean(0))
    x[:, :3] = torch.tensor([0.37, 5.1, -80.3])
    x, y = x.to(dtype), y.to(dtype)
    second, cross = refit.centred(*moments(x, y), x.mean(0), y.mean(0))
    assert (second[:3] == 0).all()
    assert (second[:, :3] == 0).all()
    assert (cross[:, :3] == 0).all()
    torch.testing.assert_close(second[3:, 3:], varying[3:, 3:].to(dtype), rtol=1e-3, atol=1e-3)
    every = x[:1].expand(5000, -1).contiguous()
    second, cross = refit.centred(*moments(every, y), every.mean(0), y.mean(0))
    assert (second == 0).all()
    codes, found = refit.quantize_rows(weight, second, cross, grid.search(weight, 3))
    assert torch.isfinite(grid.dequantize(codes, found)).all()


def test_the_same_call_gives_the_same_bits():
    weight, x, y = samples(30, 6, seed=6)
    second, cross = moments(x, y)
    on = grid.search(weight, 3)
    codes, found = refit.quantize_rows(weight, second, cross, on)
    again, same = refit.quantize_rows(weight, second, cross, on)
    assert torch.equal(codes, again)
    assert torch.equal(found.scale, same.scale)


def test_bad_input_is_named():
    weight, x, y = samples(8, 3, seed=7)
    second, cross = moments(x, y)
    on = grid.search(weight, 3)
    with pytest.raises(ValueError, match=r"cross_moment: expected \[3, 8\], not \[8, 8\]"):
        refit.quantize_rows(weight, second, second, on)
    with pytest.raises(ValueError, match=r"second_moment: row 0 has values that are not finite"):
        refit.quantize_rows(weight, second * torch.nan, cross, on)

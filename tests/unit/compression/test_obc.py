"""OBC against the published code's own codes, and against plain elimination row by row."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ptq_privacy.compression import elimination, grid, obc
from ptq_privacy.compression.grid import Grid

DATA = Path(__file__).parents[2] / "data"
LAYERS = ["obc_fc", "obc_layer2.0.downsample.0"]


def quantize_row(weight: Tensor, inverse: Tensor, scale: float, zero: float, levels: int) -> Tensor:
    """Section 5 of the paper, with the whole inverse changed at every step."""
    weight, inverse = weight.clone(), inverse.clone()
    zeros = set(weight.eq(0).nonzero()[:, 0].tolist())
    left = list(range(len(weight)))
    codes = torch.zeros(len(weight))
    while left:
        point = ((weight / scale).round() + zero).clamp(0, levels - 1)
        gap = weight - scale * (point - zero)
        if zeros:
            j = min(zeros)
            zeros.remove(j)
        elif max(gap[left].abs()) > scale / 2:
            j = max(left, key=lambda p: gap[p].abs())
        else:
            j = min(left, key=lambda p: gap[p] ** 2 / inverse[p, p])
        codes[j] = point[j]
        column = inverse[:, j].clone()
        weight -= column * gap[j] / column[j]
        inverse -= torch.outer(column, column) / column[j]
        left.remove(j)
    return codes


def plain(weight: Tensor, hessian: Tensor, on: Grid) -> Tensor:
    """Every row by itself, dead columns left out, in float64."""
    live = hessian.diagonal() > 0
    inverse = torch.linalg.inv(hessian.double()[live][:, live])
    codes = on.zero_point[:, None].repeat(1, weight.shape[1]).to(torch.uint8)
    for i, row in enumerate(weight.double()):
        scale, zero = float(on.scale[i]), float(on.zero_point[i])
        codes[i, live] = quantize_row(row[live], inverse, scale, zero, on.levels).to(torch.uint8)
    return codes


def layer(out: int, d: int, seed: int, samples: int = 0) -> tuple[Tensor, Tensor]:
    """A weight, and the second moment of correlated inputs after a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator, dtype=torch.float64)
    inputs = torch.randn(samples or 4 * d, d, generator=generator, dtype=torch.float64) @ mix
    inputs = inputs.relu()
    return torch.randn(out, d, generator=generator), inputs.T @ inputs / len(inputs)


def error(weight: Tensor, codes: Tensor, hessian: Tensor, on: Grid) -> float:
    gap = grid.dequantize(codes, on).double() - weight.double()
    return float(((gap @ hessian) * gap).sum())


@pytest.mark.parametrize("symmetry", ["asym", "sym"])
@pytest.mark.parametrize("levels", [3, 4, 16])
@pytest.mark.parametrize("name", LAYERS)
def test_codes_equal_the_published_code_in_float64(name, levels, symmetry):
    oracle = np.load(DATA / f"{name}.npz")
    case = f"L{levels}_{symmetry}"
    on = Grid(
        torch.from_numpy(oracle[f"{case}_scale"][:, 0]),
        torch.from_numpy(oracle[f"{case}_zero"][:, 0]),
        levels,
    )
    weight, hessian = torch.from_numpy(oracle["W"]), torch.from_numpy(oracle["H"])
    codes = obc.quantize_rows(weight, hessian, on)
    np.testing.assert_array_equal(codes.numpy(), oracle[f"{case}_codes64"])
    # The published error is that of a float32 run, some near-ties of which fell the other way.
    half = error(weight, codes, hessian, on) / 2
    assert half == pytest.approx(float(oracle[f"{case}_err"]), rel=0.01)


@pytest.mark.parametrize("levels", [2, 3, 16])
@pytest.mark.parametrize("d", [1, 5, 27, 90])
def test_codes_equal_plain_elimination(d, levels):
    weight, hessian = layer(6, d, seed=d)
    weight[:, 0] = 0
    weight[1, ::3] = 0
    weight[2] *= 0.01
    on = grid.search(weight, levels)
    on = Grid(0.6 * on.scale, on.zero_point, levels)  # so that many weights are outliers
    assert torch.equal(obc.quantize_rows(weight, hessian, on), plain(weight, hessian, on))


def test_codes_do_not_depend_on_how_rows_are_batched(monkeypatch):
    weight, hessian = layer(7, 40, seed=0)
    on = grid.search(weight, 3)
    together = obc.quantize_rows(weight, hessian, on)
    monkeypatch.setattr(elimination, "BATCH", 2 * 40)
    assert torch.equal(obc.quantize_rows(weight, hessian, on), together)


def test_dead_columns_get_the_code_of_zero_and_change_nothing_else():
    weight, hessian = layer(5, 30, seed=1)
    dead = torch.tensor([0, 7, 8, 29])
    live = torch.ones(30, dtype=torch.bool).index_fill(0, dead, False)
    hessian[dead] = 0
    hessian[:, dead] = 0
    on = grid.search(weight, 4)
    codes = obc.quantize_rows(weight, hessian, on)
    assert (codes[:, dead] == on.zero_point[:, None]).all()
    alone = obc.quantize_rows(weight[:, live], hessian[live][:, live], on)
    assert torch.equal(codes[:, live], alone)
    everything = obc.quantize_rows(weight, torch.zeros_like(hessian), on)
    assert (everything == on.zero_point[:, None]).all()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    samples=st.integers(1, 40),
    magnitude=st.sampled_from([1e-12, 1.0, 1e12]),
    summed_in=st.sampled_from([torch.float32, torch.float64]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_singular_second_moments_give_codes_that_beat_nearest(
    seed, samples, magnitude, summed_in, dtype
):
    weight, hessian = layer(8, 24, seed, samples)  # fewer samples than 24: rank-deficient
    on = grid.search(weight, 3)
    rounded = hessian.to(summed_in).double()  # as calibration gives it: singular but for rounding
    codes = obc.quantize_rows(weight, rounded * magnitude, on, dtype)
    assert codes.max() < 3
    greedy = error(weight, codes, hessian, on)
    assert greedy < error(weight, grid.nearest(weight, on), hessian, on)


@pytest.mark.parametrize("damping", [0.0, 0.01])
def test_damping_is_relative(damping):
    weight, hessian = layer(6, 20, seed=2)
    on = grid.search(weight, 4)
    codes = obc.quantize_rows(weight, hessian, on, damping=damping)
    assert torch.equal(codes, obc.quantize_rows(weight, hessian * 2.0**20, on, damping=damping))
    damped = hessian + damping * hessian.diagonal().mean() * torch.eye(20)
    assert torch.equal(codes, plain(weight, damped, on))


def test_float32_is_nearly_as_good():
    weight, hessian = layer(16, 120, seed=3)
    on = grid.search(weight, 3)
    errors = [
        error(weight, obc.quantize_rows(weight, hessian, on, dtype), hessian, on)
        for dtype in (torch.float64, torch.float32)
    ]
    assert errors[1] == pytest.approx(errors[0], rel=0.02)


def test_bad_input_is_named():
    weight, hessian = layer(3, 8, seed=4)
    on = grid.search(weight, 3)
    with pytest.raises(ValueError, match=r"hessian: expected \[8, 8\], not \[7, 7\]"):
        obc.quantize_rows(weight, hessian[:7, :7], on)
    with pytest.raises(ValueError, match=r"hessian: row 2 .* not finite"):
        obc.quantize_rows(weight, hessian.index_fill(0, torch.tensor([2]), torch.nan), on)
    with pytest.raises(ValueError, match=r"weight: row 1 .* not finite"):
        obc.quantize_rows(weight.index_fill(0, torch.tensor([1]), torch.inf), hessian, on)
    with pytest.raises(ValueError, match="hessian: not positive semi-definite"):
        obc.quantize_rows(weight, hessian - 2 * hessian.diagonal().min() * torch.eye(8), on)
    with pytest.raises(ValueError, match="grid: 2 channels for a weight of 3"):
        obc.quantize_rows(weight, hessian, on.rows(slice(2)))


@pytest.mark.parametrize(("out", "d"), [(16, 9), (64, 576), (512, 4608), (1, 4608)])
def test_batches_of_rows_are_even_and_hold_what_a_device_can(out, d):
    for device, most in (("cpu", elimination.BATCH_BYTES), ("cuda", elimination.GPU_BATCH_BYTES)):
        rows = elimination.batch_rows(out, d, 8, device)
        assert 1 <= rows <= out
        assert rows == 1 or 8 * rows * d**2 <= most
        assert -(-out // rows) * rows - out < rows
    assert elimination.batch_rows(out, d, 8, "cuda") >= elimination.batch_rows(out, d, 8, "cpu")

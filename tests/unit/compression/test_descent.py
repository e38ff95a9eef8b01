"""The objective against sampled outputs, and coordinate descent against trying every code."""

import pytest
import torch
from torch import Tensor

from ptq_privacy.compression import descent, grid
from ptq_privacy.compression.grid import Grid


def layer(out: int, d: int, seed: int, samples: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """A weight, the second moment of a quantized prefix's inputs, and the cross moment."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator, dtype=torch.float64)
    inputs = torch.randn(samples or 4 * d, d, generator=generator, dtype=torch.float64) @ mix
    full, quantized = inputs.relu(), (inputs + 0.3 * mix[0]).relu()
    weight = torch.randn(out, d, generator=generator)
    outputs = full @ weight.double().T
    count = len(inputs)
    return weight, quantized.T @ quantized / count, outputs.T @ quantized / count


def whole_grid(codes: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(codes), torch.full_like(codes, levels - 1)


def error(codes: Tensor, on: Grid, second: Tensor, cross: Tensor) -> Tensor:
    return descent.objective(grid.dequantize(codes, on), second, cross)


def test_objective_is_the_expected_error_of_the_outputs():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 6, generator=generator, dtype=torch.float64)
    y = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    q = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    found = descent.objective(q, x.T @ x / 50, y.T @ x / 50)
    expected = (y - x @ q.T).square().mean(0) - y.square().mean(0)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("levels", [2, 3, 16])
@pytest.mark.parametrize("d", [1, 5, 70, 130])
def test_descent_ends_where_no_single_code_helps(d, levels):
    weight, second, cross = layer(4, d, seed=d)
    on = grid.search(weight, levels)
    start = grid.nearest(weight, on)
    codes = descent.coordinate_descent(start, whole_grid(start, levels), on, second, cross, 200)
    final = error(codes, on, second, cross)
    assert (final <= error(start, on, second, cross)).all()
    for column in range(d):
        for code in range(levels):
            other = codes.clone()
            other[:, column] = code
            slack = 1e-9 * final.abs()
            assert (error(other, on, second, cross) >= final - slack).all()


def test_every_sweep_lowers_the_error():
    weight, second, cross = layer(8, 100, seed=1)
    on = grid.search(weight, 3)
    start = grid.nearest(weight, on)
    bounds = whole_grid(start, 3)
    runs = [
        descent.coordinate_descent(start, bounds, on, second, cross, sweeps) for sweeps in range(8)
    ]
    assert torch.equal(runs[0], start)
    errors = torch.stack([error(codes, on, second, cross) for codes in runs])
    assert (errors.diff(dim=0) <= 1e-9 * errors[0].abs()).all()
    assert (errors[1] < errors[0]).all()


def test_descent_stays_within_its_bounds_and_off_dead_columns():
    weight, second, cross = layer(6, 40, seed=2)
    on = grid.search(weight, 16)
    start = grid.nearest(weight, on)
    low, high = start.clamp(min=1) - 1, start.clamp(max=14) + 1
    dead = torch.tensor([3, 4, 39])
    second[dead] = 0
    second[:, dead] = 0
    cross[:, dead] = 0
    codes = descent.coordinate_descent(start, (low, high), on, second, cross)
    assert (codes >= low).all()
    assert (codes <= high).all()
    assert torch.equal(codes[:, dead], start[:, dead])
    assert not torch.equal(codes, start)


def test_codes_do_not_depend_on_the_block(monkeypatch):
    weight, second, cross = layer(6, 40, seed=3)
    on = grid.search(weight, 3)
    start = grid.nearest(weight, on)
    whole = descent.coordinate_descent(start, whole_grid(start, 3), on, second, cross)
    monkeypatch.setattr(descent, "COLUMNS", 7)
    blocks = descent.coordinate_descent(start, whole_grid(start, 3), on, second, cross)
    assert torch.equal(whole, blocks)


def test_best_of_rows_takes_each_row_from_its_better_candidate():
    weight, second, cross = layer(6, 20, seed=4)
    on = grid.search(weight, 4)
    rounded = grid.nearest(weight, on)
    mixed = rounded.clone()
    mixed[::2] = 3 - mixed[::2]
    other = rounded.clone()
    other[1::2] = 3 - other[1::2]
    assert torch.equal(descent.best_of_rows([mixed, other], on, second, cross), rounded)


def test_moments_that_do_not_fit_are_named():
    weight, second, cross = layer(3, 8, seed=5)
    with pytest.raises(ValueError, match=r"second_moment: expected \[8, 8\], not \[7, 8\]"):
        descent.checked_moments(weight, second[:7], cross)
    with pytest.raises(ValueError, match=r"cross_moment: expected \[3, 8\], not \[8, 8\]"):
        descent.checked_moments(weight, second, second)
    with pytest.raises(ValueError, match=r"second_moment: row 0 has values that are not finite"):
        descent.checked_moments(weight, second * torch.nan, cross)

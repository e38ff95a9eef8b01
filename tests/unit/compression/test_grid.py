"""Grids against the published search's own figures, a loop over channels, and their invariants."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ptq_privacy.compression import grid
from ptq_privacy.compression.grid import Grid

ORACLES = sorted((Path(__file__).parents[2] / "data").glob("*.npz"))
CASES = [
    (path, key.removesuffix("_scale"))
    for path in ORACLES
    for key in np.load(path)
    if key.endswith("_scale")
]


def search_channel(weight: np.ndarray, levels: int) -> tuple[float, float]:
    """The search over one channel, a candidate at a time, in float32 as published."""
    low, high = np.float32(min(weight.min(), 0)), np.float32(max(weight.max(), 0))
    best = (np.inf, 0.0, 0.0)
    for step in range(80):
        p = np.float32(1 - step / 100)
        scale = (p * high - p * low) / np.float32(levels - 1)
        zero = np.round(-p * low / scale)
        code = np.clip(np.round(weight / scale) + zero, 0, levels - 1)
        error = float((np.abs(scale * (code - zero) - weight) ** np.float32(2.4)).sum())
        best = min(best, (error, float(scale), float(zero)))
    return best[1:]


@pytest.mark.parametrize(("path", "case"), CASES, ids=lambda value: getattr(value, "stem", value))
def test_search_equals_the_published_search(path, case):
    oracle = np.load(path)
    levels, symmetric = int(case.split("_")[0][1:]), case.endswith("_sym")
    # Published symmetric grids hold the zero point at levels // 2: for even level counts that is
    # ours for the weight's mirror image.
    mirrored = symmetric and levels % 2 == 0
    weight = torch.from_numpy(-oracle["W"] if mirrored else oracle["W"])
    found = grid.search(weight, levels, symmetric)
    zero = oracle[f"{case}_zero"][:, 0]
    expected_zero = levels - 1 - zero if mirrored else zero
    np.testing.assert_array_equal(found.scale.numpy(), oracle[f"{case}_scale"][:, 0])
    np.testing.assert_array_equal(found.zero_point.numpy(), expected_zero)


@pytest.mark.parametrize("levels", [2, 3, 4, 16])
def test_search_equals_a_loop_over_channels(levels):
    weight = torch.randn(40, 27, generator=torch.Generator().manual_seed(levels))
    weight[:8] = weight[:8].abs()
    weight[8:16] = -weight[8:16].abs()
    found = grid.search(weight, levels)
    expected = [search_channel(row.numpy(), levels) for row in weight]
    # numpy and torch sum in different orders, so a tie between two candidates may fall either way.
    same = [
        (float(s), float(z)) == pair
        for s, z, pair in zip(found.scale, found.zero_point, expected, strict=True)
    ]
    assert np.mean(same) >= 0.95


def test_search_does_not_depend_on_how_channels_are_split(monkeypatch):
    weight = torch.randn(30, 50, generator=torch.Generator().manual_seed(0))
    whole = grid.search(weight, 4)
    monkeypatch.setattr(grid, "CHUNK", 120)
    split = grid.search(weight, 4)
    assert torch.equal(whole.scale, split.scale)
    assert torch.equal(whole.zero_point, split.zero_point)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    levels=st.integers(2, 256),
    shift=st.floats(-3, 3),
    magnitude=st.sampled_from([1e-40, 1e-20, 1.0, 1e20]),
    symmetric=st.booleans(),
)
def test_every_grid_holds_zero_and_gives_finite_weights(seed, levels, shift, magnitude, symmetric):
    weight = torch.randn(5, 12, generator=torch.Generator().manual_seed(seed)) + shift
    weight = weight * magnitude
    found = grid.search(weight, levels, symmetric)
    codes = grid.nearest(weight, found)
    assert (found.scale > 0).all()
    assert found.zero_point.min() >= 0
    assert found.zero_point.max() < levels
    assert codes.dtype == torch.uint8
    assert int(codes.max()) < levels  # 256 itself is no uint8
    assert torch.isfinite(grid.dequantize(codes, found)).all()
    zeros = torch.zeros_like(weight)
    assert (grid.dequantize(grid.nearest(zeros, found), found) == 0).all()


def test_nearest_code_has_no_nearer_point():
    weight = torch.randn(6, 20, generator=torch.Generator().manual_seed(1))
    found = grid.search(weight, 4)
    gap = (grid.dequantize(grid.nearest(weight, found), found) - weight).abs()
    for code in range(4):
        other = grid.dequantize(torch.full((6, 20), code, dtype=torch.uint8), found)
        assert (gap <= (other - weight).abs() + 1e-6).all()


def test_zero_and_constant_channels():
    weight = torch.tensor([[0.0, 0.0, 0.0], [0.7, 0.7, 0.7], [-0.3, -0.3, -0.3]])
    for symmetric in (False, True):
        found = grid.search(weight, 3, symmetric)
        back = grid.dequantize(grid.nearest(weight, found), found)
        assert found.scale[0] == 1
        assert (back[0] == 0).all()
        torch.testing.assert_close(back, weight, rtol=0.01, atol=0)


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 16])
def test_symmetric_zero_point(levels):
    weight = torch.randn(9, 30, generator=torch.Generator().manual_seed(2))
    assert (grid.search(weight, levels, symmetric=True).zero_point == (levels - 1) // 2).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value):
    weight = torch.ones(3, 4)
    weight[2, 1] = value
    with pytest.raises(ValueError, match=r"weight: row 2 .* not finite"):
        grid.search(weight, 4)
    with pytest.raises(ValueError, match=r"weight: row 2 .* not finite"):
        grid.nearest(weight, Grid(torch.ones(3), torch.ones(3), 4))


def test_shapes_and_levels_are_checked():
    with pytest.raises(ValueError, match=r"weight: expected a floating-point matrix.*\[2, 3, 1\]"):
        grid.search(torch.ones(2, 3, 1), 4)
    with pytest.raises(ValueError, match=r"levels 1 out of range; allowed: 2 to 256"):
        grid.search(torch.ones(2, 3), 1)
    with pytest.raises(ValueError, match=r"scale and zero_point"):
        Grid(torch.ones(3, 1), torch.ones(3), 4)
    with pytest.raises(ValueError, match=r"5 channels for a weight of 2"):
        grid.nearest(torch.ones(2, 3), Grid(torch.ones(5), torch.ones(5), 4))

"""GPTQ against plain elimination of one column after the other, the inverse changed each time."""

import pytest
import torch
from torch import Tensor

from ptq_privacy.compression import gptq, grid, obc
from ptq_privacy.compression.grid import Grid
from tests.unit.compression.test_obc import error, layer


def plain(weight: Tensor, hessian: Tensor, on: Grid, order: Tensor) -> Tensor:
    """OBC's update (its eq. 7) in a given order of columns: the inverse loses each that is done."""
    weight, inverse = weight.double().clone(), torch.linalg.inv(hessian.double())
    scale, zero = on.scale.double()[:, None], on.zero_point.double()[:, None]
    codes = torch.empty(weight.shape)
    for j in order.tolist():
        point = ((weight[:, j : j + 1] / scale).round() + zero).clamp(0, on.levels - 1)
        codes[:, j] = point[:, 0]
        gap = weight[:, j : j + 1] - scale * (point - zero)
        weight -= gap / inverse[j, j] * inverse[j]
        inverse -= torch.outer(inverse[:, j], inverse[j]) / inverse[j, j]
    return codes.to(torch.uint8)


@pytest.mark.parametrize("decreasing", [False, True])
@pytest.mark.parametrize("levels", [2, 3, 16])
@pytest.mark.parametrize("d", [1, 5, 27, 2 * gptq.BLOCK + 3])
def test_codes_equal_plain_elimination(d, levels, decreasing):
    weight, hessian = layer(6, d, seed=d)
    on = grid.search(weight, levels)
    order = hessian.diagonal().argsort(descending=True) if decreasing else torch.arange(d)
    codes = gptq.quantize_rows(weight, hessian, on, decreasing=decreasing)
    assert torch.equal(codes, plain(weight, hessian, on, order))


def test_all_rows_in_one_order_cost_accuracy_that_obc_keeps():
    weight, hessian = layer(32, 60, seed=1)
    on = grid.search(weight, 3)
    errors = [
        error(weight, codes, hessian, on)
        for codes in (
            obc.quantize_rows(weight, hessian, on),
            gptq.quantize_rows(weight, hessian, on),
            grid.nearest(weight, on),
        )
    ]
    assert errors == sorted(errors)


@pytest.mark.parametrize("decreasing", [False, True])
def test_dead_columns_get_the_code_of_zero_and_change_nothing_else(decreasing):
    weight, hessian = layer(5, 30, seed=1)
    dead = torch.tensor([0, 7, 8, 29])
    live = torch.ones(30, dtype=torch.bool).index_fill(0, dead, False)
    hessian[dead] = 0
    hessian[:, dead] = 0
    on = grid.search(weight, 4)
    how = {"damping": 0.01, "decreasing": decreasing}
    codes = gptq.quantize_rows(weight, hessian, on, **how)
    assert (codes[:, dead] == on.zero_point[:, None]).all()
    alone = gptq.quantize_rows(weight[:, live], hessian[live][:, live], on, **how)
    assert torch.equal(codes[:, live], alone)
    everything = gptq.quantize_rows(weight, torch.zeros_like(hessian), on, **how)
    assert (everything == on.zero_point[:, None]).all()


def test_layers_side_by_side_get_what_each_gets_alone():
    parts = [layer(6, 40, seed) for seed in range(3)]
    parts[1][1][3] = parts[1][1][:, 3] = 0  # dead in one of them
    weight, hessian = (torch.stack(some) for some in zip(*parts, strict=True))
    on = grid.search(weight.flatten(0, 1), 3)
    together = gptq.quantize_layers(weight, hessian, on, damping=0.01, decreasing=True)
    for index, (own, moment) in enumerate(parts):
        rows = on.rows(slice(6 * index, 6 * index + 6))
        alone = gptq.quantize_rows(own, moment, rows, damping=0.01, decreasing=True)
        assert torch.equal(together[index], alone)


@pytest.mark.parametrize("samples", [1, 10, 23])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_singular_second_moments_give_codes_that_beat_nearest(samples, dtype):
    weight, hessian = layer(8, 24, samples, samples)  # rank-deficient
    on = grid.search(weight, 3)
    codes = gptq.quantize_rows(weight, hessian, on, dtype)
    assert torch.equal(codes, gptq.quantize_rows(weight, hessian * 2.0**40, on, dtype))
    assert error(weight, codes, hessian, on) < error(weight, grid.nearest(weight, on), hessian, on)


def test_bad_input_is_named():
    weight, hessian = layer(3, 8, seed=4)
    on = grid.search(weight, 3)
    with pytest.raises(ValueError, match=r"hessian: expected \[8, 8\], not \[7, 7\]"):
        gptq.quantize_rows(weight, hessian[:7, :7], on)
    with pytest.raises(ValueError, match=r"weight: row 1 .* not finite"):
        gptq.quantize_rows(weight.index_fill(0, torch.tensor([1]), torch.inf), hessian, on)
    with pytest.raises(ValueError, match="hessian: not positive semi-definite"):
        gptq.quantize_rows(weight, hessian - 2 * hessian.diagonal().min() * torch.eye(8), on)
    with pytest.raises(ValueError, match="grid: 2 channels for a weight of 3"):
        gptq.quantize_rows(weight, hessian, on.rows(slice(2)))

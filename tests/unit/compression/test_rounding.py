"""Soft rounding against its equations, and the written-out gradient against autograd's."""

import pytest
import torch

from ptq_privacy.compression.grid import Grid, dequantize, nearest, search
from ptq_privacy.compression.rounding import (
    Adam,
    Schedule,
    SoftWeights,
    chain,
    inverse_rectified_sigmoid,
    learn,
    penalty,
    rectified_sigmoid,
)


def layers() -> tuple[list[torch.Tensor], list[Grid]]:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(4, 3, 2, 2, generator=generator), torch.randn(5, 7, generator=generator)]
    return weights, [
        search(w.flatten(1), levels) for w, levels in zip(weights, (3, 8), strict=True)
    ]


def test_rectified_sigmoid_reaches_both_ends_and_has_an_inverse() -> None:
    v = torch.tensor([-20.0, -3.0, 0.0, 3.0, 20.0])
    expected = (1.2 / (1 + torch.exp(-v)) - 0.1).clamp(0, 1)
    torch.testing.assert_close(rectified_sigmoid(v), expected)
    h = torch.linspace(0, 1, 11)
    torch.testing.assert_close(rectified_sigmoid(inverse_rectified_sigmoid(h)), h)


def test_penalty_is_zero_at_the_grid_and_largest_between() -> None:
    assert penalty(torch.tensor([0.0, 1.0]), 3.0) == 0
    assert penalty(torch.tensor([0.5]), 3.0) == 1
    torch.testing.assert_close(penalty(torch.tensor([0.25]), 3.0), torch.tensor(1 - 0.5**3))


def test_beta_starts_after_the_warm_up_and_falls_to_its_last_value() -> None:
    schedule = Schedule(iterations=100, learning_rate=0.1, batch=1)
    assert schedule.beta_at(19) is None
    assert schedule.beta_at(20) == 20
    assert schedule.beta_at(60) == pytest.approx(11)
    assert schedule.beta_at(100) == 2


def test_soft_weights_follow_the_papers_equation_with_its_clipping() -> None:
    weights, grids = layers()
    soft = SoftWeights.between(weights, grids)
    for h in (soft.fraction, torch.rand(len(soft.low)), torch.zeros(()), torch.ones(())):
        for weight, grid, got, part in zip(
            weights,
            grids,
            soft.at(h.expand_as(soft.low)),
            h.expand_as(soft.low).split([48, 35]),
            strict=True,
        ):
            scale, zero_point = grid.columns(torch.float32)
            code = (weight.flatten(1) / scale).floor() + zero_point + part.view(len(weight), -1)
            expected = scale * (code.clamp(0, grid.levels - 1) - zero_point)
            torch.testing.assert_close(got, expected.view_as(weight))


def test_codes_are_rounded_choices_and_near_finds_its_way_back() -> None:
    weights, grids = layers()
    soft = SoftWeights.between(weights, grids)
    codes = soft.codes(soft.fraction)
    for weight, grid, code in zip(weights, grids, codes, strict=True):
        inside = (weight.flatten(1) / grid.scale[:, None] + grid.zero_point[:, None]).frac() != 0.5
        assert torch.equal(code[inside], nearest(weight.flatten(1), grid)[inside])
    again = soft.codes(soft.near(codes, 0.2))
    assert all(torch.equal(a, b) for a, b in zip(codes, again, strict=True))
    for weight, grid, code in zip(soft.at(soft.near(codes, 0.0)), grids, codes, strict=True):
        torch.testing.assert_close(weight, dequantize(code, grid).view_as(weight))


@pytest.mark.parametrize("beta", [None, 2.0, 7.5])
def test_the_chain_rule_written_out_is_autograds(beta: float | None) -> None:
    generator = torch.Generator().manual_seed(0)
    v = 3 * torch.randn(200, dtype=torch.float64, generator=generator)
    step, gradient = torch.rand(2, 200, dtype=torch.float64, generator=generator)
    v.requires_grad_()
    h = rectified_sigmoid(v)
    loss = (gradient * step * h).sum() + (0 if beta is None else 0.3 * penalty(h, beta))
    (expected,) = torch.autograd.grad(loss, v)
    got = chain(gradient, torch.sigmoid(v.detach()), step, 0.3, beta)
    torch.testing.assert_close(got, expected)


def test_learning_is_adam_on_the_published_loss() -> None:
    weights, grids = layers()
    soft = SoftWeights.between(weights, grids)
    x, target = torch.randn(30, 7), torch.randn(30, 5)
    schedule = Schedule(iterations=40, learning_rate=0.03, batch=8)

    def loss(soft_weights: list[torch.Tensor], batch: torch.Tensor) -> torch.Tensor:
        y = x[batch] @ soft_weights[1].T + soft_weights[0].sum()
        return (y - target[batch]).square().sum(1).mean()

    h = learn(loss, soft, soft.fraction, 30, schedule, torch.Generator().manual_seed(5))

    generator = torch.Generator().manual_seed(5)
    v = inverse_rectified_sigmoid(soft.fraction).requires_grad_()
    adam = torch.optim.Adam([v], lr=0.03)
    for iteration in range(40):
        adam.zero_grad()
        batch = torch.randperm(30, generator=generator)[:8]
        beta = schedule.beta_at(iteration)
        total = loss(soft.at(rectified_sigmoid(v)), batch)
        total = total + (0 if beta is None else 0.01 * penalty(rectified_sigmoid(v), beta))
        total.backward()
        adam.step()
    torch.testing.assert_close(h, rectified_sigmoid(v.detach()), atol=1e-3, rtol=1e-3)
    assert (h - soft.fraction).abs().max() > 0.1


def test_adam_is_torchs() -> None:
    ours = torch.randn(7)
    theirs = ours.clone().requires_grad_()
    adam, expected = Adam.of(ours), torch.optim.Adam([theirs])
    for step in range(5):
        rate, theirs.grad = 0.1 / (step + 1), torch.randn(7)
        expected.param_groups[0]["lr"] = rate
        adam.step(ours, theirs.grad, rate)
        expected.step()
    torch.testing.assert_close(ours, theirs.detach())

"""AdaRound's soft rounding and the minibatch loop that learns it (Nagel et al. 2020, section 3.3).

Each weight goes to one of the two grid points around it. The choice is relaxed to a number h in
[0, 1] between the lower and the upper one, learned by gradient descent, and pushed to 0 or 1 by a
penalty that sharpens over time. Layer-wise and block-wise methods differ only in the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ptq_privacy.compression.grid import Grid

GAMMA, ZETA = -0.1, 1.1  # the sigmoid's stretch, so that h reaches 0 and 1 at finite V
TINY = 1e-30  # of a square; what is less has a penalty without slope
PIECE = 1 << 15  # weights at a time on a CPU: the many operations on each stay in its cache

T = TypeVar("T")


class Beside(Protocol):
    """What is learned in the same steps as roundings, at a pace of its own."""

    @property
    def parameters(self) -> list[Tensor]: ...

    def step(self, gradients: Sequence[Tensor], progress: float) -> None:
        """Move the parameters, at a share of the way through learning."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    iterations, learning_rate, batch: of Adam, on minibatches of images.
    penalty: λ of eq. 21.
    warm_up: the fraction of the iterations before the penalty starts.
    beta: its exponent at the start and at the end, falling linearly in between.
    """

    iterations: int
    learning_rate: float
    batch: int
    penalty: float = 0.01
    warm_up: float = 0.2
    beta: tuple[float, float] = (20.0, 2.0)

    def beta_at(self, iteration: int) -> float | None:
        """The penalty's exponent, or None while the penalty is off."""
        progress = iteration / self.iterations
        if progress < self.warm_up:
            return None
        first, last = self.beta
        return first + (last - first) * (progress - self.warm_up) / (1 - self.warm_up)


def rectified_sigmoid(v: Tensor) -> Tensor:
    """h(V) = clip(sigmoid(V) (ζ - γ) + γ, 0, 1), eq. 23."""
    return (torch.sigmoid(v) * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


def inverse_rectified_sigmoid(h: Tensor) -> Tensor:
    """The V with h(V) = h, for h in [0, 1]."""
    return torch.logit((h - GAMMA) / (ZETA - GAMMA))


def penalty(h: Tensor, beta: float) -> Tensor:
    """Sum of 1 - |2h - 1|^β, eq. 24: zero where every h is 0 or 1."""
    return (1 - (2 * h - 1).abs().pow(beta)).sum()


@dataclass
class Adam:
    """Adam (Kingma and Ba 2015) for one tensor, by its usual constants.

    Torch's own spends a second on importing its compiler, more than most layers take to quantize.

    mean, square: running averages of the gradient and of its square.
    steps: taken so far.
    """

    mean: Tensor
    square: Tensor
    steps: int = 0

    @classmethod
    def of(cls, values: Tensor) -> Adam:
        return cls(torch.zeros_like(values), torch.zeros_like(values))

    @torch.no_grad()
    def step(self, values: Tensor, gradient: Tensor, rate: float) -> None:
        """Move the values, in place."""
        self.steps += 1
        self.mean.lerp_(gradient, 0.1)
        self.square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        correction = (1 - 0.999**self.steps) ** 0.5
        rate *= correction / (1 - 0.9**self.steps)
        values.addcdiv_(self.mean, self.square.sqrt().add_(1e-8 * correction), value=-rate)


@dataclass(frozen=True)
class SoftWeights:
    """The weights of several layers, laid end to end, each on the line between two grid points.

    Clipped to the grid's ends (eq. 22), the two points of a weight outside it are one and the same,
    so the weight s (clip(⌊w/s⌋ + h + z) - z) is simply base + h step.

    low: code of the lower point, float32 [total].
    base: its weight, float32 [total].
    step: distance to the upper point, float32 [total]: the scale, or 0.
    fraction: w/s - ⌊w/s⌋, the h at which the soft weight is the weight itself, float32 [total].
    shapes: each layer's weight's.
    """

    low: Tensor
    base: Tensor
    step: Tensor
    fraction: Tensor
    shapes: tuple[torch.Size, ...]

    @classmethod
    def between(cls, weights: Sequence[Tensor], grids: Sequence[Grid]) -> SoftWeights:
        """Layers' weights [out, ...] between the points of their grids."""
        parts = []
        for weight, grid in zip(weights, grids, strict=True):
            scale, zero_point = grid.columns(torch.float32)
            steps = weight.flatten(1) / scale
            floor = steps.floor()
            low = (floor + zero_point).clamp(0, grid.levels - 1)
            high = (floor + zero_point + 1).clamp(0, grid.levels - 1)
            columns = (low, scale * (low - zero_point), scale * (high - low), steps - floor)
            parts.append([column.flatten() for column in columns])
        low, base, step, fraction = (torch.cat(part) for part in zip(*parts, strict=True))
        return cls(low, base, step, fraction, tuple(weight.shape for weight in weights))

    def at(self, h: Tensor) -> list[Tensor]:
        """Each layer's soft weight, in its own shape, for h [total]."""
        flat = torch.addcmul(self.base, h, self.step)
        sizes = [shape.numel() for shape in self.shapes]
        return [w.view(s) for w, s in zip(flat.split(sizes), self.shapes, strict=True)]

    def codes(self, h: Tensor) -> list[Tensor]:
        """Each layer's codes, uint8 [out, d], with h rounded to 0 or 1."""
        flat = (self.low + ((h >= 0.5) & (self.step > 0))).to(torch.uint8)
        sizes = [shape.numel() for shape in self.shapes]
        return [c.view(s[0], -1) for c, s in zip(flat.split(sizes), self.shapes, strict=True)]

    def near(self, codes: Sequence[Tensor], margin: float) -> Tensor:
        """The h a margin away from given codes, on the way to the other point: [total]."""
        flat = torch.cat([c.flatten() for c in codes])
        return torch.where(flat > self.low, 1 - margin, margin)


def learn(
    loss: Callable[[list[Tensor], Tensor], Tensor],
    soft: SoftWeights,
    start: Tensor,
    samples: int,
    schedule: Schedule,
    generator: torch.Generator,
    beside: Beside | None = None,
) -> Tensor:
    """Minimise loss + λ penalty over V by Adam on minibatches (eq. 21 and 25).

    Args:
        loss: from the layers' soft weights and the numbers of a minibatch's images, int64 [batch],
            to a scalar.
        soft: the weights to be rounded.
        start: h to begin with, [total].
        samples: how many images there are.
        schedule: iterations, learning rate, minibatch and penalty.
        generator: draws the minibatches.
        beside: what else the loss depends on and is learned with it.

    Returns:
        The learned h, [total].
    """
    others = [] if beside is None else beside.parameters

    def gradients(weights: list[Tensor], step: tuple[int, Tensor]) -> Sequence[Tensor]:
        iteration, batch = step
        learned = [tensor.requires_grad_() for tensor in (*weights, *others)]
        with torch.enable_grad():
            found = torch.autograd.grad(loss(weights, batch), learned)
        if beside is not None:
            beside.step(found[len(weights) :], iteration / schedule.iterations)
        return found[: len(weights)]

    def draw(iteration: int) -> tuple[int, Tensor]:
        batch = torch.randperm(samples, generator=generator)[: schedule.batch]
        return iteration, batch.to(start.device)

    return descend(gradients, soft, start, draw, schedule)


@torch.no_grad()
def descend(
    gradients: Callable[[list[Tensor], T], Sequence[Tensor]],
    soft: SoftWeights,
    start: Tensor,
    draw: Callable[[int], T],
    schedule: Schedule,
) -> Tensor:
    """`learn`, given the loss's gradients by the soft weights in place of the loss.

    From there on the chain rule is written out: for the small layers of a block it costs a third of
    what automatic differentiation would. `draw` gives each step, by its number, what `gradients`
    takes beside the weights.
    """
    v = inverse_rectified_sigmoid(start)
    size = PIECE if v.device.type == "cpu" else len(v)
    pieces, steps = v.split(size), soft.step.split(size)
    adams = [Adam.of(piece) for piece in pieces]
    for iteration in range(schedule.iterations):
        batch = draw(iteration)
        sigmoids = [torch.sigmoid(piece) for piece in pieces]
        h = torch.cat([_stretched(sigmoid).clamp_(0, 1) for sigmoid in sigmoids])
        flat = torch.cat([part.flatten() for part in gradients(soft.at(h), batch)])
        beta = schedule.beta_at(iteration)
        for piece, gradient, sigmoid, step, adam in zip(
            pieces, flat.split(size), sigmoids, steps, adams, strict=True
        ):
            gradient = chain(gradient, sigmoid, step, schedule.penalty, beta)
            adam.step(piece, gradient, schedule.learning_rate)
    return rectified_sigmoid(v)


def chain(
    gradient: Tensor, sigmoid: Tensor, step: Tensor, weight: float, beta: float | None
) -> Tensor:
    """Gradient by V of loss + weight * penalty, from the loss's gradient by the soft weights.

    The derivatives are torch's own kernels: each step counts where layers are small.
    """
    stretched = _stretched(sigmoid)
    by_h = gradient * step
    if beta is not None:
        way = (2 * stretched).sub_(1).clamp_(-1, 1)
        # |way|^(beta - 2), by what a processor computes at once; pow takes three times as long.
        power = way.square().clamp_(min=TINY).log_().mul_(beta / 2 - 1).exp_()
        by_h.addcmul_(way, power, value=-2 * weight * beta)
    by_h = torch.ops.aten.hardtanh_backward(by_h, stretched, 0, 1)
    return torch.ops.aten.sigmoid_backward(by_h, sigmoid).mul_(ZETA - GAMMA)


def _stretched(sigmoid: Tensor) -> Tensor:
    return (sigmoid * (ZETA - GAMMA)).add_(GAMMA)

"""A layer's input on a uniform grid: one grid for the whole tensor, which rounds what comes.

All that a network needs to run so; activations.py says which layers get grids, and when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ptq_privacy.compression.grid import Grid, search
from ptq_privacy.graph import inputs

SAMPLED = 1 << 16  # values of a tensor that its range is searched on, beside the extreme ones


class OnGrid(torch.autograd.Function):
    """Values rounded to a grid; backward, rounding is taken for no change (Esser et al. 2020).

    So what lies within the range passes its gradient on, and the scale's is how far rounding moved
    each value, in steps, or the end of the range that it was clipped to.
    """

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, x: Tensor, scale: Tensor, grid: Grid
    ) -> Tensor:
        ctx.save_for_backward(x, scale)
        ctx.ends = ends(grid)  # type: ignore[attr-defined]
        return rounded(x, scale, grid)

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None]:
        x, scale = ctx.saved_tensors  # type: ignore[attr-defined]
        low, high = ctx.ends  # type: ignore[attr-defined]
        steps = x / scale
        code = steps.round()
        within = (code >= low) & (code <= high)
        by_scale = None
        if ctx.needs_input_grad[1]:  # type: ignore[attr-defined]
            moved = code.clamp_(low, high).sub_(steps.mul_(within))
            by_scale = (gradient * moved).sum().view_as(scale)
        return gradient * within, by_scale, None


def ends(grid: Grid) -> tuple[int, int]:
    """The lowest and the highest code of a tensor's grid, counted from that of 0."""
    zero_point = int(grid.zero_point)
    return -zero_point, grid.levels - 1 - zero_point


def rounded(x: Tensor, scale: Tensor, grid: Grid) -> Tensor:
    """Each value at the nearest point of a tensor's grid, of whatever scale."""
    return (x / scale).round_().clamp_(*ends(grid)).mul_(scale)


class QuantizedInput:
    """A layer's input on a grid of some levels, once there is one."""

    def __init__(self, count: int, grid: Grid | None = None) -> None:
        self.levels = count
        self.grid = grid

    @property
    def settled(self) -> bool:
        return self.grid is not None

    def settle(self, values: Sequence[Tensor], generator: torch.Generator) -> None:
        found = search(_sampled(values, generator)[None], self.levels)
        self.grid = Grid(found.scale.cpu(), found.zero_point.cpu(), found.levels)

    def __call__(self, x: Tensor) -> Tensor:
        if self.grid is None:
            return x
        scale = self.grid.scale.to(x.device)
        if torch.is_grad_enabled() and x.requires_grad:
            return OnGrid.apply(x, scale, self.grid)
        return rounded(x, scale, self.grid)


def _sampled(values: Sequence[Tensor], generator: torch.Generator) -> Tensor:
    """The least and the largest of some values, and others that are drawn: at most `SAMPLED`."""
    flat = [value.flatten() for value in values]
    if not all(torch.isfinite(part).all() for part in flat):
        raise ValueError("activations are not finite")
    ends = [torch.stack([part.min() for part in flat]), torch.stack([part.max() for part in flat])]
    total = sum(map(len, flat))
    if total > SAMPLED:
        drawn = torch.randint(total, (SAMPLED,), generator=generator).sort().values
        starts = torch.tensor([0, *map(len, flat)]).cumsum(0)
        parts = drawn.tensor_split(torch.searchsorted(drawn, starts[1:-1]))
        flat = [
            part[(own - start).to(part.device)]
            for part, own, start in zip(flat, parts, starts[:-1], strict=True)
        ]
    return torch.cat([ends[0].min()[None], ends[1].max()[None], *flat])


def grid_of(layer: nn.Module) -> Grid | None:
    """The grid of a layer's input; None of one in float32."""
    form = inputs.form_of(layer)
    return form.grid if isinstance(form, QuantizedInput) else None


def grids_of(network: nn.Module) -> dict[str, Grid]:
    """The grid of each layer's input that has one, by the layer's name."""
    found = {name: grid_of(module) for name, module in network.named_modules()}
    return {name: grid for name, grid in found.items() if grid is not None}


def set_grids(layers: Mapping[str, nn.Module], grids: Mapping[str, Grid]) -> None:
    """Give inputs that have grids others."""
    for name, grid in grids.items():
        form = inputs.form_of(layers[name])
        assert isinstance(form, QuantizedInput)
        form.grid = grid


def apply(network: nn.Module, grids: Mapping[str, Grid]) -> None:
    """Quantize what goes into a network's layers.

    Raises:
        ValueError: the network has no such layer; names it.
    """
    layers = dict(network.named_modules())
    for name, grid in grids.items():
        if name not in layers:
            raise ValueError(f"layer {name!r}: its input has a grid, but the network lacks it")
        inputs.put(layers[name], QuantizedInput(grid.levels, grid))

"""A block's activations while it is learned: their scales move, and quantization drops out.

QDrop (Wei et al. 2022, eq. 7): at every step each element of an activation is as in full precision
with some probability, and quantized otherwise, so that roundings are found which do well at both.
Scales are learned by the gradient through rounding (Esser et al. 2020), on a logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx

from ptq_privacy.compression.grid import Grid
from ptq_privacy.compression.quantized_inputs import OnGrid
from ptq_privacy.compression.rounding import Adam


@dataclass(frozen=True)
class Dropping:
    """How a block's activations are learned.

    drop: the probability that an element is as in full precision.
    learning_rate: of Adam on the scales' logarithms; it falls to 0 along a cosine.
    """

    drop: float
    learning_rate: float


class LearnedInputs:
    """What goes into the layers of one block, step by step."""

    def __init__(
        self,
        grids: Mapping[str, Grid],
        full: Mapping[fx.Node, Tensor],
        settings: Dropping,
        generator: torch.Generator,
    ) -> None:
        """
        Args:
            grids: of the inputs, by layer name, to begin with.
            full: the full-precision network's values of what goes into the block, of all samples.
            settings: how they are learned.
            generator: gives the seed of what drops out.
        """
        device = next(iter(full.values())).device
        self.grids, self.full, self.settings = grids, full, settings
        self.logarithms = {name: grid.scale.to(device).log() for name, grid in grids.items()}
        self.adams = [Adam.of(own) for own in self.parameters]
        seed = int(torch.randint(2**62, (), generator=generator))
        self.generator = torch.Generator(device).manual_seed(seed)
        self.masks: dict[fx.Node, Tensor] = {}

    @property
    def parameters(self) -> list[Tensor]:
        """What is learned."""
        return list(self.logarithms.values())

    def step(self, gradients: Sequence[Tensor], progress: float) -> None:
        """Move the scales, at a share of the way through learning."""
        rate = self.settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2
        for own, adam, gradient in zip(self.parameters, self.adams, gradients, strict=True):
            adam.step(own, gradient, rate)

    def mixed(self, inputs: Mapping[fx.Node, Tensor], images: Tensor) -> dict[fx.Node, Tensor]:
        """What goes into the block: of each element the quantized network's or the other's value.

        To be called at each step, before `fed`.

        Args:
            inputs: the quantized network's values, on some images.
            images: which these are.
        """
        self.masks = {}
        if self.settings.drop == 0:
            return dict(inputs)
        self.masks = {value: self._drawn(x) for value, x in inputs.items()}
        return {
            value: torch.where(self.masks[value], x, self.full[value][images])
            for value, x in inputs.items()
        }

    def fed(self, name: str, value: fx.Node, x: Tensor) -> Tensor:
        """What goes into a layer, given the value that it would get in float32.

        What a block's own input has of full precision stays so.
        """
        quantized = OnGrid.apply(x, self.logarithms[name].exp(), self.grids[name])
        if self.settings.drop == 0:
            return quantized
        mask = self.masks[value] if value in self.masks else self._drawn(x)
        return torch.where(mask, quantized, x)

    def _drawn(self, x: Tensor) -> Tensor:
        """Which elements are quantized."""
        drawn = torch.rand(x.shape, generator=self.generator, device=x.device)
        return drawn >= self.settings.drop

    def learned(self) -> dict[str, Grid]:
        """The grids as they are now."""
        return {
            name: replace(grid, scale=self.logarithms[name].detach().exp().cpu())
            for name, grid in self.grids.items()
        }

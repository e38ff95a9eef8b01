"""A network with the normalisation of its data set in front: from inputs as stored to logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ptq_privacy.data import kinds


class Normalised(nn.Module):
    """`network` after `normalise`, which a data set's kind and statistics define.

    It takes inputs as a prepared data set holds them, such as images uint8 [N, C, H, W].
    """

    def __init__(
        self, network: nn.Module, kind: str, statistics: Mapping[str, Sequence[float]]
    ) -> None:
        super().__init__()
        self.network = network
        self.kind = kind
        self.names = tuple(statistics)
        for name, values in statistics.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def normalise(self, inputs: Tensor) -> Tensor:
        """What the network takes, float32."""
        own = {name: self.get_buffer(name) for name in self.names}
        return kinds.part(self.kind, "normalise").apply(inputs, own)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(self.normalise(inputs))

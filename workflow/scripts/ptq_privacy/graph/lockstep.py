"""Walks over networks of one architecture, one or several, side by side, layer by layer.

The networks of a study differ in their weights alone, so what a layer-wise method solves for one of
them it can solve for all at once: here a layer's problems are laid one after the other, as if they
were further groups of one convolution. What a network is given does not depend on the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TypeVar

import torch
from torch import Tensor, fx, nn

from ptq_privacy.graph.layers import Moments, Samples
from ptq_privacy.graph.walk import POSITIONS, Walk, report

Seen = TypeVar("Seen", Moments, Samples)


class Lockstep:
    """Walks in step; used as a `Walk` is, over `nodes`, `layers` and `modules` of the first.

    walks: one a network, on the graph of the first.
    """

    def __init__(
        self,
        full: Sequence[nn.Module],
        quantized: Sequence[nn.Module] | None,
        calibrations: Sequence[Tensor],
        seeds: Sequence[int],
        positions: int = POSITIONS,
    ) -> None:
        copies: Sequence[nn.Module | None] = quantized or [None] * len(full)
        self.walks: list[Walk] = []
        for known in zip(full, copies, calibrations, seeds, strict=True):
            like = self.walks[0] if self.walks else None
            self.walks.append(Walk(*known, positions, like))
        first = self.walks[0]
        self.nodes, self.layers = first.nodes, first.layers

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Of the first full-precision network."""
        return self.walks[0].full.modules

    @property
    def generators(self) -> list[torch.Generator]:
        """One a network."""
        return [walk.generator for walk in self.walks]

    def each_layer(self) -> Iterator[Moments]:
        """Each layer's moments, in graph order; the caller sets its quantized weight in between."""
        return map(self.moments, self.each_node())

    def each_node(self) -> Iterator[fx.Node]:
        """Each layer's node likewise, for callers that ask for `moments` or `samples`."""
        done, started = 0, time.monotonic()
        for node in self.nodes:
            if node in self.layers:
                yield node
                done += 1
                report("layer", done, len(self.layers), self.layers[node], started)
            self.run(node)
            self.free(node)

    def run(self, node: fx.Node) -> None:
        """Compute a node in all streams."""
        for walk in self.walks:
            walk.run(node)

    def free(self, node: fx.Node) -> None:
        """Let go of the values whose last use was this node."""
        for walk in self.walks:
            walk.free(node)

    def hold(self, value: fx.Node, until: fx.Node) -> None:
        """Keep a value until another node, later in the graph, has been walked past."""
        for walk in self.walks:
            walk.hold(value, until)

    def moments(self, node: fx.Node) -> Moments:
        """A layer's moments in every network, one network's groups after another's."""
        return _together([walk.moments(node) for walk in self.walks])

    def samples(self, node: fx.Node) -> Samples:
        """A layer's samples likewise."""
        return _together([walk.samples(node) for walk in self.walks])

    def set_weight(self, name: str, weight: Tensor) -> None:
        """Change a layer's weight in all quantized networks, [networks * out, d]."""
        for walk, own in zip(self.walks, weight.chunk(len(self.walks)), strict=True):
            walk.set_weight(name, own)


def _together(parts: list[Seen]) -> Seen:
    first = parts[0]
    if len(parts) == 1:
        return first
    values = {field.name: [getattr(part, field.name) for part in parts] for field in fields(first)}
    name = values.pop("name")[0]
    return type(first)(name=name, **{key: torch.cat(many) for key, many in values.items()})

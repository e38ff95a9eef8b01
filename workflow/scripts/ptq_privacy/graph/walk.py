"""What a network's layers see on the calibration images: two streams of activations.

One stream is the full-precision network, the other its copy whose layers are quantized as the walk
passes them, so each layer is calibrated on what it will really be fed: the form of its input that
it has, if any (inputs.py). The walk follows the network's torch.fx graph node by node and never
starts again from the images, so its cost is linear in depth; a value is freed after its last use,
and images are computed a chunk at a time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from ptq_privacy.graph.inputs import form_of
from ptq_privacy.graph.layers import (
    Moments,
    Positions,
    Samples,
    channel_first,
    channels_last,
    patches,
    set_weight,
    targets,
    unfold_weight,
    unravel,
)
from ptq_privacy.graph.trace import WeightLayer, execute, is_weight_layer, shapes, trace
from ptq_privacy.networks.memory_order import in_order, memory_order

log = logging.getLogger(__name__)

Shapes = Mapping[fx.Node, torch.Size | None]

POSITIONS = 20_000  # more change the second moments by less than other images would
CHUNK = 128  # images at a time: their activations stay in a CPU's cache


class Stream:
    """One network's activations over the calibration images, held for the nodes still in use."""

    def __init__(self, network: nn.Module, graph: fx.Graph, calibration: Tensor) -> None:
        self.network = network
        self.modules = dict(network.named_modules())
        (images,) = (n for n in graph.nodes if n.op == "placeholder" and not n.args)
        calibration = in_order(calibration, memory_order(network))
        self.chunks: list[dict[fx.Node, Any]] = [{images: c} for c in calibration.split(CHUNK)]

    def run(self, node: fx.Node) -> None:
        """Compute a node from the values held, unless it is held already."""
        for values in self.chunks:
            if node not in values:
                values[node] = execute(node, values, self.modules)

    def free(self, node: fx.Node) -> None:
        for values in self.chunks:
            del values[node]

    def replace(self, node: fx.Node, chunks: list[Tensor]) -> None:
        """Put other values in a node's place."""
        for values, chunk in zip(self.chunks, chunks, strict=True):
            values[node] = chunk

    def values(self, node: fx.Node) -> list[Tensor]:
        """A node's value, a chunk of images at a time."""
        return [values[node] for values in self.chunks]


def report(kind: str, done: int, total: int, name: str, started: float) -> None:
    """Log how far a network's quantization is, at what rate, and for how long it may go on."""
    each = (time.monotonic() - started) / done
    left = each * (total - done)
    log.info("%s %d/%d %s, %.2f s each, %.0f s left", kind, done, total, name, each, left)


class Walk:
    """Both streams side by side, from the images to the network's output.

    Whoever walks calls, for each of `nodes`: `moments` if the node is in `layers`, then sets the
    quantized layer's weight, then `run`, then `free`. `lockstep.Lockstep` does so, for one network
    or several. Without a quantized network both streams are the full-precision one. `like` is a
    walk over another network of the same architecture, whose graph serves here too.
    """

    def __init__(
        self,
        full: nn.Module,
        quantized: nn.Module | None,
        calibration: Tensor,
        seed: int = 0,
        positions: int = POSITIONS,
        like: Walk | None = None,
    ) -> None:
        self.graph: fx.Graph = trace(full) if like is None else like.graph
        self.nodes = list(self.graph.nodes)
        self.full = Stream(full, self.graph, calibration)
        self.quantized = self.full
        if quantized is not None:
            self.quantized = Stream(quantized, self.graph, calibration)
        self.layers = {
            node: str(node.target)
            for node in self.nodes
            if is_weight_layer(node, self.full.modules)
        }
        self.shapes: Shapes = (
            shapes(self.graph, full, calibration[:2]) if like is None else like.shapes
        )
        self.last_use = {user: user for user in self.nodes}
        for user in self.nodes:
            self.last_use.update(dict.fromkeys(user.all_input_nodes, user))
        self.generator = torch.Generator().manual_seed(seed)
        self.positions = positions

    @torch.no_grad()
    def run(self, node: fx.Node) -> None:
        """Compute a node in both streams."""
        self._settle(node)
        self.full.run(node)
        self.quantized.run(node)

    def free(self, node: fx.Node) -> None:
        """Let go of the values whose last use was this node."""
        for value in [value for value, last in self.last_use.items() if last is node]:
            self.full.free(value)
            if self.quantized is not self.full:
                self.quantized.free(value)

    def set_weight(self, name: str, weight: Tensor) -> None:
        """Change a layer's weight, [out, d], in the quantized stream's network."""
        set_weight(self.quantized.network, name, weight)

    def hold(self, value: fx.Node, until: fx.Node) -> None:
        """Keep a value until another node, later in the graph, has been walked past."""
        if self.nodes.index(self.last_use[value]) < self.nodes.index(until):
            self.last_use[value] = until

    @torch.no_grad()
    def moments(self, node: fx.Node) -> Moments:
        """A layer's moments over positions drawn without replacement, the same in both streams.

        Raises:
            ValueError: the layer's activations are not finite.
        """
        layer, pieces = self._gather(node)
        sums: list[Tensor] = [torch.zeros(())] * 4
        count = 0
        for x, y in pieces:
            count += x.shape[1]
            terms = (x.mT @ x, y.mT @ x, x.sum(1), y.sum(1))
            sums = [total.to(x.device) + term for total, term in zip(sums, terms, strict=True)]
        second, cross, input_mean, output_mean = (total / count for total in sums)
        _check_finite(node, second, cross)
        order = channel_first(layer).to(second.device)
        return Moments(
            name=str(node.target),
            weight=unfold_weight(layer),
            second=second[:, order][:, :, order],
            cross=cross[:, :, order],
            input_mean=input_mean[:, order],
            output_mean=output_mean,
        )

    @torch.no_grad()
    def samples(self, node: fx.Node) -> Samples:
        """What `moments` averages, position by position.

        Raises:
            ValueError: the layer's activations are not finite.
        """
        layer, pieces = self._gather(node)
        inputs, outputs = zip(*pieces, strict=True)
        order = channel_first(layer).to(inputs[0].device)
        weight = unfold_weight(layer)
        bias = torch.zeros_like(weight[..., 0])
        if layer.bias is not None:
            bias = layer.bias.detach().view_as(bias)
        samples = Samples(
            name=str(node.target),
            weight=weight,
            bias=bias,
            inputs=torch.cat([x[..., order] for x in inputs], 1),
            outputs=torch.cat(outputs, 1) + bias[:, None],
        )
        _check_finite(node, samples.inputs, samples.outputs)
        return samples

    def _gather(self, node: fx.Node) -> tuple[WeightLayer, Iterator[tuple[Tensor, Tensor]]]:
        """A layer, and its quantized inputs and full-precision outputs without bias, by chunk.

        [groups, positions, d], in (kh, kw, channel) order, and [groups, positions, out].
        """
        self._settle(node)
        self.full.run(node)
        layer = self.full.modules[str(node.target)]
        assert isinstance(layer, WeightLayer)
        outputs = self.full.values(node)
        inputs = self.quantized.values(node.all_input_nodes[0])
        if form := form_of(self.quantized.modules[str(node.target)]):
            inputs = [form(x) for x in inputs]
        chosen = self._positions(layer, outputs)
        pieces = (
            (patches(layer, x, at), targets(layer, y, at))
            for x, y, at in zip(inputs, outputs, chosen, strict=True)
        )
        return layer, pieces

    def _settle(self, node: fx.Node) -> None:
        """See that the form of a layer's input, if it has one, knows what the layer is fed."""
        form = form_of(self.quantized.modules[str(node.target)]) if node in self.layers else None
        if form is not None and not form.settled:
            try:
                form.settle(self.quantized.values(node.all_input_nodes[0]), self.generator)
            except ValueError as error:
                raise ValueError(f"layer {node.target!r}: its {error}") from None

    def _positions(self, layer: WeightLayer, outputs: list[Tensor]) -> list[Positions]:
        """For each chunk, the chosen positions among its images and pixels, in ascending order."""
        shapes = [channels_last(layer, y).shape[:-1] for y in outputs]
        sizes = [shape.numel() for shape in shapes]
        total = sum(sizes)
        chosen = torch.arange(total)
        if total > self.positions:
            chosen = torch.randperm(total, generator=self.generator)[: self.positions].sort().values
        ends = torch.tensor(sizes).cumsum(0)
        split = chosen.tensor_split(torch.searchsorted(chosen, ends[:-1]))
        starts = (ends - torch.tensor(sizes)).to(outputs[0].device)
        return [
            unravel(part.to(starts.device) - start, shape)
            for part, start, shape in zip(split, starts, shapes, strict=True)
        ]


def _check_finite(node: fx.Node, *values: Tensor) -> None:
    if not all(torch.isfinite(value).all() for value in values):
        raise ValueError(f"layer {node.target!r}: its activations are not finite")

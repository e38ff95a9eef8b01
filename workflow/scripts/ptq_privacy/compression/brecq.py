"""BRECQ (Li et al. 2021): the roundings of a block's layers are learned for the block's output.

Batch normalisation is folded first. `reconstruction` learns the blocks one after the other; each
starts from the layer-wise solution, or from the weights' own fractional parts as published.
Quantized activations are learned with the roundings, as QDrop does (Wei et al. 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from ptq_privacy.compression.dropping import Dropping
from ptq_privacy.compression.grid import QuantizedWeight
from ptq_privacy.compression.grouped import apart, begun, rounded
from ptq_privacy.compression.layerwise import quantize_layer
from ptq_privacy.compression.reconstruction import check_minibatch, reconstruct
from ptq_privacy.compression.rounding import Schedule
from ptq_privacy.compression.work import (
    Cost,
    NetworkCost,
    held,
    learned_layers,
    minibatches,
    prepared,
    sampled,
    solved,
)
from ptq_privacy.graph.blocks import Block, find_blocks
from ptq_privacy.graph.folding import fold_all
from ptq_privacy.graph.lockstep import Lockstep
from ptq_privacy.graph.trace import execute
from ptq_privacy.graph.walk import Walk

MARGIN = 0.3  # of the soft start: from 0.5 the layer-wise solution is forgotten, from 0 it is stuck


def compress(
    models: Sequence[nn.Module],
    inputs: Sequence[Tensor],
    levels: Mapping[str, int],
    seeds: Sequence[int],
    *,
    solver: str,
    iterations: int,
    learning_rate: float,
    batch: int,
    start_iterations: int,
    start_learning_rate: float,
    fisher: bool,
    bf16: bool,
    drop: float,
    scale_learning_rate: float,
) -> list[tuple[nn.Module, dict[str, QuantizedWeight]]]:
    """Quantize every block; arguments and result as `compression.Together` has them."""
    check_minibatch(inputs[0], "brecq", batch)
    full = fold_all(models, inputs[0][:2])
    networks, layers = begun(full, levels)
    walk = Lockstep(full, networks, inputs, seeds)
    blocks = find_blocks(walk.walks[0])
    importance = [fisher_diagonals(one, blocks) for one in walk.walks] if fisher else None

    def start(node: fx.Node) -> QuantizedWeight:
        name = walk.layers[node]
        if solver == "reference":
            return rounded(full, name, levels[name])
        return quantize_layer(walk, node, levels[name], start_iterations, start_learning_rate)

    found = reconstruct(
        walk,
        blocks,
        start,
        margin=None if solver == "reference" else MARGIN,
        schedule=Schedule(iterations, learning_rate, batch),
        bf16=bf16,
        importance=importance,
        dropping=Dropping(drop, scale_learning_rate),
    )
    return apart(networks, layers, found)


def fisher_diagonals(walk: Walk, blocks: Sequence[Block]) -> dict[str, Tensor]:
    """The diagonal of the Fisher information at each block's output: section 3.3, eq. 10.

    The squared gradient of the full-precision network's log-likelihood of a label that is drawn,
    for each image, from the network's own prediction; scaled to a mean of 1 over each block.

    Args:
        walk: not yet begun.
        blocks: of its network.

    Returns:
        By block name, weights of the shape of the block's output over all images.

    Raises:
        ValueError: the network does not return logits [n, classes].
    """
    squares: dict[str, list[Tensor]] = {block.name: [] for block in blocks}
    names = {block.output: block.name for block in blocks}
    for chunk in walk.full.chunks:
        values = dict(chunk)
        taps = {}
        with torch.enable_grad():
            for node in walk.nodes:
                if node not in values:
                    values[node] = execute(node, values, walk.full.modules)
                if node in names:
                    # A zero added, since what follows may overwrite the output itself.
                    taps[names[node]] = torch.zeros_like(values[node], requires_grad=True)
                    values[node] = values[node] + taps[names[node]]
            logits = values[walk.nodes[-1]]
            if not isinstance(logits, Tensor) or logits.ndim != 2:
                raise ValueError("brecq.fisher: the network should return logits [n, classes]")
            drawn = torch.multinomial(logits.detach().softmax(1).cpu(), 1, generator=walk.generator)
            likelihood = -F.cross_entropy(logits, drawn[:, 0].to(logits.device), reduction="sum")
            gradients = torch.autograd.grad(likelihood, list(taps.values()))
        for name, gradient in zip(taps, gradients, strict=True):
            squares[name].append(gradient.square())
    diagonals = {name: torch.cat(parts) for name, parts in squares.items()}
    return {
        name: f / f.mean().clamp(min=torch.finfo(f.dtype).tiny) for name, f in diagonals.items()
    }


def work(
    network: NetworkCost,
    images: int,
    device: str,
    *,
    solver: str,
    iterations: int,
    batch: int,
    start_iterations: int,
    **others: object,
) -> Cost:
    """Of the layer-wise start and of learning the blocks."""
    total = prepared(network, images, streams=2) + minibatches(network, iterations, batch)
    if solver == "moments":
        total += learned_layers(network, start_iterations, images, device)
    memory = held(network, images, streams=3) + sampled(network, images) + solved(network, 4)
    return Cost(total, memory, folded=True)

"""Block reconstruction (Li et al. 2021, "BRECQ").

The roundings of all layers of a block (a residual block, a dense layer) are learned together, so
that the block's output, not each layer's, stays close to the full-precision one. Each block is fed
by the blocks quantized before it, from cached inputs that are carried from block to block. Where
activations are quantized, dropping.py says what a block's layers are fed meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, fx

from ptq_privacy.compression.dropping import Dropping, LearnedInputs
from ptq_privacy.compression.grid import QuantizedWeight
from ptq_privacy.compression.grouped import each
from ptq_privacy.compression.quantized_inputs import grid_of, set_grids
from ptq_privacy.compression.rounding import Schedule, SoftWeights, learn
from ptq_privacy.graph.blocks import Block
from ptq_privacy.graph.inputs import form_of
from ptq_privacy.graph.lockstep import Lockstep
from ptq_privacy.graph.trace import execute
from ptq_privacy.graph.walk import Stream, Walk, report

Fed = Callable[[str, fx.Node, Tensor], Tensor]
"""From a layer's name, a value and what it is on some images to what the layer is fed of it."""


@torch.no_grad()
def reconstruct(
    walk: Lockstep,
    blocks: list[Block],
    start: Callable[[fx.Node], QuantizedWeight],
    margin: float | None,
    schedule: Schedule,
    bf16: bool = False,
    importance: Sequence[Mapping[str, Tensor]] | None = None,
    dropping: Dropping | None = None,
) -> list[dict[str, QuantizedWeight]]:
    """Quantize all layers block by block, in the quantized networks that the walk holds.

    Args:
        walk: over full-precision networks and the copies to be quantized, not yet begun.
        blocks: from `find_blocks` for the first of its walks.
        start: gives each layer of all networks, as the walk reaches it, the codes and grid to
            begin with.
        margin: how far from those codes the soft rounding starts; None: at the weight itself, as
            published.
        schedule: of the minibatch optimisation.
        bf16: run the blocks in bfloat16 where autocast allows.
        importance: for each network, weights of the squared error, by block name, each of the
            shape of the output.
        dropping: how quantized activations are learned, where there are any; None: their grids
            stay as they are.

    Returns:
        For each network codes and grids by layer name. A block whose squared error at rounded
        weights did not fall keeps the codes, and the grids of activations, that it began with.
    """
    last = {block.nodes[-1]: block for block in blocks}
    for block in blocks:
        for value in (*block.inputs, block.output):
            walk.hold(value, until=block.nodes[-1])
    codes: list[dict[str, QuantizedWeight]] = [{} for _ in walk.walks]
    done, started = 0, time.monotonic()
    for node in walk.nodes:
        if node in walk.layers:
            name = walk.layers[node]
            begun = start(node)
            walk.set_weight(name, begun.values)
            for own, layer in zip(codes, each(begun, len(codes)), strict=True):
                own[name] = layer
        walk.run(node)
        if node in last:
            block = last[node]
            for index, (one, own) in enumerate(zip(walk.walks, codes, strict=True)):
                weight = None if importance is None else importance[index][block.name]
                learned = _reconstruct(one, block, own, margin, schedule, bf16, weight, dropping)
                for name, layer in learned.items():
                    one.set_weight(name, layer.values)
                own |= learned
            done += 1
            report("block", done, len(blocks), block.name, started)
        walk.free(node)
    return codes


def _reconstruct(
    walk: Walk,
    block: Block,
    codes: Mapping[str, QuantizedWeight],
    margin: float | None,
    schedule: Schedule,
    bf16: bool,
    importance: Tensor | None,
    dropping: Dropping | None,
) -> dict[str, QuantizedWeight]:
    """Learn one block's codes, in its own place in the quantized stream; return its layers'."""
    modules = walk.quantized.modules
    inputs = {value: _rows(walk.quantized, value, block) for value in block.inputs}
    target = _rows(walk.full, block.output, block)
    for value, x in inputs.items():
        if len(x) != len(target):
            raise ValueError(
                f"block {block.name!r}: it makes {len(target)} rows of {len(x)} of {value.name!r}, "
                "so it cannot be learned by minibatches of them"
            )
    names = [walk.layers[node] for node in block.layers]
    begun = [codes[name] for name in names]
    soft = SoftWeights.between(
        [walk.full.modules[name].weight for name in names], [layer.grid for layer in begun]
    )
    grids = {name: grid for name in names if (grid := grid_of(modules[name])) is not None}
    learned = None
    if dropping is not None and grids:
        full = {value: _rows(walk.full, value, block) for value in block.inputs}
        learned = LearnedInputs(grids, full, dropping, walk.generator)

    def error(y: Tensor, images: slice | Tensor) -> Tensor:
        square = (y.float() - target[images]).square()
        return (square if importance is None else square * importance[images]).sum()

    def loss(weights: list[Tensor], images: Tensor) -> Tensor:
        values = {value: x[images] for value, x in inputs.items()}
        fed: Fed = partial(_as_deployed, walk)
        if learned is not None:
            values, fed = learned.mixed(values, images), learned.fed
        with torch.autocast(target.device.type, torch.bfloat16, enabled=bf16):
            y = _run(walk, block, values, weights, fed)
        return error(y, images) / _positions(y)

    start = soft.fraction if margin is None else soft.near([w.codes for w in begun], margin)
    h = learn(loss, soft, start, len(target), schedule, walk.generator, learned)

    before = walk.quantized.values(block.output)
    ends = list(accumulate(map(len, before), initial=0))
    slices = [slice(*ends) for ends in pairwise(ends)]
    found = [
        QuantizedWeight(code, layer.grid) for code, layer in zip(soft.codes(h), begun, strict=True)
    ]
    rounded = [layer.values.view(shape) for layer, shape in zip(found, soft.shapes, strict=True)]
    if learned is not None:
        set_grids(modules, learned.learned())
    after = []
    for part in slices:
        values = {value: x[part] for value, x in inputs.items()}
        after.append(_run(walk, block, values, rounded, partial(_as_deployed, walk)))
    if not sum(map(error, after, slices)) < sum(map(error, before, slices)):
        set_grids(modules, grids)
        return {}
    walk.quantized.replace(block.output, after)
    return dict(zip(names, found, strict=True))


def _run(
    walk: Walk,
    block: Block,
    inputs: Mapping[fx.Node, Tensor],
    weights: Sequence[Tensor],
    fed: Fed,
) -> Tensor:
    """A block's output, given its inputs, its layers' weights and what these layers are fed."""
    values: dict[fx.Node, Any] = dict(inputs)
    stand_in = {walk.layers[node]: own for node, own in zip(block.layers, weights, strict=True)}
    for node in block.nodes:
        known = values
        if node in block.layers:
            value = node.all_input_nodes[0]
            known = {**values, value: fed(walk.layers[node], value, values[value])}
        values[node] = execute(node, known, walk.quantized.modules, stand_in)
    output: Tensor = values[block.output]
    return output


def _as_deployed(walk: Walk, name: str, value: fx.Node, x: Tensor) -> Tensor:
    """What a layer is fed of a value: the form of it that it has, if any."""
    form = form_of(walk.quantized.modules[name])
    return x if form is None else form(x)


def _rows(stream: Stream, value: fx.Node, block: Block) -> Tensor:
    """A value over all calibration samples, [rows, ...]: a row an image, or a window of one."""
    chunks = stream.values(value)
    if not all(isinstance(chunk, Tensor) and chunk.is_floating_point() for chunk in chunks):
        raise ValueError(
            f"block {block.name!r}: it takes {value.name!r}, which is not a tensor of activations"
        )
    return torch.cat(chunks)


def _positions(y: Tensor) -> int:
    """How many output vectors a tensor holds: the published loss is a mean over these."""
    return y.numel() // y.shape[1 if y.ndim == 4 else -1]


def check_minibatch(inputs: Tensor, method: str, batch: int) -> None:
    """Refuse fewer calibration images than a minibatch has.

    Raises:
        ValueError: names the method's key.
    """
    if len(inputs) < batch:
        raise ValueError(
            f"calibration: {len(inputs)} images are fewer than one minibatch, {method}.batch: "
            f"{batch}"
        )

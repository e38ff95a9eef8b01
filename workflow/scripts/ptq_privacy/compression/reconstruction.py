"""Block reconstruction (Li et al. 2021, "BRECQ").

The roundings of all layers of a block (a residual block, a dense layer) are learned together, so
that the block's output, not each layer's, stays close to the full-precision one. Each block is fed
by the blocks quantized before it, from cached inputs that are carried from block to block.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, fx

from ptq_privacy.compression.grid import QuantizedWeight
from ptq_privacy.compression.grouped import each
from ptq_privacy.compression.rounding import Schedule, SoftWeights, learn
from ptq_privacy.graph.blocks import Block
from ptq_privacy.graph.lockstep import Lockstep
from ptq_privacy.graph.trace import execute
from ptq_privacy.graph.walk import Stream, Walk, report


@torch.no_grad()
def reconstruct(
    walk: Lockstep,
    blocks: list[Block],
    start: Callable[[fx.Node], QuantizedWeight],
    margin: float | None,
    schedule: Schedule,
    bf16: bool = False,
    importance: Sequence[Mapping[str, Tensor]] | None = None,
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

    Returns:
        For each network codes and grids by layer name. A block whose squared error at rounded
        weights did not fall keeps the codes that it began with.
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
                learned = _reconstruct(one, block, own, margin, schedule, bf16, weight)
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

    def output(weights: Sequence[Tensor], images: slice | Tensor) -> Tensor:
        stand_in = dict(zip(names, weights, strict=True))
        values: dict[fx.Node, Any] = {value: x[images] for value, x in inputs.items()}
        for node in block.nodes:
            values[node] = execute(node, values, modules, stand_in)
        return values[block.output]

    def error(y: Tensor, images: slice | Tensor) -> Tensor:
        square = (y.float() - target[images]).square()
        return (square if importance is None else square * importance[images]).sum()

    def loss(weights: list[Tensor], images: Tensor) -> Tensor:
        with torch.autocast(target.device.type, torch.bfloat16, enabled=bf16):
            y = output(weights, images)
        return error(y, images) / _positions(y)

    start = soft.fraction if margin is None else soft.near([w.codes for w in begun], margin)
    h = learn(loss, soft, start, len(target), schedule, walk.generator)

    before = walk.quantized.values(block.output)
    ends = list(accumulate(map(len, before), initial=0))
    slices = [slice(*ends) for ends in pairwise(ends)]
    learned = [
        QuantizedWeight(code, layer.grid) for code, layer in zip(soft.codes(h), begun, strict=True)
    ]
    rounded = [layer.values.view(shape) for layer, shape in zip(learned, soft.shapes, strict=True)]
    after = [output(rounded, part) for part in slices]
    if not sum(map(error, after, slices)) < sum(map(error, before, slices)):
        return {}
    walk.quantized.replace(block.output, after)
    return dict(zip(names, learned, strict=True))


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

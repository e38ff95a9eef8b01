"""What a method says of its own work: operations, small steps one after the other, memory.

Each method has a function `work`, made of the parts that stand here; `make plan` sums them up.
Operations that run one after the other are counted as well as their arithmetic: coordinate descent
and greedy elimination take one small step a column, and there a device's latency decides. Nothing
here touches a result, so it is no part of a job's digest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace

from ptq_privacy.compression import layerwise
from ptq_privacy.compression.elimination import BATCH_BYTES, GPU_BATCH_BYTES, batch_rows
from ptq_privacy.compression.grid import CANDIDATES
from ptq_privacy.compression.quantized_inputs import SAMPLED
from ptq_privacy.graph.walk import POSITIONS

ELEMENTWISE = 30  # float operations a weight of a step of learning, or of a grid candidate
SWEEPS = 8  # of coordinate descent until no code changes, typically
POLISHES = 4  # of refit until codes and scales settle, typically
COPIES = 3  # of a network while it is compressed
ROUNDS = 4  # of trying single weights until none is taken, typically
TRIED = 8  # float operations a position that such a trial takes
STEP_KERNELS = {"column": 6, "tried": 8, "elimination": 24, "learning": 30, "module": 4}
"""Small operations in a column of descent, a trial of a weight in each row, an elimination, a step
of learning, a module's step."""


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer as the quantization methods see it.

    `groups` matrices [out, d]; `positions` outputs an image; `held` numbers go in
    and out; `activated` if an activation function alone follows, normalisation folded.
    """

    name: str
    groups: int
    out: int
    d: int
    positions: int
    held: int
    activated: bool


@dataclass(frozen=True)
class NetworkCost:
    """One network on images of one shape.

    flops: of a forward pass of one image; a multiplication and an addition are two.
    activations: numbers that all modules put out for one image.
    operations: modules called one after the other, each a kernel or a few.
    layers: in the order in which they run.
    state_bytes: of all parameters and buffers.
    other_bytes, other_tensors: of those that are no layer's weight and no embedding's, "trained"
        and, after batch normalisation is folded away, "folded".
    embeddings: rows and width of each; they have grids, and are rounded without calibration.
    """

    flops: int
    activations: int
    operations: int
    layers: tuple[Layer, ...]
    state_bytes: int
    other_bytes: Mapping[str, int]
    other_tensors: Mapping[str, int]
    embeddings: tuple[tuple[int, int], ...] = ()

    @property
    def weights(self) -> int:
        """Of all layers."""
        return sum(layer.groups * layer.out * layer.d for layer in self.layers)


@dataclass(frozen=True)
class Work:
    """Float operations in float32 and float64, and how many small ones follow each other.

    kernels: of one model.
    modules: steps of its modules, forward and back.
    together: those that all models of a batch take at once.
    """

    single: float = 0.0
    double: float = 0.0
    kernels: float = 0.0
    modules: float = 0.0
    together: float = 0.0

    def among(self, models: int) -> Work:
        """A model's share where so many are compressed side by side."""
        return replace(self, kernels=self.kernels + self.together / models, together=0.0)

    def __add__(self, other: Work) -> Work:
        return Work(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Cost:
    """What compressing one model costs.

    memory: bytes that each model of a batch takes beside the data set and three copies of itself.
    once: bytes that are taken once, however many models go together.
    folded: whether it is stored with batch normalisation folded into convolutions.
    """

    work: Work
    memory: float = 0.0
    once: float = 0.0
    folded: bool = False


BATCH_MEMORY = {"cpu": 1 << 31, "cuda": 1 << 34}
"""Bytes of the models that are compressed side by side, by device type."""


def models_at_once(network: NetworkCost, cost: Cost, models: int, device: str) -> int:
    """How many of some models are compressed side by side, by device type; all batches alike."""
    limit = BATCH_MEMORY[device] // (COPIES * network.state_bytes + cost.memory)
    return math.ceil(models / math.ceil(models / max(1, limit)))


def grid_search(network: NetworkCost) -> Work:
    """Of every layer's grid, and every embedding's."""
    weights = network.weights + sum(rows * width for rows, width in network.embeddings)
    return Work(single=float(CANDIDATES * ELEMENTWISE * weights))


def activation_grids(network: NetworkCost, images: int) -> Work:
    """Of the grid of each layer's input, and of another pass that finds what it is fed."""
    searched = CANDIDATES * ELEMENTWISE * SAMPLED * len(network.layers)
    return Work(single=float(searched + images * network.flops))


def prepared(network: NetworkCost, images: int, streams: int) -> Work:
    """Of the grids, of streams of activations, and of each layer's moments."""
    total = grid_search(network) + Work(single=streams * images * network.flops)
    return total + _sum(_moments(layer, images) for layer in network.layers)


def held(network: NetworkCost, images: int, streams: int) -> float:
    """Bytes of the widest layer's activations on the way in and out, in each stream."""
    return 4.0 * streams * images * max(layer.held for layer in network.layers)


def sampled(network: NetworkCost, images: int) -> float:
    """Bytes of what a layer that an activation follows is learned from, position by position.

    Its inputs four times, as they are gathered, shuffled and turned; outputs in six stages.
    """
    return 4.0 * max(
        (
            layer.groups * min(POSITIONS, images * layer.positions) * (4 * layer.d + 6 * layer.out)
            for layer in network.layers
            if layer.activated
        ),
        default=0,
    )


def solved(network: NetworkCost, itemsize: int) -> float:
    """Bytes of a layer's second moments and what is made of them, in numbers of so many bytes."""
    return max((12.0 + 3 * itemsize) * layer.groups * layer.d**2 for layer in network.layers)


def learned_layers(network: NetworkCost, iterations: int, images: int, device: str) -> Work:
    """Of learning each layer's roundings by itself; `device` is a type, cpu or cuda."""
    return _sum(_learned(layer, iterations, images, device) for layer in network.layers)


def eliminated(network: NetworkCost, itemsize: int, device: str) -> Work:
    """Of greedy elimination in every layer, in numbers of so many bytes."""
    return _sum(_elimination(layer, itemsize, device) for layer in network.layers)


def swept(network: NetworkCost) -> Work:
    """Of an inverse's factor and one sweep over the columns of every layer, in float64."""
    return _sum(
        Work(
            double=layer.groups * (layer.d**3 + 2.0 * layer.out * layer.d**2),
            together=layer.d * STEP_KERNELS["column"],
        )
        for layer in network.layers
    )


def elimination_memory(network: NetworkCost, device: str) -> float:
    """Bytes of a batch of rows' inverses and their copy."""
    limit = BATCH_BYTES if device == "cpu" else GPU_BATCH_BYTES
    return 2.0 * min(limit, max(8 * la.out * la.d**2 for la in network.layers))


def polished(network: NetworkCost) -> Work:
    """Of descents and refits of the scales in turn, from two starts."""
    return _sum(_times(2 * POLISHES, _descent(layer)) for layer in network.layers)


def minibatches(network: NetworkCost, iterations: int, batch: int) -> Work:
    """Forward and backward through the whole network, in blocks or at once."""
    arithmetic = 3.0 * batch * network.flops + ELEMENTWISE * network.weights
    return Work(
        single=iterations * arithmetic,
        kernels=iterations * len(network.layers) * STEP_KERNELS["learning"] / 2,
        modules=iterations * network.operations * STEP_KERNELS["module"],
    )


def _moments(layer: Layer, images: int) -> Work:
    """Second and cross moments over the positions drawn."""
    positions = min(POSITIONS, images * layer.positions)
    return Work(single=2.0 * layer.groups * positions * layer.d * (layer.d + layer.out), kernels=40)


def _learned(layer: Layer, iterations: int, images: int, device: str) -> Work:
    """One product and the chain rule an iteration; then descent from two starts.

    Through an activation: two products with a window of positions; then rounds of one product with
    all of them, and of trials.
    """
    if layer.activated:
        weights, steps = layer.groups * layer.out * layer.d, layerwise.STEPS * iterations
        learned = Work(
            single=steps * weights * (4.0 * layerwise.WINDOW + ELEMENTWISE),
            together=steps * STEP_KERNELS["learning"],
        )
        positions = min(POSITIONS, images * layer.positions)
        parts = layerwise.parts_at_once(layer.groups, layer.out, positions, device)
        trials = ROUNDS * min(layer.d, layerwise.TRIES)
        kernels = trials * len(parts) * STEP_KERNELS["tried"]
        tried = Work(
            single=positions * (2.0 * (ROUNDS + 2) * weights + trials * TRIED * weights / layer.d),
            kernels=kernels if device == "cpu" else 0,
            together=0 if device == "cpu" else kernels,
        )
        return learned + tried
    product = 2.0 * layer.groups * layer.out * layer.d**2
    elementwise = ELEMENTWISE * layer.groups * layer.out * layer.d
    learned = Work(
        single=iterations * (product + elementwise),
        together=iterations * STEP_KERNELS["learning"],
    )
    return learned + _times(2, _descent(layer))


def _descent(layer: Layer) -> Work:
    """Coordinate descent: each sweep updates all gradients once a column."""
    return Work(
        single=(SWEEPS + 1) * 2.0 * layer.groups * layer.out * layer.d**2,
        together=SWEEPS * layer.d * STEP_KERNELS["column"],
    )


def _elimination(layer: Layer, itemsize: int, device: str) -> Work:
    """Greedy elimination: about d^3 a row, in batches of rows that go through d steps each."""
    lines = layer.groups * layer.out
    batches = lines / batch_rows(lines, layer.d, itemsize, device)
    arithmetic = layer.groups * (layer.out + 1.0) * layer.d**3
    kernels = batches * layer.d * STEP_KERNELS["elimination"]
    return Work(
        single=arithmetic if itemsize == 4 else 0.0,
        double=arithmetic if itemsize == 8 else 0.0,
        kernels=kernels if batches > 1 else 0.0,
        together=0.0 if batches > 1 else kernels,  # there is room for other models' rows
    )


def _times(count: int, one: Work) -> Work:
    return Work(*(count * part for part in astuple(one)))


def _sum(parts: Iterable[Work]) -> Work:
    total = Work()
    for part in parts:
        total += part
    return total

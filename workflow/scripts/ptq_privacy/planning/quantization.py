"""What quantizing one model costs by each method: its own arithmetic, layer by layer.

Operations that run one after the other are counted as well as their arithmetic: coordinate descent
and greedy elimination take one small step a column, and there a device's latency decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from ptq_privacy.planning.network import Layer, NetworkCost
from ptq_privacy.planning.rates import Rates
from ptq_privacy.ptq import adaround
from ptq_privacy.ptq.grid import CANDIDATES
from ptq_privacy.ptq.obc import batch_rows
from ptq_privacy.ptq.settings import POSITIONS

ELEMENTWISE = (
    30  # float operations that a learned rounding's step, or a grid candidate, takes a weight
)
SWEEPS = 8  # of coordinate descent until no code changes, typically
POLISHES = 4  # of refit until codes and scales settle, typically
ROUNDS = 4  # of trying single weights until none is taken, typically
TRIED = 8  # float operations a position that such a trial takes
STEP_KERNELS = {"column": 6, "tried": 8, "elimination": 24, "learning": 30, "module": 4}
"""Small operations in a column of descent, a trial of a weight in each row, an elimination, a step
of learning, a module's step."""


@dataclass(frozen=True)
class Work:
    """Float operations in float32 and float64, and how many small ones follow each other.

    `modules` of these are steps of a network's modules, forward and back.
    """

    single: float = 0.0
    double: float = 0.0
    kernels: float = 0.0
    modules: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def seconds(self, rates: Rates) -> float:
        """The time that it takes at given rates."""
        arithmetic = self.single / rates.single + self.double / rates.double
        return arithmetic + self.kernels * rates.latency + self.modules * rates.module


def work(
    method: str,
    network: NetworkCost,
    images: int,
    methods: Mapping[str, Mapping[str, Any]],
    device: str,
) -> Work:
    """Of quantizing one model with a number of calibration images.

    Args:
        methods: the config's `quantization`, for the settings of each method by name.
        device: its type, cpu or cuda; elimination goes through more rows at once on a GPU.
    """
    total = Work(single=float(CANDIDATES * ELEMENTWISE * network.weights))
    if method == "nearest":
        return total
    streams = 1 if method == "obc" else 2
    total += Work(single=streams * images * network.flops)
    for layer in network.layers:
        total += _moments(layer, images)
    if method == "obc":
        total += _sum(_elimination(layer, 8, device) for layer in network.layers)
        return total + Work(single=images * network.flops)  # batch normalisation re-estimated
    own = methods[method]
    if method == "refit":
        for layer in network.layers:
            total += _elimination(layer, 4, device) + _times(2 * POLISHES, _descent(layer))
        return total + _minibatches(network, own["iterations"], own["batch"])
    if own["solver"] == "moments":
        layerwise = methods["adaround"]["iterations"]
        total += _sum(_adaround(layer, layerwise, images, device) for layer in network.layers)
    if method == "brecq" or own["solver"] == "reference":
        total += _minibatches(network, own["iterations"], own["batch"])
    return total


def _moments(layer: Layer, images: int) -> Work:
    """Second and cross moments over the positions drawn."""
    positions = min(POSITIONS, images * layer.positions)
    return Work(single=2.0 * layer.groups * positions * layer.d * (layer.d + layer.out), kernels=40)


def _adaround(layer: Layer, iterations: int, images: int, device: str) -> Work:
    """One product and the chain rule an iteration; then descent from two starts.

    Through an activation: two products with a window of positions; then rounds of one product with
    all of them, and of trials.
    """
    if layer.activated:
        weights, steps = layer.groups * layer.out * layer.d, adaround.STEPS * iterations
        learned = Work(
            single=steps * weights * (4.0 * adaround.WINDOW + ELEMENTWISE),
            kernels=steps * STEP_KERNELS["learning"],
        )
        positions = min(POSITIONS, images * layer.positions)
        rows = adaround.rows_at_once(layer.out, layer.groups * positions, device)
        trials = ROUNDS * min(layer.d, adaround.TRIES)
        tried = Work(
            single=positions * (2.0 * (ROUNDS + 2) * weights + trials * TRIED * weights / layer.d),
            kernels=trials * -(-layer.out // rows) * STEP_KERNELS["tried"],
        )
        return learned + tried
    product = 2.0 * layer.groups * layer.out * layer.d**2
    elementwise = ELEMENTWISE * layer.groups * layer.out * layer.d
    learned = Work(
        single=iterations * (product + elementwise),
        kernels=iterations * layer.groups * STEP_KERNELS["learning"],
    )
    return learned + _times(2, _descent(layer))


def _descent(layer: Layer) -> Work:
    """Coordinate descent: each sweep updates all gradients once a column."""
    return Work(
        single=(SWEEPS + 1) * 2.0 * layer.groups * layer.out * layer.d**2,
        kernels=SWEEPS * layer.groups * layer.d * STEP_KERNELS["column"],
    )


def _elimination(layer: Layer, itemsize: int, device: str) -> Work:
    """Greedy elimination: about d^3 a row, in batches of rows that go through d steps each."""
    rows = batch_rows(layer.out, layer.d, itemsize, device)
    batches = layer.groups * -(-layer.out // rows)
    arithmetic = layer.groups * (layer.out + 1.0) * layer.d**3
    return Work(
        single=arithmetic if itemsize == 4 else 0.0,
        double=arithmetic if itemsize == 8 else 0.0,
        kernels=batches * layer.d * STEP_KERNELS["elimination"],
    )


def _minibatches(network: NetworkCost, iterations: int, batch: int) -> Work:
    """Forward and backward through the whole network, in blocks or at once."""
    arithmetic = 3.0 * batch * network.flops + ELEMENTWISE * network.weights
    return Work(
        single=iterations * arithmetic,
        kernels=iterations * len(network.layers) * STEP_KERNELS["learning"] / 2,
        modules=iterations * network.operations * STEP_KERNELS["module"],
    )


def _times(count: int, one: Work) -> Work:
    return Work(*(count * part for part in astuple(one)))


def _sum(parts: Any) -> Work:
    total = Work()
    for part in parts:
        total += part
    return total

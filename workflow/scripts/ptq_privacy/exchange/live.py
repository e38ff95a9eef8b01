"""Any stored variant as a network that runs: it takes inputs as the prepared data set holds them.

A checkpoint says what makes its networks: the factory, what normalises the inputs, and what
compressing changed in the structure. Nothing of it is guessed, and nothing in the file is executed;
a network of your own is made by your own module, sought in the working directory.
"""

from __future__ import annotations

from pathlib import Path

from ptq_privacy.compression import packing, quantized_inputs
from ptq_privacy.files import checkpoints
from ptq_privacy.graph.attention import taken_apart
from ptq_privacy.networks.blueprint import Blueprint
from ptq_privacy.networks.normalised import Normalised


def blueprint_of(path: str | Path) -> Blueprint:
    """How the networks of a shard are made.

    Raises:
        ValueError: the file is damaged or does not say so; names it.
    """
    made = checkpoints.read_metadata(path).get("live", {})
    try:
        return Blueprint.read(made)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def live(path: str | Path, model: int) -> Normalised:
    """A stored model as a network in eval mode, on the CPU, its normalisation inside.

    Args:
        path: a checkpoint shard, of full precision or any variant.
        model: its number in the pool.

    Returns:
        A network from inputs, such as images uint8 [N, C, H, W], to logits float32 [N, classes].
        Quantized weights are bit for bit what their codes stand for, and where activations are
        quantized, what goes into each layer is put on its grid; attention is then taken apart.

    Raises:
        ValueError: the file is damaged, does not hold the model or does not say what makes it, or
            its factory cannot be had; names the file.
    """
    tensors, made = checkpoints.read(path, model)
    try:
        network = Blueprint.read(made).build(packing.decode(tensors))
        if grids := packing.decode_inputs(tensors):
            network.network = taken_apart(network.network, None)
            quantized_inputs.apply(network.network, grids)
        return network
    except ValueError as error:
        reason = " ".join(str(error).split())  # your own module's may be of many lines
        raise ValueError(f"{path}: model {model}: {reason}") from error

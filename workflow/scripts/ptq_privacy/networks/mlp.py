"""Multilayer perceptrons for rows of features: linear layers with an activation in between."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


def build(
    classes: int, features: int, widths: Sequence[int], batch_norm: bool, activation: str
) -> nn.Module:
    """A network with fresh random weights for rows [N, features].

    Args:
        classes: logits of each row.
        features: of a row.
        widths: of the hidden layers.
        batch_norm: normalise what each hidden layer puts out, before its activation.
        activation: a key of `ACTIVATIONS`.
    """
    layers: list[nn.Module] = []
    for before, width in pairwise((features, *widths)):
        layers.append(nn.Linear(before, width, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(ACTIVATIONS[activation]())
    network = nn.Sequential(*layers, nn.Linear((features, *widths)[-1], classes))
    for module in network:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network

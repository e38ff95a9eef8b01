"""Your own training, by import path: any function from a fresh network to the same one trained.

It is called as `function(network, inputs, labels, seed)` and with your settings, for each model of
the pool alike, so that shadow models are trained as their target is. `inputs` are the model's
members as the network takes them, normalised, float32 [n, ...], and `labels` int64 [n], both on its
device; torch's generator has been seeded by `seed`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ptq_privacy.networks import structure
from ptq_privacy.study import references

KEY = "training.procedure"
ASKED = 4
"""Members of which the trained network and what is stored of it must say the same."""


def train(
    reference: str,
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    seed: int,
    settings: Mapping[str, Any],
) -> nn.Module:
    """Give a fresh network the weights that your function gives a copy of it; in eval mode.

    Args:
        reference: `module:function`.

    Raises:
        ValueError: the function cannot be had, raises, or returns what cannot stand for the
            network; names it.
    """
    function = references.find(reference, KEY)
    place = f"{KEY}: {reference}"
    torch.manual_seed(seed)
    try:
        trained = function(copy.deepcopy(network), inputs, labels, seed, **settings)
    except Exception as error:  # whatever the user's code does
        reason = " ".join(str(error).split())
        raise ValueError(f"{place} failed: {type(error).__name__}: {reason}") from error
    if not isinstance(trained, nn.Module):
        raise ValueError(f"{place} returns a {type(trained).__name__}; allowed: the network")
    try:
        changes = structure.difference(network, trained)
    except ValueError as error:
        raise ValueError(f"{place} returns another architecture: {error}") from None
    if changes.folded or changes.biased:
        changed = [*changes.folded, *changes.biased][0]
        raise ValueError(f"{place} returns another architecture: the module {changed!r} changed")
    state = trained.state_dict()
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"{place}: {name!r} has values that are not finite")
    structure.load(network, state)
    _compare(network.eval(), trained.eval(), inputs[:ASKED], place)
    return network


@torch.no_grad()
def _compare(network: nn.Module, trained: nn.Module, inputs: Tensor, place: str) -> None:
    """A module of the same type and shapes may still compute something else."""
    expected, found = network(inputs), trained.to(inputs.device)(inputs)
    if not torch.allclose(expected, found, rtol=1e-3, atol=1e-3):
        raise ValueError(
            f"{place} returns another architecture: with the weights of the network that it "
            "returns, the factory's answers otherwise"
        )

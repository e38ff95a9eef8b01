"""What a compression says of its own work, and how many models it therefore takes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ptq_privacy.compression import work
from ptq_privacy.compression.work import Cost, NetworkCost
from ptq_privacy.networks.factories import Factory
from ptq_privacy.planning import network_cost
from ptq_privacy.study import fragments, references
from ptq_privacy.study.fragments import Fragment


def told(
    fragment: Fragment,
    network: NetworkCost,
    images: int,
    device: str,
    settings: Mapping[str, Any],
) -> Cost | None:
    """What a method says of its own work; None if it says nothing.

    Raises:
        ValueError: its function fails, or gives something else; names the fragment.
    """
    if "work" not in fragment.more:
        return None
    of_method = references.find(fragment.more["work"], fragment.name)
    try:
        cost = of_method(network, images, device, **settings)
    except Exception as error:  # whatever a new method's function does
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ValueError(f"{fragment.path}: work: {fragment.more['work']}: {reason}") from error
    if not isinstance(cost, Cost):
        raise ValueError(
            f"{fragment.path}: work: {fragment.more['work']} gives a {type(cost).__name__}, not "
            "a compression.work.Cost"
        )
    return cost


def side_by_side(
    fragment: Fragment, network: NetworkCost, cost: Cost | None, models: int, device: str
) -> int:
    """How many of a shard's models a method compresses at once, by device type."""
    if cost is None or not fragment.more.get("together", False):
        return 1
    return work.models_at_once(network, cost, models, device)


def models_at_once(
    method: str,
    factory: Factory,
    images: int,
    device: str,
    settings: Mapping[str, Any],
    models: int,
) -> int:
    """The same, of a network's factory, for the job that does it."""
    fragment = fragments.get("compressions", method)
    if not fragment.more.get("together", False):
        return 1
    network = network_cost.measure(factory, operations=False)
    cost = told(fragment, network, images, device, settings)
    return side_by_side(fragment, network, cost, models, device)

"""Networks of a study that are alike but for their size: families, whose leak is told by scale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ptq_privacy.study.experiment import Named

SIZES = 3
"""Networks that make a family: two differ, but show no trend."""


def families(networks: Iterable[Named]) -> dict[str, tuple[str, ...]]:
    """The families of a study, by the name of each one's first network, in the config's order.

    Networks are of one family where a config gives them the same architecture, or factory, the
    study's own training and settings that differ in numbers alone, such as widths.
    """
    alike: dict[str, list[Named]] = {}
    for network in networks:
        if not network.training:
            own = {key: value for key, value in network.settings.items() if not _number(value)}
            key = repr((network.function, network.fragment, sorted(own.items())))
            alike.setdefault(key, []).append(network)
    sizes = {
        key: len({repr(sorted(n.settings.items())) for n in own}) for key, own in alike.items()
    }
    return {
        own[0].name: tuple(network.name for network in own)
        for key, own in alike.items()
        if sizes[key] >= SIZES
    }


def _number(value: Any) -> bool:
    """Whether a setting is a number, or a list of numbers."""
    parts = value if isinstance(value, list) else [value]
    return all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in parts)

"""The compressed variants that a config asks for: every method at every width.

Two widths of as many levels would be one precision under two names, and are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ptq_privacy.study.variants import Variant, levels


def recipes(
    compression: Mapping[str, Any], methods: list[str], own: Collection[str] = ()
) -> list[Variant]:
    """Every method at every bit width, and there with a head or activations at widths of their own.

    Args:
        methods: by name, in the study's order.
        own: those among them that are no fragments, which quantize weights alone.
    """
    heads, activations = compression["decoupled"], compression["activations"]
    _refuse_equal_grids(compression["bits"])
    for key, entries in (("decoupled", heads), ("activations", activations)):
        if entries and not methods:
            raise ValueError(f"compression.{key}: needs a method in compression.methods")
        _refuse_other_bits(key, entries, compression["bits"])
    _refuse_equal_heads(heads)
    for method in own:
        if activations:
            raise ValueError(
                f"compression.activations: {method!r} is a method of your own, and activation bits "
                "need a built-in one; leave one of the two out"
            )
    _refuse_equal_activations(activations)
    return [
        Variant(method, float(bits), *more)
        for method in methods
        for bits in compression["bits"]
        for more in [
            (None, None),
            *((float(h["head_bits"]), None) for h in heads if h["bits"] == bits),
            *(
                (_or_none(a.get("head_bits")), float(a["activation_bits"]))
                for a in activations
                if a["bits"] == bits
            ),
        ]
    ]


def _or_none(width: float | None) -> float | None:
    return None if width is None else float(width)


def _refuse_other_bits(key: str, entries: list[Mapping[str, float]], bits: list[float]) -> None:
    for index, entry in enumerate(entries):
        if entry["bits"] not in bits:
            raise ValueError(
                f"compression.{key}.{index}.bits: {entry['bits']:g} is not in "
                f"compression.bits ({', '.join(f'{b:g}' for b in bits)})"
            )


def _refuse_equal_grids(bits: list[float]) -> None:
    """Two bit widths of as many levels are one precision under two names."""
    known: dict[int, float] = {}
    for index, width in enumerate(bits):
        count = levels(width)
        if count in known:
            raise ValueError(
                f"compression.bits.{index}: {width:g} bits are the same {count} levels, "
                f"round(2^bits), as {known[count]:g} bits; leave one of them out"
            )
        known[count] = width


def _refuse_equal_heads(heads: list[Mapping[str, float]]) -> None:
    known: dict[tuple[float, int], float] = {}
    for index, head in enumerate(heads):
        place, width = f"compression.decoupled.{index}.head_bits", head["head_bits"]
        _refuse_no_head(place, head)
        first = known.setdefault((head["bits"], levels(width)), width)
        if first != width:
            raise ValueError(
                f"{place}: {width:g} bits are the same {levels(width)} levels, round(2^bits), as "
                f"{first:g} bits; leave one of them out"
            )


def _refuse_no_head(place: str, entry: Mapping[str, float]) -> None:
    """A head of as many levels as the other layers is none of its own."""
    width = entry["head_bits"]
    if levels(width) == levels(entry["bits"]):
        raise ValueError(
            f"{place}: {width:g} bits are the same {levels(width)} levels, round(2^bits), as the "
            f"other layers' {entry['bits']:g} bits, so nothing is decoupled"
        )


def _refuse_equal_activations(entries: list[Mapping[str, float]]) -> None:
    """Two entries of as many levels everywhere are one recipe under two names."""
    known: dict[tuple[float, int, int | None], int] = {}
    for index, entry in enumerate(entries):
        place = f"compression.activations.{index}"
        head = None
        if "head_bits" in entry:
            _refuse_no_head(f"{place}.head_bits", entry)
            head = levels(entry["head_bits"])
        first = known.setdefault((entry["bits"], levels(entry["activation_bits"]), head), index)
        if first != index:
            raise ValueError(
                f"{place}: its grids have as many levels, round(2^bits), as those of "
                f"compression.activations.{first}; leave one of them out"
            )

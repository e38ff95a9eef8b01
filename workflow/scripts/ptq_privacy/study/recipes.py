"""The compressed variants that a config asks for: every method at every width.

Two widths of as many levels would be one precision under two names, and are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ptq_privacy.study.variants import Variant, levels


def recipes(compression: Mapping[str, Any], methods: list[str]) -> list[Variant]:
    """Every method at every bit width, and decoupled at the widths that name a head's."""
    heads = compression["decoupled"]
    _refuse_equal_grids(compression["bits"])
    if heads and not methods:
        raise ValueError("compression.decoupled: needs a method in compression.methods")
    for index, head in enumerate(heads):
        if head["bits"] not in compression["bits"]:
            raise ValueError(
                f"compression.decoupled.{index}.bits: {head['bits']:g} is not in "
                f"compression.bits ({', '.join(f'{b:g}' for b in compression['bits'])})"
            )
    _refuse_equal_heads(heads)
    return [
        Variant(method, float(bits), head_bits)
        for method in methods
        for bits in compression["bits"]
        for head_bits in [None, *(float(h["head_bits"]) for h in heads if h["bits"] == bits)]
    ]


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
        count = levels(width)
        if count == levels(head["bits"]):
            raise ValueError(
                f"{place}: {width:g} bits are the same {count} levels, round(2^bits), as the other "
                f"layers' {head['bits']:g} bits, so nothing is decoupled"
            )
        first = known.setdefault((head["bits"], count), width)
        if first != width:
            raise ValueError(
                f"{place}: {width:g} bits are the same {count} levels, round(2^bits), as "
                f"{first:g} bits; leave one of them out"
            )

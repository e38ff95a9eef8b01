"""Variants: the forms in which a trained network is deployed, as paths and tables name them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from ptq_privacy.study import fragments

BITS_RANGE = (1.0, 8.0)


def levels(bits: float) -> int:
    """Number of grid levels of a bit width: round(2^bits), so 4 -> 16, 2 -> 4, 1.58 -> 3."""
    return round(2**bits)


@dataclass(frozen=True)
class Variant:
    """How a network's weights are stored: full precision (all None) or a compression's recipe.

    `head_bits` decouples the classifier: it alone is quantized to that width.
    """

    method: str | None = None
    bits: float | None = None
    head_bits: float | None = None

    def __post_init__(self) -> None:
        if self.method is None:
            if self.bits is not None or self.head_bits is not None:
                raise ValueError("variant: bits and head bits need a compression method")
            return
        if self.bits is None:
            raise ValueError(f"variant: method {self.method!r} needs a bit width")
        for part, bits in (("bits", self.bits), ("head bits", self.head_bits)):
            if bits is not None and not BITS_RANGE[0] <= bits <= BITS_RANGE[1]:
                raise ValueError(
                    f"variant: {part} {bits:g} out of range; "
                    f"allowed: {BITS_RANGE[0]:g} to {BITS_RANGE[1]:g}"
                )

    @classmethod
    def parse(cls, text: str, own: Collection[str] = ()) -> Variant:
        """Read `full`, `{method}-w{bits}` or `{method}-w{bits}-head{bits}`.

        Args:
            text: a variant's name.
            own: a config's own methods, beside the compressions that have a fragment.

        Raises:
            ValueError: names the part that is wrong and what is allowed.
        """
        variant = cls.recorded(text)
        known = [*fragments.names("compressions"), *own]
        if variant.method is not None and variant.method not in known:
            raise ValueError(
                f"variant {text!r}: unknown method {variant.method!r}; allowed: {', '.join(known)}"
            )
        return variant

    @classmethod
    def recorded(cls, text: str) -> Variant:
        """As `parse`, by whatever method: of an artifact, whose study knew it.

        Raises:
            ValueError: names the part that is wrong and what is allowed.
        """
        if text == "full":
            return cls()
        method, *parts = text.split("-")
        if not 1 <= len(parts) <= 2:
            raise ValueError(
                f"variant {text!r}: expected 'full', 'METHOD-wBITS' or 'METHOD-wBITS-headBITS'"
            )
        widths = [
            _width(text, prefix, part) for prefix, part in zip(("w", "head"), parts, strict=False)
        ]
        variant = cls(method, *widths)
        if str(variant) != text:
            raise ValueError(f"variant {text!r}: write it as {str(variant)!r}")
        return variant

    def __str__(self) -> str:
        if self.method is None:
            return "full"
        head = "" if self.head_bits is None else f"-head{self.head_bits:g}"
        return f"{self.method}-w{self.bits:g}{head}"

    @property
    def compressed(self) -> bool:
        return self.method is not None


def _width(text: str, prefix: str, part: str) -> float:
    match = re.fullmatch(prefix + r"(\d+(?:\.\d+)?)", part)
    if match is None:
        raise ValueError(
            f"variant {text!r}: part {part!r} should be {prefix!r} and a bit width, "
            f"such as '{prefix}4'"
        )
    return float(match[1])

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
    """How a network is stored and run: full precision (all None) or a compression's recipe.

    `head_bits` decouples the classifier: its weights alone are quantized to that width.
    `activation_bits` is the width of what goes into the layers; None leaves it in float32.
    """

    method: str | None = None
    bits: float | None = None
    head_bits: float | None = None
    activation_bits: float | None = None

    def __post_init__(self) -> None:
        widths = {
            "bits": self.bits,
            "head bits": self.head_bits,
            "activation bits": self.activation_bits,
        }
        if self.method is None:
            if any(width is not None for width in widths.values()):
                raise ValueError("variant: bits and head bits need a compression method")
            return
        if self.bits is None:
            raise ValueError(f"variant: method {self.method!r} needs a bit width")
        for part, width in widths.items():
            if width is not None and not BITS_RANGE[0] <= width <= BITS_RANGE[1]:
                raise ValueError(
                    f"variant: {part} {width:g} out of range; "
                    f"allowed: {BITS_RANGE[0]:g} to {BITS_RANGE[1]:g}"
                )

    @classmethod
    def parse(cls, text: str, own: Collection[str] = ()) -> Variant:
        """Read `full`, or `{method}-w{bits}` with `a{activation bits}` and `-head{bits}` or not.

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
                f"variant {text!r}: expected 'full', 'METHOD-wBITS' or 'METHOD-wBITS-headBITS', "
                "and 'METHOD-wBITSaBITS' where activations are quantized too"
            )
        weights, *activations = re.split(r"(?<=\d)a", parts[0], maxsplit=1)
        found = {"bits": _width(text, "w", weights)}
        for width in activations:
            found["activation_bits"] = _width(text, "a", f"a{width}")
        for part in parts[1:]:
            found["head_bits"] = _width(text, "head", part)
        variant = cls(method, **found)
        if str(variant) != text:
            raise ValueError(f"variant {text!r}: write it as {str(variant)!r}")
        return variant

    def __str__(self) -> str:
        if self.method is None:
            return "full"
        activations = "" if self.activation_bits is None else f"a{self.activation_bits:g}"
        head = "" if self.head_bits is None else f"-head{self.head_bits:g}"
        return f"{self.method}-w{self.bits:g}{activations}{head}"

    @property
    def compressed(self) -> bool:
        return self.method is not None

    @property
    def plain(self) -> bool:
        """Whether all layers' weights are at the same bits, and nothing else is quantized."""
        return self.head_bits is None and self.activation_bits is None

    @property
    def widths(self) -> str:
        """What a method is asked for, in words: `1.58 bits, activations 4, head 8`."""
        if self.bits is None:
            return "full precision"
        parts = {"activations": self.activation_bits, "head": self.head_bits}
        told = [f", {part} {bits:g}" for part, bits in parts.items() if bits is not None]
        return f"{self.bits:g} bits{''.join(told)}"


def _width(text: str, prefix: str, part: str) -> float:
    match = re.fullmatch(prefix + r"(\d+(?:\.\d+)?)", part)
    if match is None:
        raise ValueError(
            f"variant {text!r}: part {part!r} should be {prefix!r} and a bit width, "
            f"such as '{prefix}4'"
        )
    return float(match[1])

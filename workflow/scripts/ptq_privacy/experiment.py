"""The study as plain data: precisions, the pool of models, and what the rules expand over.

Nothing here imports torch, so the workflow's rules can read it while they build their graph.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

METHODS = ("nearest", "adaround", "brecq", "obc", "refit")
ADVERSARIES = ("transfer", "adaptive")
BITS_RANGE = (1.0, 8.0)


def levels(bits: float) -> int:
    """Number of grid levels of a bit width: round(2^bits), so 4 -> 16, 2 -> 4, 1.58 -> 3."""
    return round(2**bits)


@dataclass(frozen=True)
class Precision:
    """How a network's weights are stored: full precision (all None) or a quantization recipe.

    `head_bits` decouples the classifier: it alone is quantized to that width.
    """

    method: str | None = None
    bits: float | None = None
    head_bits: float | None = None

    def __post_init__(self) -> None:
        if self.method is None:
            if self.bits is not None or self.head_bits is not None:
                raise ValueError("precision: bits and head bits need a quantization method")
            return
        if self.method not in METHODS:
            raise ValueError(f"precision: {_unknown(self.method)}")
        if self.bits is None:
            raise ValueError(f"precision: method {self.method!r} needs a bit width")
        for part, bits in (("bits", self.bits), ("head bits", self.head_bits)):
            if bits is not None and not BITS_RANGE[0] <= bits <= BITS_RANGE[1]:
                raise ValueError(
                    f"precision: {part} {bits:g} out of range; "
                    f"allowed: {BITS_RANGE[0]:g} to {BITS_RANGE[1]:g}"
                )

    @classmethod
    def parse(cls, text: str) -> Precision:
        """Read `full`, `{method}-w{bits}` or `{method}-w{bits}-head{bits}`.

        Raises:
            ValueError: names the part that is wrong and what is allowed.
        """
        if text == "full":
            return cls()
        method, *parts = text.split("-")
        if method not in METHODS:
            raise ValueError(f"precision {text!r}: {_unknown(method)}")
        if not 1 <= len(parts) <= 2:
            raise ValueError(
                f"precision {text!r}: expected 'full', 'METHOD-wBITS' or 'METHOD-wBITS-headBITS'"
            )
        widths = [
            _width(text, prefix, part) for prefix, part in zip(("w", "head"), parts, strict=False)
        ]
        precision = cls(method, *widths)
        if str(precision) != text:
            raise ValueError(f"precision {text!r}: write it as {str(precision)!r}")
        return precision

    def __str__(self) -> str:
        if self.method is None:
            return "full"
        head = "" if self.head_bits is None else f"-head{self.head_bits:g}"
        return f"{self.method}-w{self.bits:g}{head}"

    @property
    def quantized(self) -> bool:
        return self.method is not None


def _unknown(method: str) -> str:
    return f"unknown method {method!r}; allowed: {', '.join(METHODS)}"


def _width(text: str, prefix: str, part: str) -> float:
    match = re.fullmatch(prefix + r"(\d+(?:\.\d+)?)", part)
    if match is None:
        raise ValueError(
            f"precision {text!r}: part {part!r} should be {prefix!r} and a bit width, "
            f"such as '{prefix}4'"
        )
    return float(match[1])


@dataclass(frozen=True)
class Pool:
    """The models of one (data set, architecture), numbered from 0, in pairs and in shards.

    Models 2k and 2k+1 are trained on complementary halves of the audit pool. A target is attacked
    with all models but its own pair, so the pool holds two models more than `shadow_models`, and
    any of its models can be a target. A shard is `models_per_job` consecutive models: the unit of
    one job and one file.
    """

    shadow_models: int
    targets: int
    models_per_job: int

    def __post_init__(self) -> None:
        if self.shadow_models < 2 or self.shadow_models % 2:
            raise ValueError(
                f"pool.shadow_models: {self.shadow_models} is not an even number of at least 2 "
                "(models come in pairs)"
            )
        if not 1 <= self.targets <= self.models:
            raise ValueError(
                f"pool.targets: {self.targets} is not between 1 and {self.models} "
                "(pool.shadow_models + 2)"
            )
        if self.models_per_job < 1 or self.models % self.models_per_job:
            divisors = [d for d in range(1, self.models + 1) if self.models % d == 0]
            raise ValueError(
                f"pool.models_per_job: {self.models_per_job} does not divide the pool's "
                f"{self.models} models (pool.shadow_models + 2); allowed: "
                f"{', '.join(map(str, divisors))}. Whole shards keep finished ones valid when "
                "shadow models are added"
            )

    @property
    def models(self) -> int:
        return self.shadow_models + 2

    @property
    def shards(self) -> list[str]:
        """Every shard's name, in the order of its models."""
        return self._shards_of(self.models)

    @property
    def target_shards(self) -> list[str]:
        """The shards that hold the targets, models 0..targets-1."""
        return self._shards_of(self.targets)

    def models_in(self, shard: str) -> list[int]:
        """Model numbers of a shard, ascending."""
        first = int(shard) * self.models_per_job
        return list(range(first, first + self.models_per_job))

    def _shards_of(self, models: int) -> list[str]:
        return [f"{shard:03d}" for shard in range(-(-models // self.models_per_job))]


@dataclass(frozen=True)
class Study:
    """One config, checked: what there is to train, quantize, attack and compare.

    `factories` tells by architecture what makes its networks: a built-in one's own name, or your
    own's `package.module:factory`.
    """

    pool: Pool
    datasets: tuple[str, ...]
    factories: Mapping[str, str]
    precisions: tuple[Precision, ...]
    adversaries: tuple[str, ...]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Study:
        """Read a config that the schema has already passed.

        Raises:
            ValueError: names the key whose value cannot work together with the others.
        """
        return cls(
            pool=Pool(**config["pool"]),
            datasets=tuple(config["datasets"]),
            factories=_factories(config["architectures"]),
            precisions=(Precision(), *_recipes(config["quantization"])),
            adversaries=tuple(config["attacks"]["adversaries"]),
        )

    @property
    def architectures(self) -> tuple[str, ...]:
        return tuple(self.factories)

    def adversaries_of(self, precision: Precision) -> tuple[str, ...]:
        """The adversaries told apart at a precision: at full precision the two are one."""
        return self.adversaries if precision.quantized else self.adversaries[:1]

    def shards_to_query(self, precision: Precision) -> list[str]:
        """The shards whose logits the attacks on a precision need.

        Shadow models are needed at full precision by every adversary, and at the target's own
        precision by the adaptive one only.
        """
        if not precision.quantized or "adaptive" in self.adversaries:
            return self.pool.shards
        return self.pool.target_shards


def _factories(entries: Sequence[str | Mapping[str, str]]) -> dict[str, str]:
    """Each entry is the name of a built-in architecture, or the name and factory of your own."""
    factories: dict[str, str] = {}
    for index, entry in enumerate(entries):
        name, factory = (
            (entry, entry) if isinstance(entry, str) else (entry["name"], entry["factory"])
        )
        if name in factories:
            raise ValueError(f"architectures.{index}: the name {name!r} is taken twice")
        factories[name] = factory
    return factories


def _recipes(quantization: Mapping[str, Any]) -> list[Precision]:
    """Every method at every bit width, and decoupled at the widths that name a head's."""
    heads = quantization["decoupled"]
    if heads and not quantization["methods"]:
        raise ValueError("quantization.decoupled: needs a method in quantization.methods")
    for index, head in enumerate(heads):
        if head["bits"] not in quantization["bits"]:
            raise ValueError(
                f"quantization.decoupled.{index}.bits: {head['bits']:g} is not in "
                f"quantization.bits ({', '.join(f'{b:g}' for b in quantization['bits'])})"
            )
    return [
        Precision(method, float(bits), head_bits)
        for method in quantization["methods"]
        for bits in quantization["bits"]
        for head_bits in [None, *(float(h["head_bits"]) for h in heads if h["bits"] == bits)]
    ]

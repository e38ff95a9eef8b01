"""Who attacks: what an adversary has of the target and of the shadow models."""

from __future__ import annotations

ADVERSARIES = {
    "transfer": "keeps the shadow models at full precision",
    "adaptive": "compresses the shadow models by the target's own recipe",
}


def shadow_variant(adversary: str, variant: str) -> str:
    """The variant at which an adversary of a target's variant keeps the shadow models."""
    return "full" if adversary == "transfer" else variant

"""Who attacks: what an adversary has of the target and of the shadow models.

An attack runs under the adversaries that its fragment names, `DEFAULT` if it names none, and looks
at its evidence: of the targets' variants and of the pool's, the first of either is the one that an
attack on one variant looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FULL, OWN = "full", "own"


@dataclass(frozen=True)
class Adversary:
    """What he has, at full precision or at the targets' own variant; the first counts for most.

    about: what he does, in a clause.
    targets, pool: of the targets and of the shadow models.
    draws: whether he compresses a shadow model several times, where the config says so.
    """

    about: str
    targets: tuple[str, ...]
    pool: tuple[str, ...]
    draws: bool = False

    @property
    def beside_full(self) -> bool:
        """Whether he has the target at full precision as well as at a variant."""
        return FULL in self.targets

    def of_targets(self, variant: str) -> tuple[str, ...]:
        """The variants at which he has the targets whose own is `variant`."""
        return _named(self.targets, variant)

    def of_pool(self, variant: str) -> tuple[str, ...]:
        """The variants at which he has the shadow models."""
        return _named(self.pool, variant)


ADVERSARIES = {
    "transfer": Adversary("keeps the shadow models at full precision", (OWN,), (FULL,)),
    "adaptive": Adversary("compresses the shadow models by the target's recipe", (OWN,), (OWN,)),
    "informed": Adversary(
        "has the shadow models at full precision and compressed", (OWN,), (OWN, FULL), True
    ),
    "both": Adversary(
        "has the target, too, at full precision and compressed", (OWN, FULL), (OWN, FULL), True
    ),
}

DEFAULT = ("transfer", "adaptive")
"""The adversaries of an attack that looks at one variant of the targets and one of the pool."""


def _named(places: Sequence[str], variant: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(variant if place == OWN else place for place in places))

"""What an attack may look at: what targets and pool answered, and who was trained on what.

Answers are held by variant, since an adversary may have several of the target and of the shadow
models, and the pool's by draw, since he may compress a shadow model more than once. Whether models
2k and 2k+1 are complementary pairs is seen from the membership; any membership is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ptq_privacy.answers.recorded import Answers

LEAST_MODELS = 4


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything that the attacks on some targets have to go by.

    targets: model numbers in the pool, one for each target.
    member: bool [P, samples], who of the pool was trained on what.
    target_phi: by variant, float64 [T, samples, queries], what the targets answered.
    pool_phi: by variant, float64 [P, draws, samples, queries], what the pool's models did; draw 0
        is the variant itself.
    target_correct, pool_correct: bool likewise, or empty where no attack asks for it.
    seed: of what is left out where a sample has more values on one side; pairs leave none out.
    rehearsal: whether the targets are stand-ins, whose membership the attacker knows.

    The targets' own variant is the first of `target_phi`, the one that the adversary keeps the
    shadow models at the first of `pool_phi`.

    Raises:
        ValueError: names the field whose shape, type or values are wrong.
    """

    targets: tuple[int, ...]
    member: np.ndarray
    target_phi: Mapping[str, np.ndarray]
    pool_phi: Mapping[str, np.ndarray]
    target_correct: Mapping[str, np.ndarray] = field(default_factory=dict)
    pool_correct: Mapping[str, np.ndarray] = field(default_factory=dict)
    seed: int = 0
    rehearsal: bool = False

    @classmethod
    def of(
        cls, target_phi: ArrayLike, shadow_phi: ArrayLike, member: ArrayLike, targets: Sequence[int]
    ) -> Evidence:
        """One variant of the targets [T, samples, queries] and one of the pool's models [P, ...].

        Raises:
            ValueError: as the class.
        """
        attacked, pool = np.asarray(target_phi, np.float64), np.asarray(shadow_phi, np.float64)
        return cls(
            targets=tuple(int(target) for target in targets),
            member=np.asarray(member),
            target_phi={"target": attacked},
            pool_phi={"shadow": pool[:, None]},
        )

    @classmethod
    def gathered(
        cls,
        targets: Mapping[str, Answers],
        pool: Mapping[str, Sequence[Answers]],
        seed: int,
    ) -> Evidence:
        """What was recorded of targets by variant, and of the pool by variant and draw."""
        attacked, first = next(iter(targets.values())), next(iter(pool.values()))[0]
        return cls(
            targets=attacked.models,
            member=first.member,
            target_phi={name: answers.phi for name, answers in targets.items()},
            pool_phi={name: np.stack([d.phi for d in draws], 1) for name, draws in pool.items()},
            target_correct={name: answers.correct for name, answers in targets.items()},
            pool_correct={
                name: np.stack([d.correct for d in draws], 1) for name, draws in pool.items()
            },
            seed=seed,
        )

    @classmethod
    def among(cls, pool: Answers, targets: Sequence[int], seed: int = 0) -> Evidence:
        """Models of a pool attacked by the others, all at one variant."""
        chosen = list(targets)
        return cls(
            targets=tuple(chosen),
            member=pool.member,
            target_phi={"own": pool.phi[chosen]},
            pool_phi={"own": pool.phi[:, None]},
            target_correct={"own": pool.correct[chosen]},
            pool_correct={"own": pool.correct[:, None]},
            seed=seed,
        )

    def __post_init__(self) -> None:
        if not self.target_phi or not self.pool_phi:
            raise ValueError("evidence: needs a variant of the targets and one of the pool")
        pool = next(iter(self.pool_phi.values()))
        if pool.ndim != 4 or len(pool) < LEAST_MODELS or 0 in pool.shape:
            raise ValueError(
                f"pool_phi has shape {pool.shape}; expected [models, draws, samples, queries], "
                f"at least {LEAST_MODELS} models"
            )
        models, _, samples, queries = pool.shape
        if self.member.dtype != np.bool_ or self.member.shape != (models, samples):
            raise ValueError(
                f"member is {self.member.dtype} {self.member.shape}; expected bool "
                f"{(models, samples)}, the pool's models and samples"
            )
        if len(set(self.targets)) < len(self.targets):
            raise ValueError(f"targets: {list(self.targets)} name one twice")
        for target in self.targets:
            if not 0 <= target < models:
                raise ValueError(f"targets: {target} is not a model of the pool, 0 to {models - 1}")
        for name, kind in (
            ("target_phi", np.float64),
            ("pool_phi", np.float64),
            ("target_correct", np.bool_),
            ("pool_correct", np.bool_),
        ):
            for variant, values in getattr(self, name).items():
                first = (models, values.shape[1]) if "pool" in name else (len(self.targets),)
                expected = (*first, samples, queries)
                if values.shape != expected or values.dtype != kind:
                    raise ValueError(
                        f"{name} of {variant}: is {values.dtype} {values.shape}; expected "
                        f"{np.dtype(kind)} {expected}"
                    )
                if kind is np.float64 and not np.isfinite(values).all():
                    raise ValueError(f"{name} of {variant}: not all values are finite")

    @property
    def attacked(self) -> np.ndarray:
        """phi of the targets at their own variant, float64 [T, samples, queries]."""
        return next(iter(self.target_phi.values()))

    @property
    def shadow(self) -> np.ndarray:
        """phi of the pool as the adversary keeps it, float64 [P, samples, queries]."""
        return next(iter(self.pool_phi.values()))[:, 0]

    @property
    def like_pool(self) -> bool:
        """Whether the pool is at the targets' own variant too, or consists of their like anyway."""
        return self.rehearsal or next(iter(self.target_phi)) in self.pool_phi

    @cached_property
    def paired(self) -> bool:
        """Whether models 2k and 2k+1 are trained on complementary halves, throughout."""
        even = len(self.member) % 2 == 0
        return even and bool((self.member[0::2] != self.member[1::2]).all())

    def only(self, targets: Sequence[str], pool: Sequence[str]) -> Evidence:
        """What is left for one who has targets and pool at these variants alone."""

        def chosen(held: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
            return {name: held[name] for name in names if name in held}

        return replace(
            self,
            target_phi=chosen(self.target_phi, targets),
            pool_phi=chosen(self.pool_phi, pool),
            target_correct=chosen(self.target_correct, targets),
            pool_correct=chosen(self.pool_correct, pool),
        )

    def others(self, target: int) -> np.ndarray:
        """A target's shadow models: the pool without its pair, or without itself; their numbers."""
        models = np.arange(len(self.member))
        return models[models // 2 != target // 2] if self.paired else models[models != target]

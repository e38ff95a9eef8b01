"""The pool of a network's models: how many there are, in pairs and in shards."""

from __future__ import annotations

from dataclasses import dataclass

SHARD = r"\d{3}|[1-9]\d{3}\d*"
"""A shard's name, as an expression: three digits, and more where there are over a thousand shards,
whose names do not sort as their models do."""


@dataclass(frozen=True)
class Pool:
    """The models of one network on one data set, numbered from 0, in pairs and in shards.

    Models 2k and 2k+1 are trained on complementary halves of the audit pool. A target is attacked
    with all models but its own pair, so the pool holds two models more than `shadow_models`, and
    any of its models can be a target. A shard is `models_per_job` consecutive models, the last one
    what remains: the unit of one job and one file. When the pool grows, full shards stay as they
    are.
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
        if self.models_per_job < 1:
            raise ValueError(f"pool.models_per_job: {self.models_per_job} is not at least 1")

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
        return list(range(first, min(first + self.models_per_job, self.models)))

    def _shards_of(self, models: int) -> list[str]:
        return [f"{shard:03d}" for shard in range(-(-models // self.models_per_job))]

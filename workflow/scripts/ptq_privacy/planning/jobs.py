"""How many jobs each rule will have: what the rules expand to, without building a graph."""

from __future__ import annotations

from ptq_privacy.study.experiment import Study
from ptq_privacy.study.variants import Variant


def counts(study: Study) -> dict[str, int]:
    """Jobs by rule, of a study of which nothing exists yet."""
    networks = len(study.datasets) * len(study.networks)
    shards = len(study.pool.shards)
    queried = {p: shards_at(study, p) for p in study.variants}
    cells = networks * sum(len(study.adversaries_of(p)) for p in study.variants)
    return {
        "prepare_dataset": len(study.datasets),
        "assign_members": len(study.datasets) * shards,
        "tabulate_members": len(study.datasets),
        "train_models": networks * shards,
        "compress_models": networks * sum(queried[p] for p in queried if p.compressed),
        "query_logits": networks * sum(queried.values()),
        "score_attacks": cells,
        "measure_leakage": cells,
    }


def shards_at(study: Study, variant: Variant) -> int:
    """Shards of one network that are made, and queried, at a variant, with all its draws."""
    further = max(study.draws_to_make(variant), 1) - 1 if variant.compressed else 0
    return len(study.shards_to_query(variant)) + further * len(study.pool.shards)


def models_at(study: Study, variant: Variant) -> int:
    """Models of one network that exist, and are queried, at a variant, once for each draw."""
    asked = len(study.shards_to_query(variant)) * study.pool.models_per_job
    further = max(study.draws_to_make(variant), 1) - 1 if variant.compressed else 0
    # The last shard may hold fewer.
    return min(asked, study.pool.models) + further * study.pool.models

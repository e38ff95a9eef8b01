"""How many jobs each rule will have: what the rules expand to, without building a graph."""

from __future__ import annotations

from ptq_privacy.experiment import Precision, Study


def counts(study: Study) -> dict[str, int]:
    """Jobs by rule, of a study of which nothing exists yet."""
    networks = len(study.datasets) * len(study.architectures)
    shards = len(study.pool.shards)
    queried = {p: len(study.shards_to_query(p)) for p in study.precisions}
    cells = networks * sum(len(study.adversaries_of(p)) for p in study.precisions)
    return {
        "prepare_dataset": len(study.datasets),
        "assign_members": len(study.datasets) * shards,
        "tabulate_members": len(study.datasets),
        "train_models": networks * shards,
        "quantize_models": networks * sum(queried[p] for p in queried if p.quantized),
        "query_logits": networks * sum(queried.values()),
        "score_attacks": cells,
        "measure_leakage": cells,
    }


def models_at(study: Study, precision: Precision) -> int:
    """Models of one network that exist, and are queried, at a precision."""
    return len(study.shards_to_query(precision)) * study.pool.models_per_job

"""Each stage of a study: jobs, models, hours, bytes on disk and a job's peak memory.

Times of the networks' stages are counted operations over a device's rate. The attacks' are
proportional to the scores that they compute, by constants measured on one core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from ptq_privacy.compression import work
from ptq_privacy.compression.work import Cost, NetworkCost, Work
from ptq_privacy.measures.intervals import REPLICATES
from ptq_privacy.planning import jobs
from ptq_privacy.planning.method_cost import side_by_side, told
from ptq_privacy.planning.network_cost import checkpoint_bytes
from ptq_privacy.planning.rates import Rates
from ptq_privacy.planning.shapes import Shape
from ptq_privacy.study import fragments
from ptq_privacy.study.experiment import Study, queries_of
from ptq_privacy.study.variants import Variant

START = {"torch": 3.5, "numpy": 0.8}  # seconds of a job before its work, mostly imports
BASE = {"torch": 660e6, "numpy": 140e6}  # bytes that a process holds after its imports
FIT = 3e-7  # core seconds a (shadow model, sample, query) of all attacks
CHOOSE = 1.5e-5  # and one that tries all others on stand-ins, mean over adversaries
PHI = 4e-8  # and a full logit, to come to phi
RESAMPLE = 6e-8  # core seconds a (replicate, target, sample, attack) of the resampling
KEPT = 0.84  # share of a score file that compression leaves
LEAKAGE = 24_500  # bytes of a leakage file
VALUE = 42  # bytes that the file beside it holds of a (replicate, target, attack)
SAMPLE_GRADIENTS = 1.5  # times as long as a plain step, of small ResNets and transformers
HANDLED = 1.3e-9  # seconds a number of the samples' gradients: to fill, measure and sum it up
STEP = 10  # modules' worth of cropping, normalising, loss and optimiser in a training step
QUERY_IMAGES = 8192
HELD_BYTES = 2 * 4 * 2**28  # of samples' gradients at once, and as much to clip them


@dataclass(frozen=True)
class Stage:
    """One line of the plan; `memory` is the most that any of its jobs holds, in bytes."""

    name: str
    jobs: int
    models: int = 0
    device_seconds: float = 0.0
    core_seconds: float = 0.0
    bytes: float = 0.0
    memory: float = 0.0


@dataclass(frozen=True)
class Case:
    """One network on one data set, within its study; `recipe` is how it is trained there."""

    study: Study
    config: Mapping[str, Any]
    dataset: str
    recipe: Mapping[str, Any]
    shape: Shape
    network: NetworkCost
    rates: Rates

    @property
    def queries(self) -> int:
        return len(queries_of(self.config, self.dataset))

    @property
    def classes(self) -> int | None:
        """Of full logits; None where they are compact."""
        return None if self.config["logits"] == "compact" else self.shape.classes


def plan(study: Study, config: Mapping[str, Any], cases: list[Case]) -> list[Stage]:
    """All stages in the order of the pipeline.

    Args:
        config: checked, its defaults filled.
        cases: every network on every data set.
    """
    counts = jobs.counts(study)
    networks = len(cases)
    rows = [_data(study, cases, counts)]
    models = study.pool.models * networks
    rows.append(_row("train_models", counts["train_models"], models, [_train(c) for c in cases]))
    for method in dict.fromkeys(p.method for p in study.variants if p.method is not None):
        own = [p for p in study.variants if p.method == method]
        per_case = [_compress(c, p) for c in cases for p in own]
        number = networks * sum(jobs.shards_at(study, p) for p in own)
        models = networks * sum(jobs.models_at(study, p) for p in own)
        rows.append(_row(f"compress_models: {method}", number, models, per_case))
    asked = [_query(c, p) for c in cases for p in study.variants]
    models = networks * sum(jobs.models_at(study, p) for p in study.variants)
    rows.append(_row("query_logits", counts["query_logits"], models, asked))
    for name, stage in (("score_attacks", _score), ("measure_leakage", _measure)):
        cells = [stage(c) for c in cases for p in study.variants for _ in study.adversaries_of(p)]
        rows.append(_row(name, counts[name], 0, cells))
    return rows


def _row(name: str, number: int, models: int, parts: list[Stage]) -> Stage:
    return Stage(
        name=name,
        jobs=number,
        models=models,
        device_seconds=sum(part.device_seconds for part in parts),
        core_seconds=sum(part.core_seconds for part in parts),
        bytes=sum(part.bytes for part in parts),
        memory=max(part.memory for part in parts),
    )


def _data(study: Study, cases: list[Case], counts: Mapping[str, int]) -> Stage:
    """The prepared data sets and who is trained on what, a bit a model and sample, held twice."""
    shapes = {case.dataset: case.shape for case in cases}.values()
    number = sum(counts[rule] for rule in ("prepare_dataset", "assign_members", "tabulate_members"))
    return Stage(
        name="data and members",
        jobs=number,
        core_seconds=number * START["numpy"],
        bytes=sum(s.bytes + 2 * s.samples * (study.pool.models / 8 + 1) for s in shapes),
        memory=BASE["numpy"] + 2 * max(s.bytes for s in shapes),
    )


def _shards(case: Case, variant: Variant) -> int:
    return jobs.shards_at(case.study, variant)


def _train(case: Case) -> Stage:
    recipe, shape, network = case.recipe, case.shape, case.network
    stored = case.study.pool.models * checkpoint_bytes(network, Variant())
    if "epochs" not in recipe:  # your own procedure
        nothing = math.nan
        return Stage("", 0, device_seconds=nothing, bytes=stored, memory=nothing)
    steps = recipe["epochs"] * (shape.members // recipe["batch_size"])
    arithmetic = 3 * network.flops * recipe["batch_size"] / case.rates.training
    modules = (network.operations + STEP) * work.STEP_KERNELS["module"] * case.rates.module
    each = arithmetic + modules
    held = 0.0
    if "dp" in recipe:
        held = recipe["batch_size"] * network.state_bytes
        each = SAMPLE_GRADIENTS * each + HANDLED * held / 4
    seconds = case.study.pool.models * (steps * each + _accuracies(case))
    seconds += len(case.study.pool.shards) * START["torch"]
    border = 2 * recipe["augmentation"].get("crop_padding", 0)
    padded = shape.members * prod(n + border * (place > 0) for place, n in enumerate(shape.inputs))
    activations = (3 if recipe["autocast"] else 5) * recipe["batch_size"] * network.activations
    return Stage(
        name="",
        jobs=0,
        device_seconds=seconds,
        bytes=stored,
        memory=BASE["torch"]
        + 2 * shape.bytes
        + padded
        + 3 * network.state_bytes
        + activations
        + min(held, HELD_BYTES),
    )


def _accuracies(case: Case) -> float:
    """Seconds of asking one model about its members and the test set."""
    asked = case.shape.members + case.shape.tests
    return asked * case.network.flops / case.rates.inference


def _compress(case: Case, variant: Variant) -> Stage:
    """What the variant's method says of its own work; of your own method nothing is known."""
    assert variant.method is not None
    method, network = case.study.methods[variant.method], case.network
    models = jobs.models_at(case.study, variant)
    cost, at_once = Cost(Work(single=math.nan), math.nan), 1
    if method.fragment is not None:
        fragment = fragments.get("compressions", method.fragment)
        images, device = case.config["compression"]["calibration_samples"], case.config["device"]
        said = told(fragment, network, images, device, method.settings)
        shard = min(models, case.study.pool.models_per_job)
        at_once = side_by_side(fragment, network, said, shard, device)
        cost = said or cost
        if variant.activation_bits is not None:
            more = work.activation_grids(network, images)
            cost = replace(cost, work=cost.work + more)
    each = case.rates.seconds(cost.work.among(at_once)) + _accuracies(case)
    stored = checkpoint_bytes(network, Variant() if method.own else variant, cost.folded)
    side = at_once * (work.COPIES * network.state_bytes + cost.memory)
    return Stage(
        name="",
        jobs=0,
        device_seconds=models * each + _shards(case, variant) * START["torch"],
        bytes=models * stored,
        memory=BASE["torch"] + 2 * case.shape.bytes + cost.once + side,
    )


def _query(case: Case, variant: Variant) -> Stage:
    models, shape = jobs.models_at(case.study, variant), case.shape
    answers = models * case.queries * shape.samples
    images = min(QUERY_IMAGES, shape.samples) * 4 * prod(shape.inputs)
    return Stage(
        name="",
        jobs=0,
        device_seconds=answers * case.network.flops / case.rates.inference
        + _shards(case, variant) * START["torch"],
        bytes=answers * logit_bytes(case.classes),
        memory=BASE["torch"] + 2 * shape.bytes + images + 4 * 4 * shape.samples * shape.classes,
    )


def logit_bytes(classes: int | None) -> float:
    """Of one answer in a logit file; None: compact. All but the answer itself nearly vanishes."""
    return 8.8 if classes is None else 4.0 * classes


def _score(case: Case) -> Stage:
    samples, pool = case.shape.samples, case.study.pool
    values = pool.models * samples * case.queries
    memory = (
        BASE["numpy"] + 2 * 8 * values + 2 * 8 * len(case.study.scores) * pool.targets * samples
    )
    seconds = START["numpy"] + FIT * values
    if any(fragments.get("attacks", name).more.get("chooses") for name in case.study.attacks):
        seconds += CHOOSE * values
    if case.classes is not None:
        seconds += PHI * (values + pool.targets * samples * case.queries) * case.classes
        memory += 5 * 4 * samples * case.classes
    return Stage(
        name="",
        jobs=0,
        core_seconds=seconds,
        bytes=KEPT * 8 * len(case.study.scores) * pool.targets * samples,
        memory=memory,
    )


def _measure(case: Case) -> Stage:
    scores = len(case.study.scores) * case.study.pool.targets * case.shape.samples
    return Stage(
        name="",
        jobs=0,
        core_seconds=START["numpy"] + RESAMPLE * REPLICATES * scores,
        bytes=LEAKAGE + VALUE * REPLICATES * len(case.study.scores) * case.study.pool.targets,
        memory=BASE["numpy"] + 6 * 8 * scores,
    )


def table(stages: list[Stage]) -> str:
    """The plan as aligned text, with a total; memory's total is the largest job's.

    A stage that cannot tell its cost has question marks, and does not count in the total.
    """
    known = [stage for stage in stages if not math.isnan(stage.device_seconds)]
    memory = max(stage.memory for stage in known)
    total = _row("total", sum(s.jobs for s in stages), 0, known)
    columns: dict[str, Callable[[Stage], str]] = {
        "jobs": lambda s: f"{s.jobs:,}",
        "models": lambda s: f"{s.models:,}" if s.models else "",
        "device-hours": lambda s: _hours(s.device_seconds),
        "core-hours": lambda s: _hours(s.core_seconds),
        "disk": lambda s: _bytes(s.bytes),
        "memory a job": lambda s: _bytes(memory if s is total else s.memory),
    }
    rows = [["stage", *columns]]
    rows += [[s.name, *(cell(s) for cell in columns.values())] for s in (*stages, total)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _hours(seconds: float) -> str:
    if math.isnan(seconds):
        return "?"
    hours = seconds / 3600
    return "" if not seconds else f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"


def _bytes(count: float) -> str:
    if math.isnan(count):
        return "?"
    units = ["kB", "MB", "GB", "TB"]
    count /= 1000
    while count >= 999.5 and len(units) > 1:
        count /= 1000
        units.pop(0)
    return f"{count:.0f} {units[0]}" if count >= 9.95 else f"{count:.1f} {units[0]}"

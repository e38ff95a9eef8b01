"""Times LiRA on all targets at once against the plain loop, the attacks that learn, resampling.

The plain loop is how the attack is usually written: for each target, pick every sample's in- and
out-values, take medians and deviations, evaluate scipy's densities. Both run side by side on the
same pool in the same process, on synthetic confidences.

    python benchmarks/attacks.py --models 66 --samples 50000 --queries 2

Or, of a study's own logit files, what each attack finds with 4, 8, 16, 32 and 64 shadow models, and
the seconds that the attacks that learn take on the whole pool:

    python benchmarks/attacks.py --pool results/locations/locations/mlp/full
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from ptq_privacy.answers import logits, recorded
from ptq_privacy.answers.recorded import Answers
from ptq_privacy.attacks import lira, metrics, score, sides
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.files.scores import Scores
from ptq_privacy.measures import intervals, leakage

ATTACKS: dict[str, dict[str, object]] = {"lira": {}, "global_threshold": {}}
SCORES = (*lira.SCORES, "global_threshold")

FINDERS: dict[str, dict[str, object]] = {"lira": {}, "rmia": {}, "lira_moderated": {}}
FOUND = {
    "lira_online": "LiRA online",
    "lira_online_fixed": "LiRA online, fixed variance",
    "rmia_online": "RMIA online, tuned",
    "lira_moderated": "moderated LiRA",
}
LEARNERS: dict[str, dict[str, dict[str, object]]] = {
    "moderated LiRA": {"lira_moderated": {}},
    "strongest, of these three": {**{name: {} for name in FINDERS}, "strongest": {}},
}
SHADOW_MODELS = (4, 8, 16, 32, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=66, help="of the pool, all of them targets")
    parser.add_argument("--samples", type=int, default=50000)
    parser.add_argument("--queries", type=int, default=2)
    parser.add_argument("--plain-targets", type=int, default=2, help="targets of the plain loop")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    parser.add_argument("--resampled-targets", type=int, default=10)
    parser.add_argument("--resampled-samples", type=int, default=20000)
    parser.add_argument("--learned-samples", type=int, default=5010, help="of attacks that learn")
    parser.add_argument("--pool", type=Path, help="a folder of logit files; nothing else is done")
    parser.add_argument("--targets", type=int, default=18, help="of the pool's models, with --pool")
    options = parser.parse_args()
    if not 1 <= options.plain_targets <= options.models:
        parser.error("--plain-targets is not between 1 and --models")
    if options.pool:
        pool = pool_of(options.pool)
        finds(pool, min(options.targets, len(pool.models)))
        learning(Evidence.among(pool, range(len(pool.models))))
        return
    compare(options)
    resampling(options)
    phi, member = synthetic(options.models, options.learned_samples, 1)
    learning(Evidence.of(phi, phi, member, range(options.models)))


def compare(options: argparse.Namespace) -> None:
    models, plain_targets = options.models, range(options.plain_targets)
    phi, member = synthetic(models, options.samples, options.queries)
    evidence = Evidence.of(phi, phi, member, range(models))
    work: dict[str, tuple[int, Callable[[], object]]] = {
        "statistics, plain loop": (
            len(plain_targets),
            lambda: [plain_statistics(phi, member, target) for target in plain_targets],
        ),
        "statistics, all at once": (models, lambda: deque(sides.fits(evidence), 0)),
        "scores, plain loop": (
            len(plain_targets),
            lambda: plain_scores(phi, member, plain_targets),
        ),
        "scores, all at once": (models, lambda: all_at_once(phi, member)),
    }
    best = dict.fromkeys(work, np.inf)
    for _ in range(options.repeats):  # in turn, so that all meet the same machine
        for name, (targets, run) in work.items():
            best[name] = min(best[name], timed(run) / targets)
    print(f"{models} models x {options.samples} samples x {options.queries} queries")
    for stage in ("statistics", "scores"):
        plain, fast = best[f"{stage}, plain loop"], best[f"{stage}, all at once"]
        print(
            f"  {stage:11}plain loop {1e3 * plain:7.1f} ms a target; all at once "
            f"{1e3 * fast:5.1f} ms, {models * fast:.2f} s in all; ratio {plain / fast:.0f}"
        )
    found = all_at_once(phi, member)
    expected = plain_scores(phi, member, plain_targets)
    worst = max(np.abs(found[a][: len(v)] - v).max() / np.abs(v).max() for a, v in expected.items())
    print(f"  largest difference {worst:.1e} of the largest score")


def all_at_once(phi: np.ndarray, member: np.ndarray) -> dict[str, np.ndarray]:
    """The scores of every model as a target."""
    return score(ATTACKS, Evidence.of(phi, phi, member, range(len(phi))))


def resampling(options: argparse.Namespace) -> None:
    targets, samples = options.resampled_targets, options.resampled_samples
    generator = np.random.default_rng(0)
    member = generator.random((targets, samples)) < 0.5
    attacks = {a: generator.normal(size=member.shape) + member for a in SCORES}
    scores = Scores(tuple(range(targets)), np.zeros(samples, np.int16), member, attacks)
    seconds = timed(lambda: leakage.measure(scores, seed=0))
    print(
        f"resampling of {targets} targets x {samples} samples x {len(attacks)} attacks, "
        f"{intervals.REPLICATES} replicates: {seconds:.1f} s"
    )


def pool_of(folder: Path) -> Answers:
    """What all models in a folder's logit files answered."""
    shards = sorted(folder.glob("logits-*.parquet"))
    models = {block.model for shard in shards for block in logits.read_answers(shard)}
    if not models:
        raise SystemExit(f"{folder}: has no logits-*.parquet")
    return recorded.read(shards, models)


def finds(pool: Answers, targets: int) -> None:
    """Print what attacks find with fewer shadow models: random sets of whole pairs, one a pair."""
    print(f"{targets} targets x {len(pool.label)} samples x {pool.phi.shape[2]} queries")
    print("TPR at 0.1 % FPR / TPR at 1 % FPR, in % / AUC")
    print(f"| shadow models | {' | '.join(FOUND.values())} |")
    print(f"|{'---|' * (1 + len(FOUND))}")
    for size in SHADOW_MODELS:
        if size > len(pool.models) - 2:
            break
        measured: dict[str, list[list[float]]] = {name: [] for name in FOUND}
        for pair in range((targets + 1) // 2):
            generator = np.random.default_rng(pair)  # so that larger sets hold the smaller ones
            others = np.setdiff1d(np.arange(len(pool.models) // 2), pair)
            pairs = np.append(pair, generator.permutation(others)[: size // 2])
            chosen = np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()
            evidence = Evidence.among(part(pool, chosen), range(2)[: targets - 2 * pair])
            for name, values in score(FINDERS, evidence, FOUND).items():
                for inside, own in zip(evidence.member, values, strict=False):  # the targets first
                    rates = [metrics.tpr_at_fpr(inside, own, fpr) for fpr in metrics.FPRS]
                    measured[name].append([*rates, metrics.auc(inside, own)])
        cells = [np.mean(found, axis=0) for found in measured.values()]
        row = " | ".join(f"{1e2 * a:.1f} / {1e2 * b:.1f} / {c:.3f}" for a, b, c in cells)
        print(f"| {size} | {row} |")


def part(pool: Answers, models: np.ndarray) -> Answers:
    """Some models of a pool, in their order."""
    return Answers(
        models=tuple(models.tolist()),
        phi=pool.phi[models],
        correct=pool.correct[models],
        label=pool.label,
        member=pool.member[models],
    )


def learning(evidence: Evidence) -> None:
    """Print what the attacks take that learn from the whole pool, in seconds of one run."""
    models, samples, queries = evidence.shadow.shape
    print(f"{len(evidence.targets)} targets of {models} models x {samples} samples x {queries}")
    for title, attacks in LEARNERS.items():
        start = time.process_time()
        score(attacks, evidence, list(attacks)[-1:])
        print(f"  {title:28}{time.process_time() - start:7.1f} s of a core")


def synthetic(models: int, samples: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """phi [models, samples, queries] and membership [models, samples] of a pool of pairs."""
    generator = np.random.default_rng(0)
    member = np.empty((models, samples), dtype=bool)
    member[0::2] = generator.random((models // 2, samples)) < 0.5
    member[1::2] = ~member[0::2]
    phi = generator.normal(size=(models, samples, queries))
    phi += generator.normal(size=(samples, 1)) * 5 + member[:, :, None]
    return phi, member


def plain_statistics(phi: np.ndarray, member: np.ndarray, target: int) -> list[np.ndarray]:
    """What a target's shadow models answer, in and out apart.

    Returns:
        Values in, values out [samples, models, queries]; median in, median out, deviation in,
        deviation out [samples, queries].
    """
    shadows = np.flatnonzero(np.arange(len(phi)) // 2 != target // 2)
    shadow, inside = phi[shadows], member[shadows]
    every = range(phi.shape[1])
    sides = [
        np.array([shadow[inside[:, s], s] for s in every]),
        np.array([shadow[~inside[:, s], s] for s in every]),
    ]
    return [
        *sides,
        *(np.median(values, axis=1) for values in sides),
        *(values.std(axis=1) for values in sides),
    ]


def plain_scores(phi: np.ndarray, member: np.ndarray, targets: range) -> dict[str, np.ndarray]:
    """The same columns as `all_at_once`, one target at a time."""
    density, survival = stats.norm.logpdf, stats.norm.logsf
    found = {attack: np.empty((len(targets), phi.shape[1])) for attack in SCORES}
    for row, target in enumerate(targets):
        values_in, values_out, mu_in, mu_out, sd_in, sd_out = plain_statistics(phi, member, target)
        x = phi[target]
        fixed_in = (values_in - mu_in[:, None]).std(axis=(0, 1))
        fixed_out = (values_out - mu_out[:, None]).std(axis=(0, 1))
        for suffix, s_in, s_out in (("", sd_in, sd_out), ("_fixed", fixed_in, fixed_out)):
            online = density(x, mu_in, s_in) - density(x, mu_out, s_out)
            found[f"lira_online{suffix}"][row] = online.mean(axis=1)
            found[f"lira_offline{suffix}"][row] = -survival(x, mu_out, s_out).mean(axis=1)
        found["global_threshold"][row] = x.mean(axis=1)
    return found


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

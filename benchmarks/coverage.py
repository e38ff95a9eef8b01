"""How often intervals hold the truth, and what tests find: the library's rule beside the old one.

Studies are simulated whole, each with a fresh pool and fresh samples: some samples are memorised
strongly, most hardly. A target's answers are seen at three variants, two of which differ by noise
alone, so that nothing is to be found between them, and one of which leaks less. LiRA with a fixed
variance attacks them with shadow models at full precision, all through the library. The truth of a
single cell is its mean over all studies.

The old rule is the crossed bootstrap that the study once had: percentiles over redrawn targets of
means on redrawn samples, which counts the noise of each target's own samples about three times.

    nice -n 10 python benchmarks/coverage.py --studies 900 700 400
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from ptq_privacy.attacks import metrics, score
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.data import membership
from ptq_privacy.files.scores import Scores
from ptq_privacy.measures import leakage
from ptq_privacy.measures.intervals import Resampled, estimate

MODELS = 18
ATTACK = "lira_online_fixed"
NOISE = 0.4  # of a variant, in deviations of an answer
KEPT = 0.8  # of the leak at the variant that leaks less
CASES = {
    "a single cell": ("one", None),
    "no difference": ("one", "other"),
    "a difference": ("one", "less"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nonmembers", type=int, nargs="+", default=[750, 1000, 5000])
    parser.add_argument("--studies", type=int, nargs="+", default=[900, 700, 400])
    parser.add_argument("--targets", type=int, nargs="+", default=[10, 18])
    options = parser.parse_args()
    if len(options.studies) != len(options.nonmembers):
        parser.error("--studies needs a number for each of --nonmembers")
    if not all(1 <= targets <= MODELS for targets in options.targets):
        parser.error(f"--targets are not between 1 and {MODELS}")
    for nonmembers, studies in zip(options.nonmembers, options.studies, strict=True):
        start = time.process_time()
        found = simulated(nonmembers, options.targets, studies)
        seconds = time.process_time() - start
        print(f"\n{nonmembers} non-members, {studies} studies ({seconds:.0f} s of one core), %\n")
        print(table(found).to_string(index=False, float_format="%.1f"), flush=True)


def simulated(nonmembers: int, targets: list[int], studies: int) -> pd.DataFrame:
    """A row a study, number of targets, metric, case and rule: `value`, `low` and `high`."""
    names = [name for name in metrics.METRICS if metrics.supports(nonmembers, name)]
    rows = []
    for seed in range(studies):
        values = leakage.values(planted(2 * nonmembers, seed), seed, names)
        for count in targets:
            for name in names:
                for case, (one, other) in CASES.items():
                    found = values[one][name]
                    if other is not None:
                        found = found.minus(values[other][name])
                    found = Resampled(found.each[:count], found.drawn[:, :count])
                    rules = {"new": estimate(found)[:3], "old": crossed_bootstrap(found, seed)}
                    known = (seed, count, name, case)
                    rows += [(*known, rule, *own) for rule, own in rules.items()]
    return pd.DataFrame(
        rows,
        columns=["study", "targets", "metric", "case", "rule", "value", "low", "high"],
    )


def planted(samples: int, seed: int) -> Scores:
    """One study: what LiRA says of every target at the three variants."""
    generator = np.random.default_rng((seed, samples))
    member = membership.draw(samples, MODELS, seed)
    ease, deviation = 5 * generator.normal(size=samples), generator.lognormal(0, 0.3, samples)
    memorised = generator.random(samples) < 0.03
    leak = np.where(memorised, 3.0, 0.25) * generator.gamma(2, 0.5, samples)
    own, *noise = generator.normal(size=(4, MODELS, samples))
    full = ease + deviation * (own + leak * member)
    variants = {
        name: ease + deviation * (own + kept * leak * member + NOISE * more)
        for name, kept, more in zip(("one", "other", "less"), (1, 1, KEPT), noise, strict=True)
    }
    scores = {
        name: score(
            {"lira": {}},
            Evidence.of(phi[..., None], full[..., None], member, range(MODELS)),
            [ATTACK],
        )[ATTACK]
        for name, phi in variants.items()
    }
    return Scores(tuple(range(MODELS)), np.zeros(samples, np.int16), member, scores)


def crossed_bootstrap(found: Resampled, seed: int) -> tuple[float, float, float]:
    """The old rule's value, low and high."""
    replicates, targets = found.drawn.shape
    chosen = np.random.default_rng(seed).integers(targets, size=(replicates, targets))
    means = np.take_along_axis(found.drawn, chosen, axis=1).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return found.mean, float(low), float(high)


def table(found: pd.DataFrame) -> pd.DataFrame:
    """By number of targets and metric, shares of studies in per cent under both rules.

    Columns `covered` (single cells that hold the truth), `false` (null differences whose intervals
    exclude zero) and `power` (planted ones that do), each `, new` and `, old`; `error, new` and
    `, old`: half an interval of a null difference over that which the true deviation would give.
    """
    rows = []
    for (targets, metric), of_metric in found.groupby(["targets", "metric"], sort=False):
        row: dict[str, object] = {"targets": targets, "metric": metric}
        cases = dict(iter(of_metric.groupby(["case", "rule"])))
        for rule in ("new", "old"):
            single, null, planted = (cases[case, rule] for case in CASES)
            truth = single["value"].mean()
            row |= {
                f"covered, {rule}": 100
                * single["low"].le(truth).mul(single["high"].ge(truth)).mean(),
                f"false, {rule}": 100 * excludes_zero(null).mean(),
                f"power, {rule}": 100 * excludes_zero(planted).mean(),
                f"error, {rule}": ((null["high"] - null["low"]) / 2).mean()
                / (1.96 * null["value"].std()),
            }
        rows.append(row)
    order = [
        f"{what}, {rule}"
        for what in ("covered", "false", "power", "error")
        for rule in ("new", "old")
    ]
    return pd.DataFrame(rows)[["targets", "metric", *order]]


def excludes_zero(rows: pd.DataFrame) -> pd.Series:
    return (rows["low"] > 0) | (rows["high"] < 0)


if __name__ == "__main__":
    main()

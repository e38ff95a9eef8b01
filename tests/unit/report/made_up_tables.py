"""Tables as large and as awkward as figures meet them, after the README's Fashion-MNIST study.

Many variants are as accurate as full precision and leak as much; others are at chance.
"""

import numpy as np
import pandas as pd

from ptq_privacy.files import scores
from ptq_privacy.report.side_by_side import KINDS
from ptq_privacy.study.variants import Variant

METHODS = ("nearest", "adaround", "brecq", "obc", "refit")
OWN = (*METHODS, "mine", "stochastic_rounding_of_a_long_name", "third", "fourth", "fifth")
RECIPES = ("w4", "w2", "w1.58", "w1.58-head8")
ATTACKS = ("lira_online_fixed", "rmia_online")
METRICS = ("tpr_at_fpr_0.001", "tpr_at_fpr_0.01", "auc")

# Test accuracy and its deviation, the TPR at 0.1 % FPR to both adversaries, all in per cent.
FULL = (87.30, 0.31, 1.08, 1.08)
NEAREST = {
    "w4": (84.13, 5.42, 0.74, 0.39),
    "w2": (25.75, 10.86, 0.15, 0.09),
    "w1.58": (18.41, 9.88, 0.14, 0.14),
    "w1.58-head8": (20.21, 11.66, 0.0, 0.0),
}
LEARNED = {
    "w8": (87.31, 0.31, 1.08, 1.07),
    "w3": (86.90, 0.33, 0.90, 0.88),
    "w2-head8": (86.20, 0.40, 0.65, 0.60),
    "w1.58-head4": (85.40, 0.65, 0.49, 0.44),
    "w4": (87.27, 0.30, 1.04, 1.05),
    "w2": (86.00, 0.45, 0.60, 0.52),
    "w1.58": (84.70, 0.83, 0.38, 0.36),
    "w1.58-head8": (85.60, 0.63, 0.51, 0.46),
}


def variants(methods=METHODS, recipes=RECIPES):
    return [Variant(), *(Variant.recorded(f"{m}-{r}") for m in methods for r in recipes)]


def summary(
    methods=METHODS, recipes=RECIPES, adversaries=("transfer", "adaptive"), nonmembers=5000
):
    """One network's rows of the summary."""
    rows = []
    for place, variant in enumerate(variants(methods, recipes)):
        recipe = str(variant).partition("-")[2]
        known = {"nearest": NEAREST}.get(variant.method, LEARNED)
        accuracy, deviation, *rates = (
            FULL if not variant.compressed else known.get(recipe, LEARNED["w4"])
        )
        for adversary, rate in zip(adversaries, [*rates, *rates], strict=False):
            if variant.compressed or adversary == adversaries[0]:
                accuracies = (accuracy - 0.02 * (place % 5), deviation)
                leaked = rate * (1 - 0.01 * (place * 7 % 10)) if variant.compressed else rate
                rows += _attacked(variant, adversary, accuracies, leaked, nonmembers)
    return pd.DataFrame(rows)


def _attacked(variant, adversary, accuracies, rate, nonmembers):
    bits = 32.0 if variant.bits is None else variant.bits
    head = np.nan if variant.head_bits is None else variant.head_bits
    known = {
        "variant": str(variant),
        "method": variant.method or "full",
        "bits": bits,
        "head_bits": head,
        "activation_bits": np.nan if variant.activation_bits is None else variant.activation_bits,
        "adversary": adversary,
        "test_accuracy_mean": accuracies[0] / 100,
        "test_accuracy_std": accuracies[1] / 100,
        "bits_per_weight": bits
        + (0.42 if bits == 1.58 else 0.37 * (bits < 32))
        + 0.1 * (head == 8),
        "zero_fraction": {32.0: 0.0, 4.0: 0.12, 2.0: 0.38}.get(bits, 0.43),
        "nonmembers": nonmembers,
        "targets": 18,
        "epsilon_lower": rate,
        "delta": 1e-5,
        "epsilon_promised": np.nan,
        "delta_promised": np.nan,
        "epsilon_promised_replacing": np.nan,
        "chosen": "",
    }
    values = {"tpr_at_fpr_0.001": rate, "tpr_at_fpr_0.01": 1 + 4 * rate, "auc": 50 + 8 * rate}
    for metric, value in values.items():
        spread = 0.2 * rate + 0.03
        known[f"{metric}_mean"] = value / 100
        known[f"{metric}_low"] = (value - spread) / 100
        known[f"{metric}_high"] = (value + spread) / 100
    return [known | {"attack": attack} for attack in ATTACKS]


def comparisons(methods=METHODS, recipes=RECIPES, adversaries=("transfer", "adaptive")):
    """Differences of adversaries; some shares are cut, one lies outside, one is unknown."""
    kinds = KINDS if {"transfer", "adaptive"} <= set(adversaries) else {}
    kinds = kinds | ({"added": "against_full"} if "both" in adversaries else {})
    shares = [(0.1, -0.4, 0.6), (0.3, -3.0, 0.9), (0.5, 0.1, 4.0), (2.6, 0.4, 5.0), (np.nan,) * 3]
    rows = []
    for place, variant in enumerate(variants(methods, recipes)[1:]):
        of_kind = {
            "difference": (-0.0005, -0.002, 0.001),
            "taken_back": shares[place % len(shares)],
            "added": (0.0001, -0.001, 0.002),
        }
        for name, kind in kinds.items():
            estimate, low, high = of_kind[name]
            for metric in METRICS:
                for attack in ATTACKS:
                    to = "both" if name == "added" else "adaptive"
                    row = (attack, metric, kind, str(variant), to, estimate, low, high)
                    rows.append((*row, 0.5, True))
    columns = ["attack", "metric", "kind", "variant", "adversary", "estimate", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "p_value", "supported"])


def exposures(methods=METHODS, recipes=RECIPES):
    """What `measure_exposure` sums up for one adversary."""
    groups = ["all", "top_1%", "other_99%", *(f"decile_{n}" for n in range(1, 11))]
    rows = []
    for place, variant in enumerate(variants(methods, recipes)):
        for rank, group in enumerate(groups):
            value = 0.9 / (1 + rank) ** 2 / (1 + place % 7)
            rows.append(("exposure", str(variant), "", group, value, value - 0.03, value + 0.03))
            if variant.compressed and group in ("top_1%", "other_99%"):
                kept = (0.4, -0.9, 2.5) if place == 3 else (0.5, 0.3, 0.7)
                rows.append(("kept", str(variant), "", group, *kept))
                rows.append(("signal_kept", str(variant), "", group, *kept))
        if variant.compressed:
            row = ("correlation_same_targets", "full", str(variant), "all")
            rows.append((*row, 0.4 - 0.05 * (place % 9), -0.5, 0.6))
    columns = ["statistic", "variant", "other", "group", "estimate", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(fpr=0.01, p_value=np.nan, note="")


def sweep(nonmembers=5000, sizes=(2, 4, 8, 16, 32, 64)):
    """What `sweep_shadow_models` writes."""
    scores_ = ["lira_online", "lira_online_fixed", "lira_offline", "lira_offline_fixed"]
    scores_ += ["global_threshold", "rmia_online", "rmia_offline"]
    rows = [
        (size, attack, replicate, target, rate, 5 * rate, 0.5 + rate)
        for size in sizes
        for place, attack in enumerate(scores_)
        for replicate in range(12)
        for target in range(3)
        for rate in [0.002 + 0.001 * place + 1e-4 * size + 1e-4 * target + 2e-4 * (replicate % 3)]
    ]
    columns = ["shadow_models", "attack", "replicate", "target", *METRICS]
    return pd.DataFrame(rows, columns=columns)


def score_files(folder, methods=METHODS, recipes=RECIPES, samples=300, targets=3):
    """A score file a variant; half of the samples are members of each target."""
    generator = np.random.default_rng(0)
    member = np.stack([generator.permutation(samples) < samples // 2 for _ in range(targets)])
    label = np.zeros(samples, dtype=np.int16)
    paths = {}
    for place, variant in enumerate(variants(methods, recipes)):
        value = generator.normal(size=member.shape) + member * (
            1.5 if place == 0 else 2 / (1 + place % 4)
        )
        paths[str(variant)] = folder / f"{variant}.parquet"
        scores.write(paths[str(variant)], list(range(targets)), label, member, {ATTACKS[0]: value})
    return paths

"""Which differences the page claims, when all that it looks at are counted.

Of many differences that are none, one in twenty has a p-value below 0.05. So every p-value becomes
a q-value (Benjamini and Hochberg 1995): of all claims with a q-value of at most 0.05, one in twenty
is expected to be false. That holds for independent tests, and for such as lean the same way, which
those of shared targets and samples do; Benjamini and Yekutieli's (2001) stricter rule is for tests
that depend on each other in any way whatever, and would cost most of the power.

Where most questions have sure answers, a few false ones pass unnoticed, and they would gather in a
question whose answer is no. So a claim must stand among all of the page and among those of its own
question: its q-value is the larger of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ptq_privacy.measures.scale import TREND, TREND_OF_DROP
from ptq_privacy.report.quoted import AREA, EXPOSURE_FPR, Quoted, quoted

LEVEL = 0.05


@dataclass(frozen=True)
class Measured:
    """The tables of one network; of those that are None nothing was measured."""

    summary: pd.DataFrame
    compared: pd.DataFrame | None  # variants, adversaries and attacks
    methods: pd.DataFrame | None  # its rows, and those over all networks
    exposed: Mapping[str, pd.DataFrame]  # by adversary
    calibration: pd.DataFrame | None
    swept: pd.DataFrame  # attacks with fewer shadow models
    strength: pd.DataFrame  # `sweep.differences` of these
    thresholds: pd.DataFrame | None
    disparity: pd.DataFrame | None = None  # class by class
    scale: pd.DataFrame | None = None  # of all families; one network's has it, to count once

    @property
    def nonmembers(self) -> int:
        return int(self.summary["nonmembers"].min())

    @property
    def measure(self) -> Quoted:
        """The metric that its page speaks of."""
        return quoted(self.nonmembers)


def q_values(p: np.ndarray) -> np.ndarray:
    """The least false discovery rate at which each claim stands; NaN where p is, not counted."""
    known = ~np.isnan(p)
    order = np.argsort(p[known])
    raised = p[known][order] * known.sum() / np.arange(1, known.sum() + 1)
    found = np.full(len(p), np.nan)
    lowest = np.minimum.accumulate(raised[::-1])[::-1]
    found[np.flatnonzero(known)[order]] = np.minimum(lowest, 1)
    return found


def weighed(networks: Sequence[Measured], attacks: Sequence[str]) -> list[Measured]:
    """The same with columns `p_value` and `q_value`, over all that the page looks at.

    What it does not look at has no q-value: other metrics, and attacks of which it does not speak.

    Args:
        attacks: those it speaks of, the headline first.
    """
    looked = [_looked(network, attacks) for network in networks]
    tables = [table for of_network in looked for table in of_network.values()]
    p = np.concatenate(
        [table["p_value"].where(table["looked"]).to_numpy(float) for table in tables]
    )
    question = np.concatenate([table["question"].to_numpy(object) for table in tables])
    found = q_values(p)
    for one in set(question):
        own = question == one
        found[own] = np.maximum(found[own], q_values(p[own]))
    places = np.cumsum([len(table) for table in tables])[:-1]
    for table, q in zip(tables, np.split(found, places), strict=True):
        table["q_value"] = q
    return [
        replace(
            network,
            summary=own["summary"],
            compared=own.get("compared"),
            methods=own.get("methods"),
            exposed={name: own[f"exposed {name}"] for name in network.exposed},
            calibration=own.get("calibration"),
            strength=own["strength"],
            thresholds=own.get("thresholds"),
            disparity=own.get("disparity"),
            scale=own.get("scale"),
        )
        for network, own in zip(networks, looked, strict=True)
    ]


def _looked(network: Measured, attacks: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Copies with a column `looked`, whether the page may claim a row's difference, and one
    `question`, which it then answers."""
    metric, headline = network.measure.metric, attacks[0]
    summary = network.summary
    found = {
        "summary": summary.assign(
            p_value=summary[f"{metric}_p_value"],
            looked=summary["attack"] == headline,
            question="chance",
        ),
        "strength": network.strength.assign(looked=True, question="strength"),
    }
    if network.compared is not None:
        own = network.compared
        kind, of_headline = own["kind"], own["attack"] == headline
        asked = (own["metric"] == metric) & (
            ((kind == "against_full") & of_headline)
            | ((kind == "attack_minus_attack") & (of_headline | (own["other"] == headline)))
        )
        risen = kind == "against_transfer"
        dropped = (kind == "against_full") & (own["adversary"] == "transfer")
        mismatch = (risen | dropped if risen.any() else risen) & own["metric"].isin(
            [metric, AREA.metric]
        )
        found["compared"] = own.assign(
            looked=asked | mismatch, question=kind.where(asked | risen, "drop")
        )
    if network.methods is not None:
        own = network.methods
        of_headline = (own["metric"] == metric) & (own["attack"] == headline)
        found["methods"] = own.assign(looked=of_headline, question="methods")
    for adversary, own in network.exposed.items():
        asked = own["statistic"].str.contains("top_minus_other") & (own["fpr"] == EXPOSURE_FPR)
        found[f"exposed {adversary}"] = own.assign(looked=asked, question="exposure")
    if network.calibration is not None:
        own = network.calibration
        other = own["metric"].str.startswith("tpr") & (own["metric"] != metric)
        found["calibration"] = own.assign(
            looked=own["supported"].astype(bool) & ~other, question="calibration"
        )
    if network.thresholds is not None:
        own = network.thresholds
        asked = (own["attack"] == headline) & (own["fpr_limit"] == limit(network.measure))
        found["thresholds"] = own.assign(
            p_value=own["fpr_p_value"], looked=asked, question="thresholds"
        )
    if network.disparity is not None:
        own = network.disparity
        found["disparity"] = own.assign(looked=own["variant"] == "full", question="disparity")
    if network.scale is not None:
        own = network.scale
        of_metric = own["metric"] == own["nonmembers"].map(lambda count: quoted(count).metric)
        asked = of_metric & (own["attack"] == headline) & own["kind"].isin([TREND, TREND_OF_DROP])
        found["scale"] = own.assign(looked=asked, question="scale")
    return found


def limit(measure: Quoted) -> float:
    """The FPR at which thresholds are spoken of."""
    return measure.fpr or 0.01


def stand(rows: pd.DataFrame) -> pd.Series:
    """Bool: whose claim stands, so far as its sign goes; all where claims were not counted."""
    if "q_value" not in rows:
        return pd.Series(True, rows.index)
    return rows["q_value"] <= LEVEL


def count(networks: Sequence[Measured]) -> tuple[int, int]:
    """How many differences the page looks at, and how many of them stand."""
    q = np.concatenate(
        [
            table["q_value"].to_numpy(float)
            for own in networks
            for table in (
                own.summary,
                own.compared,
                own.methods,
                own.calibration,
                own.strength,
                own.thresholds,
                own.disparity,
                own.scale,
                *own.exposed.values(),
            )
            if table is not None
        ]
    )
    return int((~np.isnan(q)).sum()), int((q <= LEVEL).sum())

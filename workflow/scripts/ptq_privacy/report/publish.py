"""Write what the whole study says: the report, its conclusions and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ptq_privacy.files import origin as origins
from ptq_privacy.files import tables
from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import comparisons
from ptq_privacy.report import (
    by_size,
    cards,
    claims,
    conclusions,
    exposure_figure,
    front_page,
    mismatch,
    quoted,
    sentences,
    side_by_side,
    summary_tables,
    sweep,
)
from ptq_privacy.report.sentences import Section


@dataclass(frozen=True)
class Network:
    """The files that say what one network of one data set leaks."""

    dataset: str
    network: str
    comparisons: str | None  # None, like the calibration, where nothing is compressed
    calibration: str | None
    sweep: str
    exposures: str
    disparity: str
    thresholds: str | None  # None where there are too few shadow models to set any


def publish(
    study: str,
    networks: Sequence[Network],
    figures: Sequence[front_page.Figure],
    summary: str | Path,
    methods: str | Path | None,
    scale: str | Path | None,
    attacks: Sequence[str],
    margin: float,
    report: str | Path,
    conclusions_markdown: str | Path,
    adversaries_csv: str | Path,
    adversaries_markdown: str | Path,
    mismatch_parquet: str | Path,
    mismatch_csv: str | Path,
    origin: Origin,
) -> None:
    """Write the report and every table of the study.

    Args:
        methods: the table of methods against each other; None where nothing is compressed.
        scale: the table of networks by their size; None where none are alike but for it.
        margin: share of full precision's leak within which a variant is equivalent to it.
        attacks: those that the conclusions and the Markdown tables speak of, the headline first.
    """
    table = tables.read_frame(summary)
    known = [_measured(own, table, methods, place == 0) for place, own in enumerate(networks)]
    if scale is not None:
        known[0] = replace(known[0], scale=tables.read_frame(scale))
    measured = claims.weighed(known, attacks)
    shown, said, compared, shares = [], [], [], []
    for network, own in zip(networks, measured, strict=True):
        card = cards.card(own.summary, own.compared, own.exposed, attacks[0])
        shown.append(card)
        said.append((card.name, conclusions.of_network(own, attacks, margin)))
        of_variants = comparisons.table([]) if own.compared is None else own.compared
        both = side_by_side.side_by_side(of_variants, own.summary, own.measure.metric)
        place = {"dataset": network.dataset, "network": network.network}
        share = mismatch.tabulate(own.compared, own.summary, own.measure)
        shares.append(share.assign(**place)[[*place, *share.columns]])
        place |= {"metric": own.measure.metric}
        compared.append(both.assign(**place)[[*place, *both.columns]])
    if measured[0].scale is not None:
        for _, family in measured[0].scale.groupby(["dataset", "family"], sort=False):
            name, by_scale = by_size.section(family, attacks[0])
            said.append((name, [by_scale]))
    looked, found = claims.count(measured)
    counted = Section("How much of this could be chance?", (sentences.chance(looked, found),))
    said.append(("All of this page", [counted]))
    both = pd.concat(compared, ignore_index=True)
    made = origins.comment(origin)
    page = front_page.build(study, shown, figures, said, table, both, attacks[0])
    _write(report, page + made)
    _write(conclusions_markdown, sentences.as_markdown(said) + made)
    tables.write_csv(adversaries_csv, both)
    mismatches = pd.concat(shares, ignore_index=True)
    tables.write_frames(mismatch_parquet, mismatch_csv, mismatches, origin)
    _write(adversaries_markdown, summary_tables.adversaries_as_markdown(both, attacks) + made)


def _measured(
    network: Network, summary: pd.DataFrame, methods: str | Path | None, first: bool
) -> claims.Measured:
    """Its tables; the methods' comparisons over all networks are the first's, to count once."""
    place = (summary["dataset"] == network.dataset) & (summary["network"] == network.network)
    swept = tables.read_frame(network.sweep)
    own = summary[place]
    metric = quoted.quoted(int(own["nonmembers"].min())).metric
    compared = None if methods is None else tables.read_frame(methods)
    if compared is not None:
        name = f"{network.dataset}, {network.network}"
        compared = compared[compared["network"].isin([name, "all"] if first else [name])]
    return claims.Measured(
        summary=own,
        compared=_read(network.comparisons),
        methods=compared,
        exposed=exposure_figure.by_adversary(tables.read_frame(network.exposures)),
        calibration=_read(network.calibration),
        swept=swept,
        strength=sweep.differences(swept, metric),
        thresholds=_read(network.thresholds),
        disparity=tables.read_frame(network.disparity),
    )


def _read(path: str | None) -> pd.DataFrame | None:
    return None if path is None else tables.read_frame(path)


def _write(path: str | Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

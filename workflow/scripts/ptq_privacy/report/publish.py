"""Write what the whole study says: the report, its conclusions and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ptq_privacy.files import origin as origins
from ptq_privacy.files import tables
from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import comparisons
from ptq_privacy.report import (
    cards,
    conclusions,
    exposure_figure,
    front_page,
    quoted,
    sentences,
    side_by_side,
    summary_tables,
)


@dataclass(frozen=True)
class Network:
    """The files that say what one network of one data set leaks."""

    dataset: str
    network: str
    comparisons: str | None  # None, like the calibration, where nothing is compressed
    calibration: str | None
    sweep: str
    exposures: str
    thresholds: str | None  # None where there are too few shadow models to set any


def publish(
    study: str,
    networks: Sequence[Network],
    figures: Sequence[front_page.Figure],
    summary: str | Path,
    attacks: Sequence[str],
    report: str | Path,
    conclusions_markdown: str | Path,
    adversaries_csv: str | Path,
    adversaries_markdown: str | Path,
    origin: Origin,
) -> None:
    """Write the report and every table of the study.

    Args:
        attacks: those that the conclusions and the Markdown tables speak of, the headline first.
    """
    table = tables.read_frame(summary)
    shown, said, compared = [], [], []
    for network in networks:
        own = table[(table["dataset"] == network.dataset) & (table["network"] == network.network)]
        of_variants = _read(network.comparisons)
        exposures = exposure_figure.by_adversary(tables.read_frame(network.exposures))
        sections = conclusions.of_network(
            own,
            of_variants,
            exposures,
            _read(network.calibration),
            tables.read_frame(network.sweep),
            _read(network.thresholds),
            attacks,
        )
        card = cards.card(own, of_variants, exposures, attacks[0])
        shown.append(card)
        said.append((card.name, sections))
        metric = quoted.quoted(int(own["nonmembers"].min())).metric
        if of_variants is None:
            of_variants = comparisons.table([])
        both = side_by_side.side_by_side(of_variants, own, metric)
        place = {"dataset": network.dataset, "network": network.network, "metric": metric}
        compared.append(both.assign(**place)[[*place, *both.columns]])
    both = pd.concat(compared, ignore_index=True)
    made = origins.comment(origin)
    page = front_page.build(study, shown, figures, said, table, both, attacks[0])
    _write(report, page + made)
    _write(conclusions_markdown, sentences.as_markdown(said) + made)
    _write(adversaries_csv, both.to_csv(index=False, float_format="%.6g"))
    _write(adversaries_markdown, summary_tables.adversaries_as_markdown(both, attacks) + made)


def _read(path: str | None) -> pd.DataFrame | None:
    return None if path is None else tables.read_frame(path)


def _write(path: str | Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

"""Write what the whole study says: its conclusions and its tables, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ptq_privacy.files import origin as origins
from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin
from ptq_privacy.measures import comparisons
from ptq_privacy.report import conclusions, page, sentences, side_by_side, summary_pages


@dataclass(frozen=True)
class Network:
    """The files that say what one network of one data set leaks."""

    dataset: str
    network: str
    comparisons: str | None  # none where nothing is compressed
    calibration: str | None
    sweep: str
    exposures: Mapping[str, str]  # by adversary
    thresholds: str | None

    @property
    def name(self) -> str:
        return f"{self.dataset}, {self.network}"


def publish(
    networks: Sequence[Network],
    summary: str | Path,
    attacks: Sequence[str],
    conclusions_html: str | Path,
    conclusions_markdown: str | Path,
    summary_html: str | Path,
    adversaries_html: str | Path,
    adversaries_csv: str | Path,
    adversaries_markdown: str | Path,
    origin: Origin,
) -> None:
    """Write every page and table of the study.

    Args:
        attacks: those that the conclusions and the Markdown tables speak of, the headline first.
    """
    table = pd.read_parquet(summary)
    said, compared = [], []
    for network in networks:
        own = table[(table["dataset"] == network.dataset) & (table["network"] == network.network)]
        of_precisions = _read(network.comparisons)
        sections = conclusions.of_network(
            own,
            of_precisions,
            {key: pd.read_parquet(path) for key, path in network.exposures.items()},
            _read(network.calibration),
            pd.read_parquet(network.sweep),
            _read(network.thresholds),
            attacks,
        )
        said.append((network.name, sections))
        if of_precisions is None:
            of_precisions = comparisons.table([])
        both = side_by_side.side_by_side(of_precisions, own)
        both.insert(0, "dataset", network.dataset)
        both.insert(1, "network", network.network)
        compared.append(both)
    all_compared = pd.concat(compared, ignore_index=True)
    made = origins.comment(origin)
    body = [page.answers(name, sections) for name, sections in said]
    _write(conclusions_html, page.page("What can be concluded", body), made)
    _write(conclusions_markdown, sentences.as_markdown(said), made)
    _write(summary_html, summary_pages.summary_page(table), made)
    _write(adversaries_html, summary_pages.adversaries_page(all_compared), made)
    _write(adversaries_csv, all_compared.to_csv(index=False, float_format="%.6g"))
    _write(adversaries_markdown, summary_pages.adversaries_markdown(all_compared, attacks), made)


def _read(path: str | None) -> pd.DataFrame | None:
    return None if path is None else pd.read_parquet(path)


def _write(path: str | Path, text: str, made: str = "") -> None:
    with replacing(path) as temporary:
        temporary.write_text(text + made, encoding="utf-8")

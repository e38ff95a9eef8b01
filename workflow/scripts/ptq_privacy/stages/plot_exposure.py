"""Stage: which samples of one network stay exposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ptq_privacy.data import dataset as datasets
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import contact_sheet, exposure_figure, style


def plot_exposure(
    summary: str | Path,
    exposed: str | Path,
    exposures: Mapping[str, str | Path],
    dataset_path: str | Path,
    dataset: str,
    network: str,
    outputs: Sequence[str | Path],
    sheet_outputs: Sequence[str | Path],
    origin: Origin,
) -> None:
    """Draw exposure by rank and variant, and the samples that are exposed most.

    Args:
        exposed: each sample's exposure, to the last of the adversaries.
        exposures: what it adds up to, by adversary.
    """
    title = f"{dataset}, {network}"
    table = tables.read_frame(summary)
    own = table[(table["dataset"] == dataset) & (table["network"] == network)]
    nonmembers = int(own["nonmembers"].min())
    frames = {adversary: tables.read_frame(path) for adversary, path in exposures.items()}
    style.save(exposure_figure.draw(frames, title, nonmembers), outputs, origin)
    sheet = contact_sheet.draw(
        tables.read_frame(exposed),
        datasets.read(dataset_path),
        contact_sheet.shown_variants(own),
        f"{title}, {list(exposures)[-1]} shadow models",
        nonmembers,
    )
    style.save(sheet, sheet_outputs, origin)

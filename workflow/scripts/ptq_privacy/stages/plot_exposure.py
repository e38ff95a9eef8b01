"""Stage: which samples of one network stay exposed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptq_privacy.data import dataset as datasets
from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin
from ptq_privacy.report import contact_sheet, exposure_figure, style
from ptq_privacy.study.adversaries import ADVERSARIES
from ptq_privacy.study.input_kinds import INPUT_KINDS


def plot_exposure(
    summary: str | Path,
    exposed: str | Path,
    exposure_summary: str | Path,
    dataset_path: str | Path,
    dataset: str,
    network: str,
    outputs: Sequence[str | Path],
    sheet_outputs: Sequence[str | Path],
    origin: Origin,
) -> None:
    """Draw exposure by rank and variant, and the samples that are exposed most.

    Args:
        exposed: each sample's exposure to each adversary; shown is the last who has a variant
            alone, who knows most.
        exposure_summary: what it adds up to.
    """
    title = f"{dataset}, {network}"
    table = tables.read_frame(summary)
    own = table[(table["dataset"] == dataset) & (table["network"] == network)]
    nonmembers = int(own["nonmembers"].min())
    frames = exposure_figure.by_adversary(tables.read_frame(exposure_summary))
    data = datasets.read(dataset_path)
    samples = INPUT_KINDS[data.kind].samples
    figure = exposure_figure.draw(frames, title, nonmembers, samples)
    style.save(figure, outputs, origin)
    alone = [name for name in frames if not ADVERSARIES[name].beside_full]
    strongest = (alone or list(frames))[-1]
    sheet = contact_sheet.draw(
        exposure_figure.by_adversary(tables.read_frame(exposed))[strongest],
        data,
        contact_sheet.shown_variants(own),
        f"{title}: the most exposed {samples}, to the {strongest} adversary",
        nonmembers,
    )
    style.save(sheet, sheet_outputs, origin)

"""Stage: the report, what can be concluded from the whole study, and its tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ptq_privacy.files.origin import Origin
from ptq_privacy.report import publish
from ptq_privacy.report.front_page import Figure


def conclude(
    summary: str | Path,
    comparisons: Sequence[str | Path],
    methods: Sequence[str | Path],
    calibration: Sequence[str | Path],
    sweeps: Sequence[str | Path],
    exposures: Sequence[str | Path],
    disparities: Sequence[str | Path],
    thresholds: Sequence[str | Path],
    scale: Sequence[str | Path],
    svg: Sequence[str | Path],
    png: Sequence[str | Path],
    study: str,
    networks: Sequence[Mapping[str, str]],
    attacks: Sequence[str],
    margin: float,
    figures: Sequence[Mapping[str, str]],
    captions: Mapping[str, str],
    outputs: Mapping[str, str | Path],
    origin: Origin,
) -> None:
    """Write the report and every table of the study.

    Args:
        sweeps, exposures, disparities: a file for each network; comparisons, calibration,
            thresholds likewise, or none.
        svg, png: each figure in two formats, in the order of `figures`.
        methods: the table of methods against each other, or none.
        scale: the table of networks by their size, or none.
        attacks: scores that the pages speak of, the headline first.
        figures: of each its `dataset`, `network`, `name`, `question` and `title`; a `heading` where
            it is of several networks.
        captions: what each kind of figure shows and how to read it, as reStructuredText, by what
            its name begins with.
        outputs: by the names that `publish.publish` has for them.
    """
    of_network = [
        publish.Network(
            **place,
            comparisons=_of(comparisons, index),
            calibration=_of(calibration, index),
            sweep=str(sweeps[index]),
            exposures=str(exposures[index]),
            disparity=str(disparities[index]),
            thresholds=_of(thresholds, index),
        )
        for index, place in enumerate(networks)
    ]
    drawn = [
        Figure(
            network=f"{figure['dataset']}, {figure.get('heading', figure['network'])}",
            question=figure["question"],
            title=figure["title"],
            caption=captions[figure["name"].partition("-")[0]],
            paths=tuple(map(str, paths)),
        )
        for figure, *paths in zip(figures, svg, png, strict=True)
    ]
    publish.publish(
        study,
        of_network,
        drawn,
        summary,
        _of(methods, 0),
        _of(scale, 0),
        attacks,
        margin,
        **outputs,
        origin=origin,
    )


def _of(paths: Sequence[str | Path], index: int) -> str | None:
    return str(paths[index]) if paths else None

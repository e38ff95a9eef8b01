"""Stage: what can be concluded from the whole study, and its tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ptq_privacy.files.origin import Origin
from ptq_privacy.report import publish


def conclude(
    summary: str | Path,
    comparisons: Sequence[str | Path],
    calibration: Sequence[str | Path],
    sweeps: Sequence[str | Path],
    exposures: Sequence[str | Path],
    thresholds: Sequence[str | Path],
    networks: Sequence[Mapping[str, str]],
    adversaries: Sequence[str],
    attacks: Sequence[str],
    outputs: Mapping[str, str | Path],
    origin: Origin,
) -> None:
    """Write every page and table of the study.

    Args:
        sweeps: a file for each network; comparisons, calibration and thresholds likewise, or none.
        exposures: as many files for each network as there are adversaries.
        attacks: scores that the pages speak of, the headline first.
        outputs: by the names that `publish.publish` has for them.
    """
    of_network = [
        publish.Network(
            **place,
            comparisons=_path(comparisons, index),
            calibration=_path(calibration, index),
            sweep=str(sweeps[index]),
            exposures=dict(
                zip(
                    adversaries,
                    map(str, exposures[index * len(adversaries) :][: len(adversaries)]),
                    strict=True,
                )
            ),
            thresholds=_path(thresholds, index),
        )
        for index, place in enumerate(networks)
    ]
    publish.publish(of_network, summary, attacks, **outputs, origin=origin)


def _path(paths: Sequence[str | Path], index: int) -> str | None:
    return str(paths[index]) if paths else None

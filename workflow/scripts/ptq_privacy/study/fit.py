"""Whether a config fits its data: what would fail after hours of training is found before.

Of published data the source's fragment says how many samples there are; of your own only the
prepared data set can, so that training begins with the same question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ptq_privacy.study import fragments, input_kinds
from ptq_privacy.study.experiment import kind_of, levels_of
from ptq_privacy.study.input_kinds import INPUT_KINDS


def check_known(config: Mapping[str, Any]) -> None:
    """Look at each data set, as far as its size is known before it is prepared.

    Raises:
        ValueError: as `check`, or more samples are audited than there are, or a view, a network or
            a way to augment is of another kind than the samples.
    """
    for dataset, entry in config["datasets"].items():
        _check_kind(config, dataset, kind_of(config, dataset))
        _check_procedures(config, dataset)
        shape = fragments.get("sources", entry["source"]).more.get("shape", {})
        there, wanted = shape.get("samples"), entry.get("audit_samples")
        if wanted is not None and there is not None and wanted > there:
            raise ValueError(
                f"datasets.{dataset}.audit_samples: {wanted} is more than the {there} training "
                f"samples of {entry['source']}"
            )
        samples = there if wanted is None else wanted
        if samples is not None:
            check(config, dataset, samples, shape.get("inputs", ()))


def check(config: Mapping[str, Any], dataset: str, samples: int, inputs: Sequence[int]) -> None:
    """Look at one data set of known size.

    Args:
        samples: audited, half of which are a model's members.
        inputs: a sample's shape, such as (channels, height, width); empty: not known.

    Raises:
        ValueError: a batch or the calibration takes more members than a model has, a promise of
            privacy is none, or a view leaves nothing of an image; names the key.
    """
    members = samples // 2
    for key, need in _members_taken(config, dataset):
        if need > members:
            raise ValueError(
                f"{key}: {need} is more than the {members} members of a model, half of the "
                f"{samples} audit samples of {dataset}"
            )
    _check_promises(config, dataset, members)
    place, queries = _queries(config, dataset)
    for query in queries:
        shift = re.search(r"shift:(-?\d+),(-?\d+)", query)
        if shift and len(inputs) == 3:
            _, height, width = inputs
            if abs(int(shift[1])) >= width or abs(int(shift[2])) >= height:
                raise ValueError(
                    f"{place}: {query!r} leaves nothing of the {width}x{height} pixels of an "
                    f"image of {dataset}"
                )


def _queries(config: Mapping[str, Any], dataset: str) -> tuple[str, Sequence[str]]:
    """The key that says which views of a data set's samples are asked for, and these."""
    entry = config["datasets"][dataset]
    if "queries" in entry:
        return f"datasets.{dataset}.queries", entry["queries"]
    return "queries", config["queries"]


def _check_kind(config: Mapping[str, Any], dataset: str, kind: str) -> None:
    place, queries = _queries(config, dataset)
    for query in queries:
        if not re.search(input_kinds.views(kind), query):
            raise ValueError(
                f"{place}: {query!r} is no view of {kind}, which {dataset} holds; allowed: "
                f"{INPUT_KINDS[kind].forms}"
            )
        drop = re.match(r"drop:(\d+)/(\d+)", query)
        if drop and int(drop[1]) > int(drop[2]):
            raise ValueError(
                f"{place}: {query!r}: there is no part {drop[1]} of {drop[2]}; allowed: 1 to "
                f"{drop[2]}"
            )
    for key in config["datasets"][dataset].get("training", {}):
        if input_kinds.augmentation().get(key, kind) != kind:
            raise ValueError(
                f"datasets.{dataset}.training.{key}: is for {input_kinds.augmentation()[key]}; "
                f"{dataset} holds {kind}"
            )
    known = fragments.of_kind("networks")
    for index, entry in enumerate(config["networks"]):
        name = entry if isinstance(entry, str) else entry.get("architecture")
        if name is not None and known[name].more["kind"] != kind:
            fitting = [other for other, network in known.items() if network.more["kind"] == kind]
            raise ValueError(
                f"networks.{index}: {name} takes {known[name].more['kind']}, and {dataset} holds "
                f"{kind}; allowed: {', '.join(fitting)}, or a factory of your own"
            )


def _members_taken(config: Mapping[str, Any], dataset: str) -> Iterator[tuple[str, int]]:
    """Keys that take members of a model, and how many; of a recipe, where it says so."""
    for levels in _trainings(config, dataset):
        place = _place_of(levels, "batch_size")
        if place is not None:
            yield f"{place}.batch_size", levels[place]["batch_size"]
    if config["compression"]["methods"]:
        yield "compression.calibration_samples", config["compression"]["calibration_samples"]


def _check_promises(config: Mapping[str, Any], dataset: str, members: int) -> None:
    """A delta of one in the members would let one of them be published with certainty."""
    for levels in _trainings(config, dataset):
        place = _place_of(levels, "dp")
        if place is not None and levels[place]["dp"]["delta"] * members >= 1:
            raise ValueError(
                f"{place}.dp.delta: {levels[place]['dp']['delta']:g} is not less than one in the "
                f"{members} members of a model on {dataset}, {1 / members:.3g}"
            )


def _check_procedures(config: Mapping[str, Any], dataset: str) -> None:
    """What stands over your own procedure would be ignored."""
    for levels in _trainings(config, dataset):
        procedure = None
        for place, level in levels.items():
            if "procedure" in level:
                procedure = place
            elif level and procedure is not None:
                raise ValueError(
                    f"{place}.{next(iter(level))}: is of the built-in recipe, in whose place "
                    f"{procedure}.procedure stands; allowed: a procedure of its own"
                )


def _trainings(config: Mapping[str, Any], dataset: str) -> Iterator[dict[str, Mapping[str, Any]]]:
    """Of each network, as `levels_of` has them."""
    for index, entry in enumerate(config["networks"]):
        own = {} if isinstance(entry, str) else entry.get("training", {})
        yield levels_of(config, dataset, own, f"networks.{index}")


def _place_of(levels: dict[str, Mapping[str, Any]], key: str) -> str | None:
    """Which level's a recipe's key is; None: no level's, or the training is your own."""
    for place in reversed(levels):
        if "procedure" in levels[place]:
            return None
        if key in levels[place]:
            return place
    return None

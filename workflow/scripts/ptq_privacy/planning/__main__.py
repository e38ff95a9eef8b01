"""The plan of a study, printed: python -m ptq_privacy.planning config/paper.yaml --tflops 100"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ptq_privacy.networks.factories import Factory
from ptq_privacy.planning import network_cost, rates, shapes
from ptq_privacy.planning.rates import Rates
from ptq_privacy.planning.stage_costs import Case, Stage, plan, table
from ptq_privacy.study import config_file, fit
from ptq_privacy.study.experiment import training_of


def planned(config: dict[str, Any], results: Path, tflops: float | None = None) -> list[Stage]:
    """The stages of a config, whose defaults are filled in place.

    Args:
        results: the folder of all studies' results, where one's own data may be prepared already.
        tflops: what the device sustains in training; None: measure here.

    Raises:
        ValueError: the config is wrong, its device is not here, or its data are not known yet.
    """
    study = config_file.study_of(config)

    @cache
    def rate(autocast: bool) -> Rates:
        if tflops is not None:
            return rates.given(tflops)
        if config["device"] == "cuda" and not torch.cuda.is_available():
            raise ValueError(
                "device: cuda, but there is none here to measure; say what one sustains in "
                "training, in 10^12 operations a second: make plan TFLOPS=100 CONFIG=..."
            )
        return rates.measured(torch.device(config["device"]), autocast)

    cases = []
    for name, settings in config["datasets"].items():
        prepared = results / config["study"] / name / "dataset.safetensors"
        shape = shapes.of(name, settings, prepared)
        fit.check(config, name, shape.samples, shape.inputs)
        for network in study.networks.values():
            known = (network.settings, shape.classes, shape.inputs, shape.sizes)
            factory = Factory(network.function, *known)
            _, recipe = training_of(config, name, network)
            cost = network_cost.measure(factory)
            plain = recipe.get("autocast", False) and "dp" not in recipe
            cases.append(Case(study, config, name, recipe, shape, cost, rate(plain)))
    return plan(study, config, cases)


def explained(config: Mapping[str, Any], tflops: float | None) -> str:
    """What the numbers below it rest on."""
    if tflops is None:
        basis = f"rates measured here on the {config['device']}, one thread a job"
    else:
        basis = f"at {tflops:g} TFLOPS sustained in training, half that in float32"
    return f"Study {config['study']}: {basis}. Tables and figures come on top, seconds a job."


def untold(stages: list[Stage]) -> str:
    """Which stages cannot tell their cost, and why; nothing if all do."""
    names = [stage.name for stage in stages if math.isnan(stage.device_seconds)]
    if not names:
        return ""
    return (
        f"{', '.join(names)}: the time is not known, and not in the total. A method says it where "
        "its fragment has the key `work` (docs/own.md); one named by import path cannot, nor can a "
        "training."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make plan", description=__doc__)
    parser.add_argument("config", type=Path, nargs="+")
    parser.add_argument("--tflops", type=float)
    arguments = parser.parse_args()
    try:
        config, _ = config_file.whole(config_file.only(arguments.config))
        stages = planned(config, Path("results"), arguments.tflops)
    except (ValueError, OSError) as error:
        sys.exit(f"plan: {error}")
    print(explained(config, arguments.tflops))
    print()
    print(table(stages))
    if unknown := untold(stages):
        print()
        print(unknown)


if __name__ == "__main__":
    main()

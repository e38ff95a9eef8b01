"""What a config may say of samples of each kind, and that other things are refused by name."""

import re

import pytest

from ptq_privacy.study import fragments, input_kinds, schema
from ptq_privacy.study.experiment import kind_of


def config(**changes):
    whole = {
        "study": "small",
        "datasets": {"people": {"source": "locations"}},
        "networks": ["mlp"],
        "pool": {"shadow_models": 4, "targets": 2, "models_per_job": 3},
        "training": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
        "compression": {"methods": ["obc"], "bits": [2], "calibration_samples": 64},
        "queries": ["identity"],
        "attacks": {"adversaries": ["transfer"]},
    }
    return whole | changes


def entry(**changes):
    return {"datasets": {"people": {"source": "locations", **changes}}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"queries": ["identity", "flip"]},
            "queries: 'flip' is no view of rows, which people holds; allowed: identity, "
            "drop:PART/PARTS",
        ),
        (
            entry(queries=["shift:1,0"]),
            "datasets.people.queries: 'shift:1,0' is no view of rows, which people holds; ",
        ),
        (
            entry(queries=["drop:3/2"]),
            "datasets.people.queries: 'drop:3/2': there is no part 3 of 2; allowed: 1 to 2",
        ),
        (
            entry(training={"flip": True}),
            "datasets.people.training.flip: is for images; people holds rows",
        ),
        (
            {"networks": ["mlp", {"name": "net", "architecture": "resnet6"}]},
            "networks.1: resnet6 takes images, and people holds rows; allowed: mlp, or a factory ",
        ),
        (
            {"datasets": {"digits": {"source": "digits"}}},
            "networks.0: mlp takes rows, and digits holds images; allowed: densenet121, ",
        ),
        ({"queries": ["drop:1/1"]}, "queries.0: 'drop:1/1' is not allowed; "),
    ],
)
def test_what_is_of_another_kind_is_refused(changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        schema.checked(config(**changes))


def test_a_view_and_a_factory_of_ones_own_pass():
    own = {"name": "own", "factory": "nets:build"}
    whole = config(networks=[own], **entry(queries=["identity", "drop:2/4"]))
    schema.checked(whole)
    assert kind_of(whole, "people") == "rows"


def test_every_kind_has_a_source_and_a_network():
    for kind in ("sources", "networks"):
        known = {fragment.more["kind"] for fragment in fragments.of_kind(kind).values()}
        assert known == input_kinds.INPUT_KINDS.keys()

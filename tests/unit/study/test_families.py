"""Which networks of a study are alike but for their size."""

import pytest

from ptq_privacy.study.experiment import Named
from ptq_privacy.study.families import families


def network(name, function="nets:mlp", fragment="mlp", training=None, **settings):
    return Named(name, function, settings, training or {}, fragment)


def mlps(count, **more):
    return [network(f"mlp-{n}", widths=[n, n], activation="relu", **more) for n in range(count)]


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        (mlps(2), {}),
        (mlps(4), {"mlp-0": ("mlp-0", "mlp-1", "mlp-2", "mlp-3")}),
        # Another size that is none, another recipe, another activation, another architecture.
        ([*mlps(2), network("again", widths=[1, 1], activation="relu")], {}),
        ([*mlps(2), *mlps(3, training={"epochs": 3})[2:]], {}),
        ([*mlps(2), network("tanh", widths=[5, 5], activation="tanh")], {}),
        ([*mlps(2), network("r", "nets:resnet", "resnet6", widths=[5, 5], activation="relu")], {}),
        ([network(f"own-{n}", "mine:net", None, width=n) for n in (1, 2, 3)], {"own-1"}),
    ],
)
def test_three_networks_that_differ_in_numbers_alone_are_a_family(networks, expected):
    found = families(networks)
    assert (found if isinstance(expected, dict) else found.keys()) == expected

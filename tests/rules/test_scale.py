"""The rules of networks by their size, on copies of one network that call themselves larger."""

import copy
import json
import shutil

import pandas as pd
import pytest

from ptq_privacy.files import origin
from tests.conftest import TINY, Workdir

pytestmark = pytest.mark.slow

SIZES = {"resnet6": 5_000, "double": 20_000, "fourfold": 80_000}
RULES = ("compare_scale", "plot_scale")


def config(networks):
    entries = [
        {"name": name, "architecture": "resnet6", "settings": {"multiple": 1 + place}}
        for place, name in enumerate(networks)
    ]
    return {**copy.deepcopy(TINY), "networks": entries}


@pytest.fixture
def larger(finished, tmp_path):
    """The finished study, its network under three names."""
    workdir = Workdir(tmp_path / "study")
    for name, parameters in SIZES.items():
        own = workdir.results / "digits" / name
        shutil.copytree(finished.results / "digits/resnet6", own)
        tried = json.loads((own / "network.json").read_text())
        (own / "network.json").write_text(json.dumps({**tried, "parameters": parameters}))
    workdir.write_config(config(SIZES))
    return workdir


def test_table_and_figure_of_three_networks(larger, finished):
    figure = larger.results / "figures/scale-digits-resnet6.svg"
    larger.run(str(figure.relative_to(larger.path)), "--allowed-rules", *RULES)
    table = pd.read_parquet(larger.results / "tables/scale.parquet")
    # One variant by two adversaries, another likewise, full precision; one metric's three networks.
    levels = table[(table["kind"] == "leak") & (table["metric"] == "auc")]
    attacks = table["attack"].nunique()
    assert len(levels) == attacks * (1 + 2 * 2) * 3
    assert dict(zip(levels["network"], levels["parameters"], strict=True)) == SIZES
    of_full = levels[(levels["variant"] == "full") & (levels["attack"] == "rmia_online")]
    known = pd.read_parquet(finished.results / "digits/resnet6/full/leakage-transfer.parquet")
    expected = known.set_index("attack").loc["rmia_online", "auc_mean"]
    assert of_full["estimate"].tolist() == pytest.approx([expected] * 3)
    assert of_full["accuracy"].nunique() == 1
    # All three are one network, so nothing goes with its size.
    trends = table[table["kind"] != "leak"]
    assert len(trends) == 3 * attacks * (1 + 2 * 2 * 2)
    assert (trends["estimate"].abs() < 1e-12).all()
    assert (trends["p_value"] == 1).all()
    assert (larger.results / "tables/scale.csv").read_text().startswith("dataset,family,attack,")
    assert origin.read(figure)["rule"] == "plot_scale"
    assert "digits, resnet6 to fourfold" in figure.read_text()


def test_only_three_networks_that_differ_in_size_are_compared_so(tmp_path):
    workdir = Workdir(tmp_path)
    for networks, expected in ((SIZES, dict.fromkeys(RULES, 1)), (list(SIZES)[:2], {})):
        workdir.write_config(config(networks))
        planned = workdir.planned()
        assert {rule: planned[rule] for rule in RULES if rule in planned} == expected

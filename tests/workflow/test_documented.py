"""What README.md and docs/own.md show is what runs."""

import copy
import re

import pytest
import torch
import yaml
from torch import nn

from ptq_privacy.compression.grid import QuantizedWeight, nearest, search
from ptq_privacy.data import dataset
from ptq_privacy.graph.layers import set_weight
from ptq_privacy.study import fragments, schema
from ptq_privacy.study.experiment import Study
from tests.conftest import REPOSITORY, TINY


def blocks(page, language):
    """The code blocks of a page in one language."""
    text = (REPOSITORY / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def test_the_config_in_the_readme_is_the_examples():
    (shown,) = (block for block in blocks("README.md", "yaml") if block.startswith("study:"))
    example = (REPOSITORY / "resources/example/config.yaml").read_text()
    assert yaml.safe_load(shown) == yaml.safe_load(example)


OF_KIND = {"images": ["resnet6"], "rows": ["mlp"], "tokens": ["transformer"]}


@pytest.mark.parametrize("section", ["networks", "compression"])
def test_what_is_shown_of_a_config_passes_its_check(section):
    (shown,) = (b for b in blocks("docs/own.md", "yaml") if b.startswith(f"{section}:"))
    config = copy.deepcopy(TINY)
    if section == "compression":
        config[section] |= yaml.safe_load(shown)[section]
    else:
        config |= yaml.safe_load(shown)
    schema.checked(config)
    Study.from_config(config)


def test_every_data_set_that_is_shown_passes_the_configs_check():
    shown = [b for b in blocks("docs/own.md", "yaml") if b.startswith("datasets:")]
    assert len(shown) == 2
    for name, entry in (item for b in shown for item in yaml.safe_load(b)["datasets"].items()):
        kind = fragments.get("sources", entry["source"]).more.get("kind", "images")
        config = copy.deepcopy(TINY) | {"datasets": {name: entry}, "networks": OF_KIND[kind]}
        if kind != "images":
            config["queries"] = ["identity"]
            del config["training"]["flip"], config["training"]["crop_padding"]
        schema.checked(config)
        Study.from_config(config)


def test_the_compression_that_is_shown_compresses():
    (shown,) = (b for b in blocks("docs/own.md", "python") if "def compress" in b)
    known = {"search": search, "QuantizedWeight": QuantizedWeight, "set_weight": set_weight}
    known["my_codes"] = lambda weight, grid, strength: nearest(strength * weight, grid)
    exec(shown, known)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    given = network[3].weight.detach().clone()
    with torch.no_grad():
        made, layers = known["compress"](network, None, {"0": 16, "3": 4}, 0, strength=1.0)
    assert list(layers) == ["0", "3"]
    assert (made[3].weight != given).any()
    assert max(len(row.unique()) for row in made[3].weight) <= 4


def test_a_stored_variant_is_a_network_as_shown(finished, monkeypatch):
    (shown,) = (b for b in blocks("README.md", "python") if "import live" in b)
    known = {
        "images": torch.tensor(
            dataset.read(finished.results / "digits/dataset.safetensors").train_inputs[:5]
        )
    }
    stored = "results/digits/digits/resnet6/brecq-w2/"
    assert stored in shown
    monkeypatch.chdir(finished.path)
    # The tiny study's two shards hold three models each.
    shown = shown.replace(stored, "results/tiny/digits/resnet6/brecq-w1.58/").replace("=3", "=2")
    exec(shown, known)
    assert known["logits"].shape == (5, 10)

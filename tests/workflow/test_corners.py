"""Corners of the config that the tiny study does not reach, run to their end."""

import copy
import json

import pytest
from safetensors import safe_open

from tests.conftest import TINY

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("methods", "headline"),
    [(["global_threshold"], "global_threshold"), (["rmia"], "rmia_offline")],
    ids=["no shadow models used", "rmia alone"],
)
def test_some_of_the_attacks_alone(study, methods, headline):
    config = copy.deepcopy(TINY)
    config["attacks"] |= {"methods": methods, "headline": headline}
    study.write_config(config)
    plan = study.planned()
    assert not {"train_models", "compress_models", "query_logits"} & set(plan)
    study.run()
    assert study.planned() == {}
    text = (study.results / "tables/conclusions.md").read_text()
    assert "RMIA and LiRA were not both run" in text
    for figure in ("sweep", "adversaries", "exposure", "tradeoff"):
        assert (study.results / f"figures/{figure}-digits-resnet6.svg").is_file()


def test_a_further_draw_of_a_variant(study):
    """Another calibration set and seed, asked for by its path; the variant itself stays."""
    folder = "results/tiny/digits/resnet6/brecq-w1.58"
    study.run(f"{folder}/draw-1/logits-000.parquet", f"{folder}/draw-2/shard-000.safetensors")
    assert study.planned() == {}
    known = {}
    for place in ("", "/draw-1", "/draw-2"):
        with safe_open(study.path / f"{folder}{place}/shard-000.safetensors", "np") as file:
            told = json.loads(file.metadata()["checkpoint"])
        assert (told["variant"], told["draw"]) == ("brecq-w1.58", int(place[-1:] or 0))
        known[place] = {record["calibration_digest"] for record in told["records"].values()}
    assert len(set.union(*known.values())) == 3 * 3


def test_views_of_one_data_set(study):
    config = copy.deepcopy(TINY)
    config["datasets"]["digits"]["queries"] = ["identity"]
    study.write_config(config)
    plan = study.planned()
    assert plan["query_logits"] == 3 * 2
    assert not {"prepare_dataset", "train_models", "compress_models"} & set(plan)

"""The whole tiny study: what a dry run plans, and that its end fits its beginning."""

import copy

import numpy as np
import pandas as pd
import pytest
import yaml

from ptq_privacy.answers.phi import phi
from ptq_privacy.attacks import lira
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.planning import jobs
from ptq_privacy.study.experiment import Study
from ptq_privacy.study.schema import checked
from tests.conftest import TINY, Workdir

NETWORK = "digits/resnet6"


def test_the_plan_of_a_fresh_study(tmp_path):
    workdir = Workdir(tmp_path)
    workdir.write_config(TINY)
    planned = workdir.planned()
    config = copy.deepcopy(TINY)
    checked(config)
    assert jobs.counts(Study.from_config(config)).items() <= planned.items()
    assert planned == {
        "prepare_dataset": 1,
        "assign_members": 2,
        "tabulate_members": 1,
        "check_network": 1,
        "train_models": 2,
        "compress_models": 2 * 2,
        "query_logits": 3 * 2,
        "score_attacks": 1 + 2 * 2,
        "measure_leakage": 1 + 2 * 2,
        "calibrate_thresholds": 1,
        "measure_exposure": 1,
        "measure_disparity": 1,
        "compare_variants": 1,
        "bound_epsilon": 1,
        "compare_calibration": 1,
        "summarize": 1,
        "plot_roc": 2,
        "sweep_shadow_models": 1,
        "plot_tradeoff": 1,
        "plot_sweep": 1,
        "plot_adversaries": 1,
        "plot_exposure": 1,
        "conclude": 1,
        "all": 1,
    }


@pytest.mark.slow
def test_the_plan_of_the_papers_grid(tmp_path):
    """Each rule's jobs, from the config's numbers alone; a new rule is a new line here."""
    workdir = Workdir(tmp_path)
    config = yaml.safe_load((workdir.repository / "config/paper.yaml").read_text())
    workdir.write_config(config)
    datasets = len(config["datasets"])
    networks = datasets * len(config["networks"])
    shards, rest = divmod(config["pool"]["shadow_models"] + 2, config["pool"]["models_per_job"])
    assert rest == 0
    widths = len(config["compression"]["bits"]) + len(config["compression"]["decoupled"])
    recipes = len(config["compression"]["methods"]) * widths
    adversaries = len(config["attacks"]["adversaries"])
    assert (networks, recipes, adversaries) == (3 * 3, 5 * (3 + 1), 4)
    cells = networks * (1 + recipes * adversaries)
    expected = {
        "prepare_dataset": datasets,
        "assign_members": datasets * shards,
        "tabulate_members": datasets,
        "check_network": networks,
        "train_models": networks * shards,
        "compress_models": networks * recipes * shards,
        "query_logits": networks * (1 + recipes) * shards,
        "score_attacks": cells,
        "measure_leakage": cells,
        "summarize": 1,
        "plot_roc": networks * adversaries,
        "plot_tradeoff": networks,
        "calibrate_thresholds": networks,
        "measure_exposure": networks,
        "measure_disparity": networks,
        "compare_variants": networks,
        "compare_methods": 1,
        "bound_epsilon": networks,
        "compare_calibration": networks,
        "sweep_shadow_models": networks,
        "plot_sweep": networks,
        "plot_adversaries": networks,
        "plot_exposure": networks,
        "conclude": 1,
        "all": 1,
    }
    assert workdir.planned() == expected
    checked(config)
    assert jobs.counts(Study.from_config(config)).items() <= expected.items()


@pytest.mark.slow
@pytest.mark.parametrize(("config", "shards"), [("config", 1), ("fashion-mnist", 2)])
def test_every_config_has_a_plan(tmp_path, config, shards):
    workdir = Workdir(tmp_path)
    shipped = (workdir.repository / f"config/{config}.yaml").read_text()
    workdir.write_config(yaml.safe_load(shipped))
    assert workdir.planned()["compress_models"] == 5 * 4 * shards


def test_a_finished_study_has_nothing_left_to_do(finished):
    assert "Nothing to be done" in finished.run("--dry-run")


@pytest.mark.slow
def test_transfer_alone_quantizes_only_the_shards_with_targets(tmp_path):
    workdir = Workdir(tmp_path)
    config = copy.deepcopy(TINY)
    config["attacks"]["adversaries"] = ["transfer"]
    workdir.write_config(config)
    plan = workdir.planned()
    assert (plan["compress_models"], plan["query_logits"]) == (2, 2 + 2)
    assert plan["conclude"] == 1
    assert "plot_adversaries" not in plan


@pytest.mark.slow
def test_more_shadow_models_train_only_the_new_ones(study):
    config = copy.deepcopy(TINY)
    config["pool"]["shadow_models"] = 10
    study.write_config(config)
    plan = study.planned()
    assert plan["train_models"] == 2
    assert plan["compress_models"] == 2 * 2
    assert plan["assign_members"] == 2
    assert "prepare_dataset" not in plan


@pytest.mark.slow
def test_a_new_method_quantizes_only_by_it(study):
    config = copy.deepcopy(TINY)
    config["compression"]["methods"] = ["brecq", "obc"]
    study.write_config(config)
    plan = study.planned()
    assert "train_models" not in plan
    assert plan["compress_models"] == 2 * 2
    assert plan["score_attacks"] == 2 * 2


def test_scores_are_lira_on_the_recorded_logits(finished):
    """From the files alone, by the public definition, for one target and one variant."""
    shards = [
        pd.read_parquet(finished.results / NETWORK / f"brecq-w1.58/logits-{shard:03d}.parquet")
        for shard in range(2)
    ]
    table = pd.concat(shards).sort_values(["model", "sample", "query"])
    recorded = phi(np.stack(table["logits"]), table["label"].to_numpy()).reshape(6, 240, 2)
    member = table["member"].to_numpy().reshape(6, 240, 2)[:, :, 0]
    evidence = Evidence.of(recorded[[1]], recorded, member, [1])
    expected = lira.scores(evidence, {"reference": False})["lira_online"][0]
    scores = pd.read_parquet(finished.results / NETWORK / "brecq-w1.58/scores-adaptive.parquet")
    own = scores[scores["target"] == 1]
    np.testing.assert_array_equal(own["lira_online"], expected)
    # And the slow obvious way, for one sample: models 0 and 1 are the target's own pair.
    sample = 17
    shadows = [2, 3, 4, 5]
    inside = [m for m in shadows if member[m, sample]]
    outside = [m for m in shadows if not member[m, sample]]
    ratios = []
    for query in range(2):
        value = recorded[1, sample, query]
        logs = []
        for group in (inside, outside):
            centre = np.median(recorded[group, sample, query])
            deviation = np.std(recorded[group, sample, query])
            logs.append(-np.log(deviation) - ((value - centre) / deviation) ** 2 / 2)
        ratios.append(logs[0] - logs[1])
    assert own["lira_online"].iloc[sample] == pytest.approx(np.mean(ratios), rel=1e-9)


@pytest.mark.slow
def test_the_report_holds_every_figure_and_loads_nothing(study, tmp_path):
    page = tmp_path / "snakemake-report.html"
    study.run("--report", str(page))
    text = page.read_text()
    assert "What each network gives away is in" in text
    for kind in ("roc", "tradeoff", "storage", "sweep", "adversaries", "exposure", "exposed"):
        own = f"{kind}-digits-resnet6{'-transfer' if kind == 'roc' else ''}.svg"
        assert f"results/tiny/figures/{own}" in text
    for name in ("report.html", "tables/summary.csv", "tables/adversaries.csv"):
        assert f"results/tiny/{name}" in text
    assert '<script src="http' not in text
    assert '<link href="http' not in text


@pytest.mark.slow
def test_another_seed_is_another_study_all_the_way(study):
    study.write_config({**TINY, "seed": 4})
    plan = study.planned()
    assert plan["prepare_dataset"] == 1
    assert plan["train_models"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"typo": 1}, "top level: unknown key 'typo'; allowed: study, seed"),
        (
            {"pool": {"shadow_models": 5, "targets": 1, "models_per_job": 1}},
            "pool.shadow_models: 5",
        ),
        ({"pool": {"shadow_models": 4, "targets": 9, "models_per_job": 1}}, "pool.targets: 9"),
        (
            {
                "compression": {
                    "methods": [],
                    "bits": [4],
                    "decoupled": [{"bits": 4, "head_bits": 8}],
                }
            },
            "compression.decoupled: needs a method",
        ),
    ],
)
def test_a_wrong_config_is_one_clear_line_and_no_work(tmp_path, change, line):
    workdir = Workdir(tmp_path)
    workdir.write_config({**TINY, **change})
    done = workdir.snakemake()
    assert done.returncode != 0
    assert f"config: {line}" in done.stdout + done.stderr
    assert not workdir.results.exists()


def test_a_checkpoint_of_another_study_is_refused_and_kept(study):
    """Copied into place under the right name, it still says whose it is."""
    own = study.results / NETWORK / "brecq-w1.58-head8/shard-000.safetensors"
    foreign = study.results / NETWORK / "brecq-w1.58/shard-000.safetensors"
    own.write_bytes(foreign.read_bytes())
    logits = study.results / NETWORK / "brecq-w1.58-head8/logits-000.parquet"
    logits.unlink()
    done = study.snakemake(f"results/tiny/{NETWORK}/brecq-w1.58-head8/logits-000.parquet")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "its variant is 'brecq-w1.58', expected 'brecq-w1.58-head8'" in output
    assert not logits.exists()
    assert own.read_bytes() == foreign.read_bytes()


def test_a_damaged_file_is_named(study):
    own = study.results / NETWORK / "full/logits-000.parquet"
    own.write_bytes(own.read_bytes()[:-100])
    scores = study.results / NETWORK / "full/scores-transfer.parquet"
    scores.unlink()
    done = study.snakemake(f"results/tiny/{NETWORK}/full/scores-transfer.parquet")
    assert done.returncode != 0
    assert "full/logits-000.parquet" in done.stdout + done.stderr
    assert not scores.exists()


@pytest.mark.slow
def test_a_diverging_training_names_model_and_epoch(study):
    config = copy.deepcopy(TINY)
    config["training"]["learning_rate"] = 1e30
    study.write_config(config)
    done = study.snakemake(f"results/tiny/{NETWORK}/full/shard-000.safetensors")
    assert done.returncode != 0
    assert "model 0, epoch 1 of 8: the training loss is" in done.stdout + done.stderr

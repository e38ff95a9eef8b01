"""Each rule run by Snakemake on a finished study from which its outputs were removed."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open
from sklearn.datasets import load_digits

from ptq_privacy.answers.phi import phi
from ptq_privacy.files import origin, shard_records, tables
from ptq_privacy.report import claims, quoted, versus
from ptq_privacy.stages import compare_methods
from tests.conftest import TINY, jobs_of, run_once

NETWORK = "digits/resnet6"
TERNARY = f"{NETWORK}/brecq-w1.58"
METHODS = "tables/methods.parquet"
NOT_MADE = ("methods.parquet", "methods.csv")  # until asked for: the study has one method


def figures(*names):
    ends = (".svg", ".png")
    return tuple(f"figures/{name}{end}" for name in names for end in ends)


# Each rule's outputs that are removed and made again, in one run of Snakemake for several rules of
# which none needs another's.
WAVES: tuple[dict[str, tuple[str, ...]], ...] = (
    {"prepare_dataset": ("digits/dataset.safetensors",)},
    {
        "assign_members": ("digits/members-001.parquet",),
        "check_network": (f"{NETWORK}/network.json",),
    },
    {
        "tabulate_members": ("digits/membership.parquet",),
        "train_models": (f"{NETWORK}/full/shard-000.safetensors",),
    },
    {
        "compress_models": (f"{NETWORK}/brecq-w1.58-head8/shard-001.safetensors",),
        "query_logits": (f"{TERNARY}/logits-001.parquet",),
    },
    {
        "score_attacks": (f"{TERNARY}/scores-transfer.parquet",),
        "measure_leakage": (
            f"{TERNARY}/leakage-adaptive.parquet",
            f"{TERNARY}/values-adaptive.parquet",
        ),
        "sweep_shadow_models": (f"{NETWORK}/full/shadow-sweep.parquet",),
    },
    {
        "compare_variants": (f"{NETWORK}/comparisons.parquet",),
        "compare_calibration": (f"{NETWORK}/calibration.parquet",),
        "compare_methods": (METHODS, "tables/methods.csv"),
        "bound_epsilon": (f"{NETWORK}/epsilon.parquet",),
        "measure_exposure": (
            f"{NETWORK}/exposure.parquet",
            f"{NETWORK}/exposure-summary.parquet",
        ),
        "measure_disparity": (f"{NETWORK}/disparity.parquet",),
        "calibrate_thresholds": (f"{NETWORK}/thresholds.parquet",),
    },
    {"summarize": ("tables/summary.parquet", "tables/summary.csv", "tables/summary.md")},
    {"compress_models": (f"{TERNARY}/shard-001.safetensors",)},
    {
        "score_attacks": (f"{TERNARY}/scores-adaptive.parquet",),
        "plot_sweep": figures("sweep-digits-resnet6"),
    },
    {
        "plot_roc": figures("roc-digits-resnet6-adaptive"),
        "plot_tradeoff": figures("tradeoff-digits-resnet6", "storage-digits-resnet6"),
        "plot_adversaries": figures("adversaries-digits-resnet6"),
        "plot_exposure": figures("exposure-digits-resnet6", "exposed-digits-resnet6"),
    },
    {
        "conclude": (
            "report.html",
            "tables/conclusions.md",
            "tables/adversaries.csv",
            "tables/adversaries.md",
            "tables/mismatch.parquet",
            "tables/mismatch.csv",
        ),
    },
)


@pytest.fixture
def again(finished, tmp_path_factory, worker_id):
    """Make what a rule made again, alone; whoever asks first for one of a wave runs the wave."""

    def made(output):
        """The study in which an output was made again, not to be changed, and its path."""
        wave = next(wave for wave in WAVES if output in {o for own in wave.values() for o in own})
        targets = [f"results/tiny/{output}" for own in wave.values() for output in own]

        def begin(workdir):
            shutil.copytree(finished.path, workdir.path, dirs_exist_ok=True)
            for removed in ("complete", *targets):
                (workdir.path / removed).unlink(missing_ok=removed.endswith(NOT_MADE))

        name = f"wave-{WAVES.index(wave)}"
        study = run_once(tmp_path_factory, worker_id, name, begin, *targets)
        said = (study.path / "complete").read_text()
        assert jobs_of(said) == dict.fromkeys(wave, 1)  # nothing but these rules
        return study, study.results / output

    return made


def same_bytes(study, finished, output):
    return (study.results / output).read_bytes() == (finished.results / output).read_bytes()


def test_prepare_dataset(again, finished):
    study, path = again("digits/dataset.safetensors")
    with safe_open(path, "np") as file:
        images, labels = file.get_tensor("train_inputs"), file.get_tensor("train_labels")
        assert json.loads(file.metadata()["classes"]) == list("0123456789")
    assert images.shape == (240, 1, 8, 8)
    assert images.dtype == np.uint8
    # Every image is one of scikit-learn's, with its own label.
    digits = load_digits()
    known = {
        tuple(np.rint(pixels * 255 / 16).astype(np.uint8)): target
        for pixels, target in zip(digits.data, digits.target, strict=True)
    }
    assert [known[tuple(image.ravel())] for image in images] == labels.tolist()
    assert same_bytes(study, finished, "digits/dataset.safetensors")


def test_assign_members(again, finished):
    study, path = again("digits/members-001.parquet")
    table = pd.read_parquet(path)
    assert list(table) == ["sample", "model_0003", "model_0004", "model_0005"]
    assert (table["model_0004"] ^ table["model_0005"]).all()
    assert table["model_0003"].sum() == 120
    assert same_bytes(study, finished, "digits/members-001.parquet")


def test_check_network(again, finished):
    study, path = again(f"{NETWORK}/network.json")
    tried = json.loads(path.read_text())
    assert (tried["classes"], tried["inputs"]) == (10, [1, 8, 8])
    assert tried["parameters"] > 1000
    assert same_bytes(study, finished, f"{NETWORK}/network.json")


def test_tabulate_members(again, finished):
    _, path = again("digits/membership.parquet")
    table = pd.read_parquet(path)
    models = [f"model_{model:04d}" for model in range(6)]
    assert list(table) == ["sample", *models]
    assert (table[models].sum(axis=1) == 3).all()


def test_train_models(again, finished):
    study, path = again(f"{NETWORK}/full/shard-000.safetensors")
    with safe_open(path, "np") as file:
        metadata = json.loads(file.metadata()["checkpoint"])
        assert {name[:4] for name in file.keys()} == {"0000", "0001", "0002"}  # noqa: SIM118
    assert metadata["study"] == "tiny"
    assert metadata["records"]["2"]["train_accuracy"] > 0.3  # chance is 0.1
    assert same_bytes(study, finished, f"{NETWORK}/full/shard-000.safetensors")


@pytest.mark.parametrize(
    "variant", ["brecq-w1.58-head8", pytest.param("brecq-w1.58", marks=pytest.mark.slow)]
)
def test_compress_models(again, finished, variant):
    study, path = again(f"{NETWORK}/{variant}/shard-001.safetensors")
    with safe_open(path, "np") as file:
        levels = {
            name.removesuffix(".weight.layout")[5:]: int(file.get_tensor(name)[0])
            for name in file.keys()  # noqa: SIM118
            if name.endswith(".layout")
        }
        assert file.get_tensor("0003/conv1.weight.codes").shape == (8, 2)  # 9 codes, 5 a byte
    assert levels.pop("fc") == (256 if "head8" in variant else 3)
    assert set(levels.values()) == {3}
    assert same_bytes(study, finished, f"{NETWORK}/{variant}/shard-001.safetensors")


@pytest.mark.slow
def test_compress_models_and_query_logits_with_quantized_activations(study):
    """A variant that a finished study is asked for; all others stay as they are."""
    config = copy.deepcopy(TINY)
    config["compression"]["activations"] = [{"bits": 1.58, "activation_bits": 4}]
    study.write_config(config)
    assert not {"train_models", "check_network"} & study.planned().keys()
    folder = study.results / NETWORK / "brecq-w1.58a4"
    said = study.run(f"results/tiny/{NETWORK}/brecq-w1.58a4/logits-000.parquet")
    assert jobs_of(said) == {"compress_models": 1, "query_logits": 1}
    with safe_open(folder / "shard-000.safetensors", "np") as file:
        levels = {
            name.removesuffix(".input.levels")[5:]: int(file.get_tensor(name)[0])
            for name in file.keys()  # noqa: SIM118
            if name.endswith(".input.levels")
        }
    assert levels.pop("conv1") == levels.pop("fc") == 256
    assert len(levels) == 5
    assert set(levels.values()) == {16}
    own, plain = (
        shard_records.records(study.results / NETWORK / variant / "shard-000.safetensors")[0]
        for variant in ("brecq-w1.58a4", "brecq-w1.58")
    )
    assert own.bits_per_weight == plain.bits_per_weight


def test_query_logits(again, finished):
    study, path = again(f"{TERNARY}/logits-001.parquet")
    file = pq.ParquetFile(path)
    assert file.num_row_groups == 3 * 2
    table = file.read().to_pandas()
    assert table["model"].unique().tolist() == [3, 4, 5]
    assert table["sample"].tolist() == list(range(240)) * 6
    members = pd.read_parquet(study.results / "digits/membership.parquet")
    own = table[(table["model"] == 4) & (table["query"] == 1)]
    assert own["member"].tolist() == members["model_0004"].tolist()
    assert np.stack(table["logits"]).shape == (6 * 240, 10)
    assert same_bytes(study, finished, f"{TERNARY}/logits-001.parquet")


@pytest.mark.slow
def test_compact_logits_are_smaller_and_give_the_same_scores(study, finished):
    scores, logits = f"{NETWORK}/full/scores-transfer.parquet", f"{NETWORK}/full/logits-000.parquet"
    study.write_config({**TINY, "logits": "compact"})
    assert study.planned(f"results/tiny/{scores}") == {"query_logits": 2, "score_attacks": 1}
    study.run(f"results/tiny/{scores}")
    assert pq.read_schema(study.results / logits).names[5:] == ["phi", "correct"]
    assert (study.results / logits).stat().st_size < (finished.results / logits).stat().st_size
    assert same_bytes(study, finished, scores)


@pytest.mark.parametrize(
    "adversary", ["transfer", pytest.param("adaptive", marks=pytest.mark.slow)]
)
def test_score_attacks(again, finished, adversary):
    _, path = again(f"{TERNARY}/scores-{adversary}.parquet")
    table = pd.read_parquet(path)
    assert table["target"].value_counts().to_dict() == {0: 240, 1: 240}
    attacks = ["lira_online", "lira_online_fixed", "lira_offline", "lira_offline_fixed"]
    attacks += ["global_threshold", "rmia_online", "rmia_offline"]
    assert list(table) == ["target", "sample", "label", "member", *attacks]
    assert np.isfinite(table[attacks]).all().all()


def test_measure_leakage(again, finished):
    study, path = again(f"{TERNARY}/leakage-adaptive.parquet")
    table = pd.read_parquet(path).set_index("attack")
    row = table.loc["lira_online"]
    assert row["targets"] == 2
    assert not row["fpr_0.001_supported"]
    assert row["auc_low"] <= row["auc_mean"] <= row["auc_high"]
    values = pd.read_parquet(study.results / f"{TERNARY}/values-adaptive.parquet")
    assert values.groupby(["attack", "replicate"]).size().eq(2).all()
    measured = values.query("attack == 'lira_online' and replicate == 0")
    assert row["auc_mean"] == pytest.approx(measured["auc"].mean(), abs=1e-15)


def test_compare_variants(again, finished):
    study, path = again(f"{NETWORK}/comparisons.parquet")
    table = pd.read_parquet(path)
    # two variants, by seven attacks and six metrics
    assert table["kind"].value_counts().to_dict() == {
        "against_full": 2 * 2 * 42,
        "against_transfer": 2 * 42,
        "taken_back": 2 * 42,
        # each pair of seven attacks, at full precision too
        "attack_minus_attack": (1 + 2 * 2) * 21 * 6,
    }
    leakage = {
        name: pd.read_parquet(study.results / f"{NETWORK}/{name}.parquet").set_index("attack")
        for name in ("full/leakage-transfer", "brecq-w1.58/leakage-adaptive")
    }
    full, ternary = (own.loc["rmia_online", "auc_mean"] for own in leakage.values())
    row = table.query(
        "kind == 'against_full' and attack == 'rmia_online' and metric == 'auc' "
        "and variant == 'brecq-w1.58' and adversary == 'adaptive'"
    )
    assert row["estimate"].tolist() == pytest.approx([ternary - full], abs=1e-15)
    assert same_bytes(study, finished, f"{NETWORK}/comparisons.parquet")


def test_compare_methods(again, finished):
    study, path = again(METHODS)
    table = pd.read_parquet(path)
    assert table.empty  # one method alone, so the report does not ask for it
    assert list(table)[:8] == list(compare_methods.COLUMNS)
    assert (study.results / "tables/methods.csv").read_text().startswith("adversary,attack,")
    # What reads it says so.
    measure = quoted.quoted(120)
    section = versus.methods(table, measure, "lira_online", "adaptive")
    assert section.sentences == ("One method alone was run, so this cannot be told.",)
    summary = tables.read_frame(finished.results / "tables/summary.parquet")
    nothing = dict.fromkeys(("compared", "calibration", "thresholds"))
    none = pd.DataFrame({"p_value": []})
    own = claims.Measured(
        summary=summary, methods=table, exposed={}, swept=none, strength=none, **nothing
    )
    assert claims.count(claims.weighed([own], ["lira_online"])) == claims.count(
        claims.weighed([replace(own, methods=None)], ["lira_online"])
    )


def test_compare_calibration(again, finished):
    study, path = again(f"{NETWORK}/calibration.parquet")
    table = pd.read_parquet(path)
    assert len(table) == 2 * 2 * 3 + 2
    assert (table["calibration_samples"] == 64).all()
    changes = table[table["metric"] == "auc_of_change"]
    assert changes["variant"].tolist() == ["brecq-w1.58", "brecq-w1.58-head8"]
    assert set(changes["attack"]) == {"change"}
    assert changes["placebo_mean"].to_numpy() == pytest.approx(0.5, abs=0.05)
    # 64 of each target's 120 members calibrate; together they have the AUC of all members.
    auc = table.query("metric == 'auc' and variant == 'brecq-w1.58' and adversary == 'adaptive'")
    leakage = pd.read_parquet(study.results / f"{TERNARY}/leakage-adaptive.parquet")
    expected = leakage.set_index("attack").loc["lira_online", "auc_mean"]
    both = (64 * auc["calibration"] + 56 * auc["other"]) / 120
    assert both.to_numpy() == pytest.approx(expected, abs=1e-12)
    assert same_bytes(study, finished, f"{NETWORK}/calibration.parquet")


def test_bound_epsilon(again, finished):
    study, path = again(f"{NETWORK}/epsilon.parquet")
    table = pd.read_parquet(path)
    assert len(table) == (1 + 2 * 2) * 7
    assert set(table["pairs"]) == {120}
    assert (table["delta"] == 1e-5).all()
    # A network that has its 120 members by heart is told apart from one that does not.
    full = table.query("variant == 'full' and attack == 'lira_online_fixed'").iloc[0]
    summary = pd.read_parquet(study.results / "tables/summary.parquet")
    own = summary.query("variant == 'full' and attack == 'lira_online_fixed'").iloc[0]
    assert own["epsilon_lower"] == full["epsilon_lower"]
    assert (table["epsilon_lower"] >= 0).all()
    assert same_bytes(study, finished, f"{NETWORK}/epsilon.parquet")


def test_measure_exposure(again, finished):
    study, path = again(f"{NETWORK}/exposure.parquet")
    table = pd.read_parquet(path)
    assert table.groupby(["adversary", "variant"]).size().to_dict() == {
        (adversary, variant): 240
        for adversary in ("transfer", "adaptive")
        for variant in ("full", "brecq-w1.58", "brecq-w1.58-head8")
    }
    assert (table[["targets_in", "targets_out"]] == 1).all(axis=None)
    assert table["signal"].isna().all()  # one pair of targets shows no deviation
    own = table.query("adversary == 'adaptive' and variant == 'brecq-w1.58'")
    assert own["false_0.01"].mean() == pytest.approx(0.01, abs=1e-6)
    # At 1.2 of 120 non-members members are called, by the chance that they lie above the threshold.
    scores = pd.read_parquet(study.results / f"{TERNARY}/scores-adaptive.parquet")
    for target, rows in scores.groupby("target"):
        outside = np.sort(rows[~rows["member"]]["lira_online"])
        inside = rows[rows["member"]].set_index("sample")["lira_online"]
        caught = own.set_index("sample")["caught_0.01"].loc[inside.index]
        assert (caught[inside > outside[-1]] == 1).all(), target
        assert (caught[inside < outside[-3]] == 0).all(), target
    summary = pd.read_parquet(study.results / f"{NETWORK}/exposure-summary.parquet")
    summary = summary[summary["adversary"] == "adaptive"]
    summary = summary.set_index(["fpr", "statistic", "variant", "group"])["estimate"]
    exposed = own["caught_0.01"].mean() - own["false_0.01"].mean()
    assert summary[0.01, "exposure", "brecq-w1.58", "all"] == pytest.approx(exposed, abs=1e-6)
    assert same_bytes(study, finished, f"{NETWORK}/exposure.parquet")


def test_measure_disparity(again, finished):
    study, path = again(f"{NETWORK}/disparity.parquet")
    table = pd.read_parquet(path)
    assert table.groupby(["variant", "adversary"]).size().eq(10).all()
    assert table["name"].tolist() == list("0123456789") * (1 + 2 * 2)
    # 120 members of ten classes are too few of each.
    assert table["members"].between(5, 20).all()
    assert table["tpr"].isna().all()
    assert table["note"].str.contains("fewer than 50 members").all()
    assert same_bytes(study, finished, f"{NETWORK}/disparity.parquet")


def test_calibrate_thresholds(again, finished):
    study, path = again(f"{NETWORK}/thresholds.parquet")
    table = pd.read_parquet(path)
    assert len(table) == (1 + 2 * 2) * 7 * 2
    table = table.query("variant == 'brecq-w1.58' and adversary == 'transfer'")
    row = table.query("attack == 'global_threshold' and fpr_limit == 0.01").iloc[0]
    # phi of the four shadow models' non-members at full precision, the 1 % highest left out
    shards = [f"{NETWORK}/full/logits-{shard:03d}.parquet" for shard in range(2)]
    logits = pd.concat([pd.read_parquet(study.results / shard) for shard in shards])
    logits = logits[(logits["model"] > 1) & ~logits["member"]]
    logits["phi"] = phi(np.stack(logits["logits"]), logits["label"].to_numpy())
    means = logits.groupby(["model", "sample"])["phi"].mean().sort_values()
    assert row["threshold_mean"] == pytest.approx(means.iloc[-1 - 4], abs=1e-12)
    scores = pd.read_parquet(study.results / f"{TERNARY}/scores-transfer.parquet")
    called = scores["global_threshold"] > row["threshold_mean"]
    assert row["tpr"] == pytest.approx(called[scores["member"]].mean(), abs=1e-12)
    assert row["fpr"] == pytest.approx(called[~scores["member"]].mean(), abs=1e-12)
    assert same_bytes(study, finished, f"{NETWORK}/thresholds.parquet")


def test_summarize(again, finished):
    study, path = again("tables/summary.parquet")
    table = pd.read_parquet(path)
    # full once, two recipes for two adversaries, seven attacks each
    assert len(table) == (1 + 2 * 2) * 7
    full = table[table["variant"] == "full"]
    assert (full["auc_change"] == 0).all()
    ternary = table[table["variant"] == "brecq-w1.58"].iloc[0]
    assert ternary["bits"] == 1.58
    assert 1.6 < ternary["bits_per_weight"] < 4
    text = (study.results / "tables/summary.md").read_text()
    assert "BRECQ 1.58 bits, head 8" in text
    assert "120 non-members a target do not resolve 0.1 % FPR" in text
    assert "TPR at 1 % FPR, %, adaptive" in text


@pytest.mark.slow
def test_plot_roc(again, finished):
    study, _ = again("figures/roc-digits-resnet6-adaptive.svg")
    assert same_bytes(study, finished, "figures/roc-digits-resnet6-adaptive.svg")


@pytest.mark.slow
def test_plot_tradeoff(again, finished):
    study, _ = again("figures/tradeoff-digits-resnet6.svg")
    svg = (study.results / "figures/tradeoff-digits-resnet6.svg").read_text()
    assert "TPR at 1 % FPR" in svg  # of 120 non-members
    assert same_bytes(study, finished, "figures/tradeoff-digits-resnet6.svg")
    storage = (study.results / "figures/storage-digits-resnet6.svg").read_text()
    assert "bits a weight as stored" in storage
    assert "zero weights (%)" in storage


def test_sweep_shadow_models(again, finished):
    study, path = again(f"{NETWORK}/full/shadow-sweep.parquet")
    table = pd.read_parquet(path)
    assert sorted(table["shadow_models"].unique()) == [2, 4]
    table = table[table["replicate"] == 0]
    # With every shadow model, it is the study's own attack.
    whole = table[table["shadow_models"] == 4].groupby("attack")["auc"].mean()
    leakage = pd.read_parquet(study.results / f"{NETWORK}/full/leakage-transfer.parquet")
    expected = leakage.set_index("attack")["auc_mean"]
    pd.testing.assert_series_equal(whole.sort_index(), expected.sort_index(), check_names=False)
    assert same_bytes(study, finished, f"{NETWORK}/full/shadow-sweep.parquet")


@pytest.mark.slow
def test_plot_sweep(again, finished):
    study, _ = again("figures/sweep-digits-resnet6.svg")
    assert "RMIA" in (study.results / "figures/sweep-digits-resnet6.svg").read_text()
    assert same_bytes(study, finished, "figures/sweep-digits-resnet6.svg")


@pytest.mark.slow
def test_plot_adversaries(again, finished):
    study, _ = again("figures/adversaries-digits-resnet6.svg")
    text = (study.results / "figures/adversaries-digits-resnet6.svg").read_text()
    assert "adaptive - transfer (points)" in text
    assert "gain taken back (%)" not in text  # two targets tell of no gain
    assert "BRECQ 1.58 bits, head 8" in text
    assert same_bytes(study, finished, "figures/adversaries-digits-resnet6.svg")


@pytest.mark.slow
def test_plot_exposure(again, finished):
    study, _ = again("figures/exposure-digits-resnet6.svg")
    text = (study.results / "figures/exposed-digits-resnet6.svg").read_text()
    assert "most exposed: BRECQ 1.58 bits" in text
    assert text.count("<image") == 2 * 20
    for name in ("exposure", "exposed"):
        assert same_bytes(study, finished, f"figures/{name}-digits-resnet6.svg")


def test_conclude(again, finished):
    study, _ = again("report.html")
    text = (study.results / "tables/conclusions.md").read_text()
    assert "120 non-members a target do not resolve 0.1 % FPR" in text
    assert "on 2 targets: the TPR at 1 % FPR." in text
    assert "## How much of this could be chance?" in text
    table = pd.read_csv(study.results / "tables/adversaries.csv")
    assert len(table) == 2 * 7
    assert table["supported"].all()
    assert set(table["metric"]) == {"tpr_at_fpr_0.01"}
    assert (table["difference"] - (table["adaptive"] - table["transfer"])).abs().max() < 1e-5
    for name in WAVES[-1]["conclude"]:
        assert same_bytes(study, finished, name)


def test_every_table_and_figure_says_what_made_it(finished):
    made = {
        path.name: origin.read(path)
        for folder in ("tables", "figures", ".")
        for path in sorted((finished.results / folder).glob("*.*"))
    }
    assert {"report.html", "summary.csv", "adversaries.csv", "conclusions.md"} <= set(made)
    assert {"tradeoff-digits-resnet6.svg", "tradeoff-digits-resnet6.png"} <= set(made)
    for name, record in made.items():
        assert record["study"] == "tiny", name
        assert record["inputs"], name
        assert record["code"], name
    assert made["summary.csv"]["rule"] == made["summary.md"]["rule"] == "summarize"
    assert made["adversaries.csv"]["rule"] == made["report.html"]["rule"] == "conclude"
    assert made["mismatch.csv"]["rule"] == "conclude"
    assert made["tradeoff-digits-resnet6.png"]["inputs"] == {"summary": ["tables/summary.parquet"]}

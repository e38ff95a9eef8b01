"""Only stale artifacts are recomputed: each kind of change, and exactly what it makes stale.

One small study of two networks (one of them an own module) and three compressions (one of them an
own module) is run to its end. Each test edits a copy of the repository or of the study's folder and
asks a dry run what it would do.
"""

import copy
import os
import re
import shutil
import time

import pytest

from tests.conftest import REPOSITORY, TINY, Workdir, run_once

pytestmark = pytest.mark.slow

LIBRARY = "workflow/scripts/ptq_privacy"
FRAGMENTS = "workflow/schemas"

SMALL = {
    "study": "tiny",
    "seed": 5,
    "datasets": {"digits": {"source": "digits", "audit_samples": 160}},
    "networks": ["resnet6", {"name": "mine", "factory": "mynet:small"}],
    "pool": {"shadow_models": 4, "targets": 2, "models_per_job": 6},
    "training": {**TINY["training"], "epochs": 2},
    "compression": {
        "methods": ["nearest", "obc", {"name": "stochastic", "factory": "myquantizer:stochastic"}],
        "bits": [2],
        "calibration_samples": 64,
    },
    "queries": ["identity"],
    "attacks": {"adversaries": ["adaptive"]},
}
NETWORKS = {"resnet6", "mine"}
VARIANTS = {"nearest-w2", "obc-w2", "stochastic-w2"}

FIGURES_OF_SUMMARY = {"plot_tradeoff", "plot_exposure", "conclude", "all"}
FROM_LEAKAGE = FIGURES_OF_SUMMARY | {"measure_leakage", "compare_variants", "summarize"}
FROM_LEAKAGE |= {"compare_methods"}
FROM_SCORES = FROM_LEAKAGE | {
    "score_attacks",
    "bound_epsilon",
    "compare_calibration",
    "measure_disparity",
    "measure_exposure",
    "calibrate_thresholds",
    "plot_roc",
}
SWEEP = {"sweep_shadow_models", "plot_sweep"}  # of full precision
FROM_ANSWERS = FROM_SCORES | {"query_logits"}
FROM_COMPRESSION = FROM_ANSWERS | {"compress_models"}
FROM_TRAINING = FROM_COMPRESSION | SWEEP | {"train_models"}

DONE = {
    "Training": "train_models",
    "Compressing": "compress_models",
    "Asking": "query_logits",
    "Attacking": "score_attacks",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory, worker_id):
    """The study above, run from nothing. Not to be changed."""

    def begin(workdir):
        for name in ("mynet.py", "myquantizer.py"):
            shutil.copy(REPOSITORY / "resources" / "example" / name, workdir.path)
        workdir.write_config(SMALL)

    return run_once(tmp_path_factory, worker_id, "small", begin)


@pytest.fixture
def cloned(small, tmp_path):
    """The finished study beside a copy of the repository that a test may edit."""
    repository = tmp_path / "clone"
    for name in ("workflow", "config", "profiles", "envs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, repository / name, ignore=ignored)
    shutil.copy(REPOSITORY / "Snakefile", repository)
    shutil.copytree(small.path, tmp_path / "study")
    return Workdir(tmp_path / "study", repository)


def stale(workdir, *arguments):
    """What a dry run would do: the rules, and of some (rule, network, variant)."""
    output = workdir.run("--dry-run", *arguments)
    if "Nothing to be done" in output:
        return set(), set()
    lines = output.partition("Job stats:")[2].partition("total")[0].splitlines()[3:]
    rules = {line.split()[0] for line in lines if line}
    jobs = set()
    for verb, network, rest in re.findall(r"^Job \d+: (\w+) (\S+) on \w+(.*)$", output, re.M):
        variant = re.match(r" (?:to|at) ([a-z0-9.-]*[a-z0-9])", rest)
        if verb in DONE and "with fewer" not in rest:
            jobs.add((DONE[verb], network, variant[1] if variant else "full"))
    return rules, jobs


def of(rule, networks, variants):
    return {(rule, network, variant) for network in networks for variant in variants}


def from_scores(networks, variants):
    return of("score_attacks", networks, variants)


def from_answers(networks, variants):
    return of("query_logits", networks, variants) | from_scores(networks, variants)


def from_compression(networks, variants):
    return of("compress_models", networks, variants) | from_answers(networks, variants)


def from_training(networks):
    trained = of("train_models", networks, {"full"}) | from_answers(networks, {"full"})
    return trained | from_compression(networks, VARIANTS)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def append(path, text="\nADDED = 1\n"):
    path.write_text(path.read_text() + text)


def replan(workdir, **changes):
    config = copy.deepcopy(SMALL)
    for section, values in changes.items():
        config[section] = {**config[section], **values} if isinstance(values, dict) else values
    workdir.write_config(config)
    return stale(workdir)


def test_nothing(cloned):
    assert stale(cloned) == (set(), set())


def test_a_fresh_checkout(cloned):
    now = time.time()
    for path in cloned.repository.rglob("*"):
        os.utime(path, (now, now))
    assert stale(cloned) == (set(), set())


def test_what_only_people_read(cloned):
    library = cloned.repository / LIBRARY
    for path in library.rglob("*.py"):
        append(path, "\n# A remark.\n'''More about it.'''\n")
    edit(library / "attacks/lira.py", '"""The likelihood', '"""In other words, the likelihood')
    edit(library / "training/epochs.py", "epoch %d/%d loss", "epoch %d of %d, loss")
    edit(library / "runtime/joblog.py", "%(asctime)s %(levelname)s", "%(levelname)s %(asctime)s")
    append(cloned.path / "mynet.py", "\n# A remark.\n")
    assert stale(cloned) == (set(), set())


def test_cores_gpus_and_profile(cloned):
    assert replan(cloned, device="cuda") == (set(), set())
    assert stale(cloned, "--cores", "7", "--resources", "gpu=3") == (set(), set())


@pytest.mark.parametrize(
    ("file", "variants"),
    [
        ("compression/obc.py", {"obc-w2"}),
        ("compression/elimination.py", {"obc-w2"}),
        ("compression/nearest.py", {"nearest-w2"}),
        ("compression/grouped.py", {"nearest-w2", "obc-w2"}),
        ("compression/adaround.py", set()),
    ],
)
def test_a_compression_edited(cloned, file, variants):
    append(cloned.repository / LIBRARY / file)
    rules = FROM_COMPRESSION if variants else set()
    assert stale(cloned) == (rules, from_compression(NETWORKS, variants))


def test_what_looks_at_networks_edited(cloned):
    """What has been trained is not tried again."""
    append(cloned.repository / LIBRARY / "stages/check_network.py")
    assert stale(cloned) == (set(), set())
    append(cloned.repository / LIBRARY / "graph/uses.py")
    assert stale(cloned) == (FROM_COMPRESSION, from_compression(NETWORKS, VARIANTS))


def test_a_compression_added_and_one_s_documentation_edited(cloned):
    folder = cloned.repository / LIBRARY / "compression"
    shutil.copy(folder / "nearest.py", folder / "rounded.py")
    fragments = cloned.repository / FRAGMENTS / "compressions"
    text = (
        (fragments / "nearest.yaml")
        .read_text()
        .replace("compression.nearest", "compression.rounded")
    )
    (fragments / "rounded.yaml").write_text(text.replace("title: nearest", "title: rounded"))
    edit(fragments / "obc.yaml", "Added to the", "What is added to the")
    assert stale(cloned) == (set(), set())
    methods = ["rounded", *SMALL["compression"]["methods"]]
    rules, jobs = replan(cloned, compression={"methods": methods})
    assert jobs == from_compression(NETWORKS, {"rounded-w2"})
    assert "train_models" not in rules


def test_a_source_and_an_architecture_added_or_another_one_s_file_edited(cloned):
    library, fragments = cloned.repository / LIBRARY, cloned.repository / FRAGMENTS
    for folder, file, kind, name in (
        ("data/sources", "digits", "sources", "digits"),
        ("networks", "small_resnets", "networks", "resnet8"),
    ):
        shutil.copy(library / folder / f"{file}.py", library / folder / "another.py")
        text = (fragments / kind / f"{name}.yaml").read_text()
        (fragments / kind / "another.yaml").write_text(text.replace(f".{file}:", ".another:"))
    append(library / "data/sources/cifar.py")
    append(library / "networks/torchvision_networks.py")
    assert stale(cloned) == (set(), set())


def test_an_attack_added_and_asked_for(cloned):
    library, fragments = cloned.repository / LIBRARY, cloned.repository / FRAGMENTS
    text = (library / "attacks/global_threshold.py").read_text()
    (library / "attacks/another.py").write_text(text.replace('"global_threshold"', '"another"'))
    (fragments / "attacks/another.yaml").write_text(
        "function: ptq_privacy.attacks.another:scores\ntitle: another\nabout: One more.\n"
        "scores: {another: another}\n"
    )
    assert stale(cloned) == (set(), set())
    methods = ["lira", "global_threshold", "rmia", "another"]
    rules, jobs = replan(cloned, attacks={"methods": methods})
    assert rules == FROM_SCORES | SWEEP - {"measure_exposure"}
    assert jobs == from_scores(NETWORKS, {"full", *VARIANTS})


def test_a_view_edited(cloned):
    append(cloned.repository / LIBRARY / "data/kinds/images/views.py")
    everything = {"full", *VARIANTS}
    assert stale(cloned) == (FROM_ANSWERS | SWEEP, from_answers(NETWORKS, everything))


def test_an_augmentation_edited(cloned):
    append(cloned.repository / LIBRARY / "data/kinds/images/augment.py")
    assert stale(cloned) == (FROM_TRAINING | {"check_network"}, from_training(NETWORKS))


def test_an_architecture_s_file_edited(cloned):
    append(cloned.repository / LIBRARY / "networks/small_resnets.py")
    assert stale(cloned) == (FROM_TRAINING | {"check_network"}, from_training({"resnet6"}))


def test_lira_edited(cloned):
    append(cloned.repository / LIBRARY / "attacks/lira.py")
    assert stale(cloned) == (FROM_SCORES | SWEEP, from_scores(NETWORKS, {"full", *VARIANTS}))


def test_measures_and_report_edited(cloned):
    append(cloned.repository / LIBRARY / "measures/leakage.py")
    assert stale(cloned) == (FROM_LEAKAGE | SWEEP, set())


def test_a_figure_edited(cloned):
    append(cloned.repository / LIBRARY / "report/tradeoff.py")
    assert stale(cloned) == ({"plot_tradeoff", "conclude", "all"}, set())


def test_a_title_edited(cloned):
    fragments = cloned.repository / FRAGMENTS / "compressions"
    edit(fragments / "obc.yaml", "title: OBC", "title: Optimal Brain Compression")
    rules, jobs = stale(cloned)
    assert jobs == set()
    assert {"summarize", "plot_roc", "plot_tradeoff", "conclude"} <= rules
    edit(fragments / "obc.yaml", "title: Optimal Brain Compression", "title: OBC")
    edit(fragments / "brecq.yaml", "title: BRECQ", "title: Block reconstruction")  # not asked for
    assert stale(cloned) == (set(), set())


@pytest.mark.parametrize(
    ("compression", "added"),
    [
        ({"bits": [2, 4]}, {"nearest-w4", "obc-w4", "stochastic-w4"}),
        ({"methods": [*SMALL["compression"]["methods"], "adaround"]}, {"adaround-w2"}),
        (
            {"decoupled": [{"bits": 2, "head_bits": 8}]},
            {"nearest-w2-head8", "obc-w2-head8", "stochastic-w2-head8"},
        ),
    ],
    ids=["a bit width", "a method", "a head's width"],
)
def test_a_variant_added(cloned, compression, added):
    rules, jobs = replan(cloned, compression=compression)
    assert jobs == from_compression(NETWORKS, added)
    assert rules == FROM_COMPRESSION


def test_a_setting_of_one_method(cloned):
    assert replan(cloned, compression={"adaround": {"iterations": 3}}) == (set(), set())
    _, jobs = replan(cloned, compression={"obc": {"damping": 0.1}})
    assert jobs == from_compression(NETWORKS, {"obc-w2"})
    own = {"name": "stochastic", "factory": "myquantizer:stochastic", "settings": {"clip": 0.8}}
    _, jobs = replan(cloned, compression={"methods": ["nearest", "obc", own]})
    assert jobs == from_compression(NETWORKS, {"stochastic-w2"})


def test_more_shadow_models(cloned):
    rules, jobs = replan(cloned, pool={"shadow_models": 10})
    assert jobs == from_training(NETWORKS)
    counts = cloned.planned()
    assert (counts["train_models"], counts["compress_models"]) == (2, 6)  # the new shards alone
    assert counts["assign_members"] == 1
    assert "prepare_dataset" not in rules


def test_a_training_key_of_one_network(cloned):
    own = {"name": "resnet6", "architecture": "resnet6", "training": {"momentum": 0.8}}
    rules, jobs = replan(cloned, networks=[own, SMALL["networks"][1]])
    assert jobs == from_training({"resnet6"})
    assert rules == FROM_TRAINING


def test_a_training_key_of_one_data_set(cloned):
    digits = SMALL["datasets"]["digits"]
    overridden = {"digits": {**digits, "training": {"epochs": 3}}}
    assert replan(cloned, datasets=overridden) == (FROM_TRAINING, from_training(NETWORKS))
    more = {"digits": digits, "others": {**digits, "training": {"epochs": 3}}}
    workdir_rules, _ = replan(cloned, datasets=more)
    assert cloned.planned()["train_models"] == 2  # of the other data set
    assert "prepare_dataset" in workdir_rules


def test_your_own_network_s_module_edited(cloned):
    edit(cloned.path / "mynet.py", "Dropout(0.1)", "Dropout(0.2)")
    assert stale(cloned) == (FROM_TRAINING | {"check_network"}, from_training({"mine"}))


def test_your_own_compression_s_module_edited(cloned):
    edit(cloned.path / "myquantizer.py", "min=1e-12", "min=1e-11")
    assert stale(cloned) == (FROM_COMPRESSION, from_compression(NETWORKS, {"stochastic-w2"}))


def test_more_targets(cloned):
    rules, jobs = replan(cloned, pool={"targets": 4})
    assert jobs == from_scores(NETWORKS, {"full", *VARIANTS})
    assert rules == FROM_SCORES | SWEEP


def test_another_calibration_size(cloned):
    rules, jobs = replan(cloned, compression={"calibration_samples": 70})
    assert jobs == from_compression(NETWORKS, VARIANTS)
    assert rules == FROM_COMPRESSION

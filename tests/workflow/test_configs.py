"""How a config gets in: whole or refused, in the same words by Snakemake and by make."""

import subprocess
import sys

import pytest
import yaml

from tests.conftest import ENVIRONMENT, REPOSITORY, TINY, Workdir, jobs_of

PARTIAL = {key: value for key, value in TINY.items() if key != "study"}
MISSING = "top level: key 'study' is missing; needed: study, datasets, "


@pytest.fixture
def workdir(tmp_path):
    """An empty folder with the default config in its place, beside one of one's own."""
    (tmp_path / "config").mkdir()
    default = (REPOSITORY / "config/config.yaml").read_text()
    (tmp_path / "config/config.yaml").write_text(default)
    return Workdir(tmp_path)


def snakemake(workdir, *arguments):
    """Snakemake's dry run, with nothing but the arguments given."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile"]
    command += ["--workflow-profile", "none", "--quiet", "rules", "--cores", "1", "--dry-run"]
    return subprocess.run(
        [*map(str, command), *arguments],
        cwd=workdir.path,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )


def refusal(done):
    """The line that says why, of which there is one."""
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "config: " in line]
    assert len(lines) == 1
    return lines[0].partition("config: ")[2]


@pytest.mark.parametrize(
    ("content", "files", "message"),
    [
        (PARTIAL, ["own.yaml"], MISSING),
        (TINY, ["own.yaml", "config/config.yaml"], "2 config files, "),
        (
            "study: tiny\nseed: 3\nseed: 4\n",
            ["own.yaml"],
            "own.yaml: line 3: the key 'seed' is there twice, first in line 2",
        ),
    ],
    ids=["partial", "two", "a key twice"],
)
def test_what_is_not_one_whole_config_is_refused(workdir, content, files, message):
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    (workdir.path / "own.yaml").write_text(text)
    line = refusal(snakemake(workdir, "--configfile", *files))
    assert message in line
    assert not (workdir.path / "results").exists()


def test_the_default_is_read_without_a_config_of_ones_own(workdir):
    done = snakemake(workdir, "results/other/digits/dataset.safetensors", "--config", "study=other")
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobs_of(done.stdout + done.stderr) == {"prepare_dataset": 1}


def test_a_key_over_the_default_is_checked_as_the_file_is(workdir):
    message = "training: unknown key 'epoch'; allowed: epochs, batch_size, "
    assert refusal(snakemake(workdir, "--config", "training={epoch: 5}")).startswith(message)


@pytest.mark.slow
def test_keys_over_a_whole_config_change_what_they_name(study):
    """A mapping is merged and its numbers are numbers: with the same ones nothing is stale."""
    assert study.planned("--config", "training={epochs: 8, flip: false}", "seed=3") == {}
    plan = study.planned("--config", "training={epochs: 9}")
    assert plan["train_models"] == 2
    assert "prepare_dataset" not in plan


def test_a_shard_beyond_the_thousandth_has_a_name(workdir):
    pool = {"shadow_models": 1200, "targets": 2, "models_per_job": 1}
    workdir.write_config({**TINY, "pool": pool})
    names = ("999", "1000", "1201")
    plan = workdir.planned(*(f"results/tiny/digits/resnet6/full/logits-{n}.parquet" for n in names))
    each = dict.fromkeys(["assign_members", "train_models", "query_logits"], len(names))
    assert plan == {"prepare_dataset": 1, "check_network": 1, **each}


def make(target, config):
    if not (REPOSITORY / ".venv/bin/python").exists():
        pytest.skip("make has made no .venv here")
    command = ["make", "--no-print-directory", "--old-file", ".venv", target, f"CONFIG={config}"]
    # As from a shell, not as from the make that runs these tests.
    clean = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("MAKE")}
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, env=clean, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("target", ["run", "report", "plan", "clean-stale"])
def test_make_refuses_the_same_config_in_the_same_words(tmp_path, target):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(PARTIAL))
    done = make(target, path)
    assert done.returncode != 0
    line, *rest = (done.stdout + done.stderr).splitlines()
    assert f": {path}: {MISSING}" in line
    assert len(rest) == 1  # make's own, that the target failed
    assert rest[0].startswith("make: ***")
    assert not path.with_name("results").exists()


@pytest.mark.slow
def test_more_shadow_models_train_no_model_of_a_full_shard(study):
    """Six models in two full shards of three; then two more, which fill no shard; then four."""
    pool = {**TINY["pool"], "models_per_job": 3}
    last = "results/tiny/digits/resnet6/full/shard-002.safetensors"
    study.write_config({**TINY, "pool": {**pool, "shadow_models": 6}})
    plan = study.planned()
    assert (plan["train_models"], plan["compress_models"], plan["assign_members"]) == (1, 2, 1)
    study.run(last)
    for shadow_models, trained in ((6, 0), (8, 2), (16, 4)):
        study.write_config({**TINY, "pool": {**pool, "shadow_models": shadow_models}})
        plan = study.planned()
        assert plan.get("train_models", 0) == trained, shadow_models
        for shard in ("000", "001"):
            full = f"results/tiny/digits/resnet6/full/shard-{shard}.safetensors"
            assert study.planned(full) == {}
    study.write_config({**TINY, "pool": {**pool, "shadow_models": 8}})
    assert study.planned(last) == {"assign_members": 1, "train_models": 1}

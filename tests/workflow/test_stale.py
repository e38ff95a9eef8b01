"""`make clean-stale`: artifacts that no config needs are listed and removed, and nothing else."""

import copy
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ENVIRONMENT, REPOSITORY, TINY

pytestmark = pytest.mark.slow

WANTED = [
    "results/tiny/notes.md",
    "results/tiny/digits/resnet6/full/shard-000.safetensors.backup",
    "results/tiny/digits/resnet6/full/shard-one.safetensors",
    "results/tiny/digits/resnet6/full/shard-0002.safetensors",
    "results/tiny/digits/resnet6/brecq-w1.58/shard-000.safetensors",
    "results/tiny/digits/resnet6/brecq-w1.58/draw-0/shard-000.safetensors",
    "results/tiny/digits/resnet6/brecq-w1.58/draw-2/scores-transfer.parquet",
    "results/tiny/logs/digits/resnet6/brecq-w1.58/compress_models-000.log",
    "results/tiny/benchmarks/digits/resnet6/full/train_models-001.tsv",
    "results/other/digits/dataset.safetensors",
    "downloads/dataset.safetensors",
]
STALE = [
    "results/tiny/benchmarks/digits/resnet6/obc-w4/compress_models-000.tsv",
    "results/tiny/digits/resnet6/brecq-w1.58/draw-2/logits-000.parquet",
    "results/tiny/digits/resnet6/full/shard-002.safetensors",
    "results/tiny/digits/resnet6/full/shard-1002.safetensors",
    "results/tiny/digits/resnet6/obc-w4/draw-12/shard-000.safetensors",
    "results/tiny/digits/resnet6/obc-w4/shard-000.safetensors",
    "results/tiny/figures/roc-old-data-resnet8-transfer.svg",
    "results/tiny/logs/digits/resnet6/obc-w4/compress_models-000.log",
    "results/tiny/logs/digits/resnet6/obc-w4/draw-12/compress_models-000.log",
    "results/tiny/old-data/dataset.safetensors",
]


@pytest.fixture
def folder(tmp_path):
    """Every kind of file that may be there, and the tiny study's config."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(TINY))
    for path in WANTED + STALE:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("1234")
    return tmp_path


def clean_stale(folder, *arguments):
    command = [sys.executable, REPOSITORY / "workflow/stale.py", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT, check=False
    )


def there(folder):
    return [path for path in WANTED + STALE if (folder / path).exists()]


def test_it_lists_what_no_config_needs_and_removes_nothing(folder):
    done = clean_stale(folder, "config.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [*STALE, "10 files, 0.0 MB stale; DELETE=yes removes them"]
    assert there(folder) == WANTED + STALE


def test_told_to_it_removes_that_and_nothing_else(folder):
    done = clean_stale(folder, "config.yaml", "--delete")
    assert done.returncode == 0, done.stderr
    assert there(folder) == WANTED
    assert not (folder / "results/tiny/old-data").exists()  # an empty folder says nothing
    assert not (folder / "results/tiny/digits/resnet6/obc-w4").exists()
    again = clean_stale(folder, "config.yaml")
    assert again.stdout.startswith("0 files")


def test_what_any_of_several_configs_needs_is_kept(folder):
    config = copy.deepcopy(TINY)
    config["compression"] |= {"methods": ["obc"], "bits": [4], "decoupled": []}
    (folder / "second.yaml").write_text(yaml.safe_dump(config))
    listed = clean_stale(folder, "config.yaml", "second.yaml").stdout.splitlines()[:-1]
    assert listed == [path for path in STALE if "obc-w4/" not in path or "draw" in path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({**TINY, "typo": 1}, "top level: unknown key 'typo'; allowed: study, seed"),
        ({k: v for k, v in TINY.items() if k != "study"}, "top level: key 'study' is missing"),
        ({**TINY, "networks": [{"name": "x", "factory": "absent:f"}]}, "no module 'absent'"),
        ({"seed": 3}, "top level: key 'study' is missing"),
    ],
    ids=["unknown key", "no study", "no module", "no whole config"],
)
def test_a_wrong_config_removes_nothing(folder, content, message):
    """Above all not the default study's files, whose config it is not."""
    (folder / "config").mkdir()
    (folder / "config/config.yaml").write_text(yaml.safe_dump(TINY))
    (folder / "wrong.yaml").write_text(yaml.safe_dump(content))
    for configs in (["wrong.yaml"], ["config.yaml", "wrong.yaml"]):
        done = clean_stale(folder, *configs, "--delete")
        assert done.returncode != 0
        assert message in done.stderr
        assert done.stderr.startswith("clean-stale: ")
        assert done.stderr.count("\n") == 1
    assert there(folder) == WANTED + STALE

"""From a file to a study: whole or refused, in one line that names the file."""

import copy
import json
import subprocess
import sys

import pytest
import yaml
from snakemake.common.configfile import load_configfile

from ptq_privacy.study import config_file, fragments
from tests.conftest import REPOSITORY, TINY

SHIPPED = sorted((REPOSITORY / "config").glob("*.yaml"))
TEMPLATE = """
__use_yte__: true
__variables__: {rate: 0.1}
study: small
datasets:
  ?for name in ["a", "b"]:
    ?name: {source: digits}
training:
  epochs: 1
  learning_rate: ?rate
"""


def put(path, content):
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def told(call, *arguments):
    """What is wrong, which is one line."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_config_is_what_snakemake_reads(path):
    assert config_file.read(path) == load_configfile(path)
    config, study = config_file.whole(path)
    assert list(study.datasets) == list(config["datasets"])


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(TINY, indent="\t"),
        TEMPLATE,
        TEMPLATE.replace("true", "false").replace("?for", "for"),
    ],
    ids=["JSON", "a template", "a template that is none"],
)
def test_json_and_templates_are_what_snakemake_reads(tmp_path, content):
    path = put(tmp_path / "config", content)
    assert config_file.read(path) == load_configfile(path)


def test_a_template_is_read_strictly_too(tmp_path):
    path = put(tmp_path / "config", TEMPLATE + "study: other\n")
    assert told(config_file.read, path).startswith(f"{path}: line 11: the key 'study' is there tw")
    path = put(tmp_path / "config", TEMPLATE.replace("?rate", "?typo"))
    line = told(config_file.read, path)
    assert line.startswith(f"{path}: __use_yte__: YteError: ")
    assert "name 'typo' is not defined" in line


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "nothing"),
        ("# a remark\n", "nothing"),
        ("- study: a\n", "a list"),
        ("study digits\n", "a text"),
        ("7", "a single value"),
        ('["study"]', "a list"),
    ],
)
def test_a_file_without_keys_is_none(tmp_path, content, found):
    path = put(tmp_path / "config.yaml", content)
    assert told(config_file.whole, path) == (
        f"{path}: holds {found}; a config has keys at its top level, such as study and datasets"
    )


@pytest.mark.parametrize("absent", ["study", "datasets", "networks", "pool", "training", "queries"])
def test_a_config_that_lacks_a_section_is_refused(tmp_path, absent):
    """Nothing of the default, or of any other config, stands in for it."""
    path = put(tmp_path / "own.yaml", {k: v for k, v in TINY.items() if k != absent})
    line = told(config_file.whole, path)
    assert line.startswith(f"{path}: top level: key '{absent}' is missing; needed: study, datasets")
    assert line.endswith("(no other config is merged into this one)")


def test_what_a_whole_config_says_wrongly_is_told_with_its_file(tmp_path):
    for change, message in (
        ({"typo": 1}, "top level: unknown key 'typo'; allowed: study, seed"),
        ({"attacks": {**TINY["attacks"], "headline": "x"}}, "attacks.headline: 'x' is none of"),
    ):
        path = put(tmp_path / "own.yaml", {**TINY, **change})
        assert told(config_file.whole, path).startswith(f"{path}: {message}")


def test_one_config_is_read_and_no_other():
    assert config_file.only(["a.yaml"]) == "a.yaml"
    assert told(config_file.only, ["a.yaml", "b.yaml"]).startswith("2 config files, a.yaml, b.yaml")
    assert told(config_file.only, []) == "no config file is named"


def test_keys_set_on_the_command_line_are_read_as_a_file_would_be():
    config = copy.deepcopy(TINY)
    given = ["seed=7", "training={epochs: 5, flip: true}", "networks=[resnet8]", "study=x"]
    config_file.set_keys(config, given)
    # A plain value is Snakemake's to set, and it has the type of YAML.
    expected = {**TINY, "networks": ["resnet8"]}
    expected["training"] = {**TINY["training"], "epochs": 5, "flip": True}
    assert config == expected
    config_file.set_keys(config, ["compression={'brecq': {'iterations': 9}}"])
    assert config["compression"] == {**TINY["compression"], "brecq": {"iterations": 9}}
    config_file.set_keys(config, ["training={epochs: '5'}"])
    assert told(config_file.study_of, config).startswith("training.epochs: '5' is not allowed")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["seed=1", "seed=2"], "--config seed: is set twice"),
        (["training={epochs: 1, epochs: 2}"], "--config training: line 1: the key 'epochs' is the"),
        (["training={epochs: 1"], "--config training: line 1: not YAML (while parsing a flow map"),
    ],
)
def test_a_key_set_wrongly_on_the_command_line_is_told(given, message):
    assert told(config_file.set_keys, {}, given).startswith(message)


def test_a_study_s_name_is_printed_or_what_is_wrong(tmp_path):
    for content, code, out, err in (
        (TINY, 0, "tiny\n", ""),
        ("study: tiny\n", 1, "", "top level: key 'datasets' is missing; needed: study, datasets"),
    ):
        path = put(tmp_path / "own.yaml", content)
        done = subprocess.run(
            [sys.executable, "-m", "ptq_privacy.study.config_file", path],
            cwd=fragments.SCRIPTS,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (code, out)
        assert done.stderr.startswith(f"config: {path}: {err}" if err else "")
        assert done.stderr.count("\n") == code

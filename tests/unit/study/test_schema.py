import copy
import dataclasses
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ptq_privacy.compression.settings import AdaRound, Brecq, Obc, Refit

from ptq_privacy.data.sources import COMMON, OPTIONS, SOURCES
from ptq_privacy.study import schema as settings
from ptq_privacy.study.experiment import ADVERSARIES, METHODS, Study

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
DOCUMENT = SCHEMA.with_name("document.py")
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))


def schema():
    return yaml.safe_load(SCHEMA.read_text())


def minimal():
    """A config with nothing in it that has a default."""
    return {
        "study": "small",
        "datasets": {"digits": {"source": "digits"}},
        "architectures": ["resnet6"],
        "pool": {"shadow_models": 4, "targets": 2, "models_per_job": 3},
        "training": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
        "quantization": {"methods": ["obc"], "bits": [2]},
        "queries": ["identity"],
        "attacks": {"adversaries": ["transfer"]},
    }


def changed(path, value):
    """`minimal` with one key set, by its dotted path; None removes it."""
    config = minimal()
    *parents, last = path.split(".")
    place = config
    for key in parents:
        place = place.setdefault(key, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return config


def refusal(config):
    """The message that a config is refused with, which is one line."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        settings.checked(config, SCHEMA)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("typo", "top level: unknown key 'typo'; allowed: study, seed,"),
        ("datasets.digits.typo", "datasets.digits: unknown key 'typo'; allowed: source, path,"),
        ("pool.typo", "pool: unknown key 'typo'; allowed: shadow_models, targets,"),
        ("training.typo", "training: unknown key 'typo'; allowed: epochs, batch_size,"),
        ("quantization.typo", "quantization: unknown key 'typo'; allowed: methods, bits,"),
        ("quantization.obc.typo", "quantization.obc: unknown key 'typo'; allowed: damping"),
        ("attacks.typo", "attacks: unknown key 'typo'; allowed: adversaries, headline, lira,"),
        ("attacks.lira.typo", "attacks.lira: unknown key 'typo'; allowed: reference"),
        (
            "datasets.digits.training.typo",
            "datasets.digits.training: unknown key 'typo'; allowed: epochs, batch_size,",
        ),
    ],
)
def test_an_unknown_key_is_refused_at_every_level(path, place):
    assert refusal(changed(path, 1)).startswith(place)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("study", "top level: key 'study' is missing; needed: study, datasets,"),
        ("datasets.digits.source", "datasets.digits: key 'source' is missing; needed: source"),
        ("pool.targets", "pool: key 'targets' is missing; needed: shadow_models, targets,"),
        ("training.epochs", "training: key 'epochs' is missing; needed: epochs,"),
        ("quantization.bits", "quantization: key 'bits' is missing; needed: methods, bits"),
    ],
)
def test_a_missing_key_is_named(path, place):
    assert refusal(changed(path, None)).startswith(place)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("study", "Two Words", "'Two Words' is not allowed; allowed: text that matches ^[a-z0-9]"),
        ("seed", -1, "-1 is not allowed; allowed: whole number >= 0"),
        ("device", "gpu", "'gpu' is not allowed; allowed: cpu, cuda"),
        ("datasets", {}, "{} is not allowed; allowed: mapping; at least 1 entry"),
        ("datasets", ["digits"], "['digits'] is not allowed; allowed: mapping; at least 1 entry"),
        ("datasets.digits.audit_samples", 3, "3 is not allowed; allowed: whole number >= 4"),
        ("architectures", "resnet6", "'resnet6' is not allowed; allowed: list of: resnet6, "),
        ("pool.targets", "three", "'three' is not allowed; allowed: whole number >= 1"),
        ("pool.targets", True, "True is not allowed; allowed: whole number >= 1"),
        ("pool.shadow_models", 16.0, "16.0 is not allowed; allowed: whole number >= 2"),
        ("training.momentum", 1, "1 is not allowed; allowed: number >= 0 and < 1"),
        ("training.learning_rate", float("nan"), "nan is not allowed; allowed: number > 0"),
        ("training.learning_rate", float("inf"), "inf is not allowed; allowed: number > 0"),
        ("training.flip", "yes", "'yes' is not allowed; allowed: true or false"),
        ("quantization.bits", [4, 4], "[4, 4] is not allowed; allowed: list of: number"),
        ("quantization.obc", [], "[] is not allowed; allowed: mapping with damping"),
        ("queries", [], "[] is not allowed; allowed: list of: text that matches ^(identity"),
        ("attacks.lira.reference", 1, "1 is not allowed; allowed: true or false"),
        ("datasets.digits.training.epochs", 0, "0 is not allowed; allowed: whole number >= 1"),
        ("datasets.digits.training", 7, "7 is not allowed; allowed: mapping"),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_named_with_its_key(path, value, message):
    assert refusal(changed(path, value)).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("quantization.bits", [2, 0], "bits.1: 0 is not allowed; allowed: number >= 1 and <= 8"),
        ("quantization.bits", [float("nan")], "bits.0: nan is not allowed"),
        ("quantization.methods", ["gptq"], "methods.0: 'gptq' is not allowed; allowed: nearest, "),
        (
            "quantization.decoupled",
            [{"bits": 2}],
            "decoupled.0: key 'head_bits' is missing; needed: bits, head_bits",
        ),
        ("queries", ["identity", "rotate"], "queries.1: 'rotate' is not allowed; allowed: text"),
        ("queries", ["shift:1"], "queries.0: 'shift:1' is not allowed; allowed: text that matches"),
        ("datasets", {"A B": {"source": "digits"}}, "datasets: 'A B' is not allowed; allowed: "),
        ("attacks.adversaries", ["adaptive", "none"], "adversaries.1: 'none' is not allowed; "),
    ],
)
def test_a_wrong_entry_of_a_list_is_named_by_its_place(path, value, message):
    assert message in refusal(changed(path, value))


def test_a_number_that_yaml_takes_for_text_is_explained():
    config = minimal() | yaml.safe_load("training: {epochs: 1, batch_size: 8, learning_rate: 1e-3}")
    assert refusal(config).endswith("YAML reads 1e-3 as text, so write 1.0e-3")


def test_what_was_written_is_shortened_in_the_message():
    assert len(refusal(changed("study", "Long " * 1000))) < 200


def test_of_several_mistakes_one_is_told():
    config = changed("queries", ["rotate"]) | {"device": "gpu"}
    assert refusal(config).startswith("device: ")


def test_absent_keys_get_their_defaults_and_present_ones_stay():
    config = minimal()
    config["training"]["momentum"] = 0
    settings.checked(config, SCHEMA)
    assert config["seed"] == 0
    assert config["training"]["momentum"] == 0
    assert config["training"]["weight_decay"] == 0.0005
    assert config["quantization"]["decoupled"] == []
    assert config["quantization"]["brecq"]["iterations"] == Brecq().iterations
    assert config["attacks"]["lira"] == {"reference": False}
    assert config["datasets"] == {"digits": {"source": "digits"}}


def test_checking_twice_changes_nothing_more():
    config = minimal()
    settings.checked(config, SCHEMA)
    once = copy.deepcopy(config)
    settings.checked(config, SCHEMA)
    assert config == once


def test_two_configs_share_no_default():
    first, second = minimal(), minimal()
    settings.checked(first, SCHEMA)
    settings.checked(second, SCHEMA)
    first["quantization"]["decoupled"].append("changed")
    first["quantization"]["obc"]["damping"] = 7
    assert second["quantization"]["decoupled"] == []
    assert second["quantization"]["obc"]["damping"] == 0


def test_a_data_sets_own_training_keys_go_over_the_studys():
    config = changed("datasets.digits.training", {"epochs": 9, "flip": False})
    config["datasets"]["other"] = {"source": "fashion-mnist"}
    settings.checked(config, SCHEMA)
    own = settings.training_of(config, "digits")
    assert own == {**config["training"], "epochs": 9, "flip": False}
    assert settings.training_of(config, "other") == config["training"]
    assert config["training"]["epochs"] == 1


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_that_is_shipped_passes(path):
    config = yaml.safe_load(path.read_text())
    settings.checked(config, SCHEMA)
    assert Study.from_config(config).pool.models >= 4


def test_the_embedded_default_is_among_the_configs():
    assert ROOT / "config" / "config.yaml" in CONFIGS


@pytest.mark.parametrize(
    ("name", "kind"), [("adaround", AdaRound), ("brecq", Brecq), ("obc", Obc), ("refit", Refit)]
)
def test_the_schemas_defaults_are_the_librarys(name, kind):
    keys = schema()["properties"]["quantization"]["properties"][name]["properties"]
    defaults = {key: part["default"] for key, part in keys.items()}
    assert defaults == dataclasses.asdict(kind())


def test_the_schema_names_the_librarys_methods_and_adversaries():
    properties = schema()["properties"]
    methods = properties["quantization"]["properties"]["methods"]["items"]["enum"]
    adversaries = properties["attacks"]["properties"]["adversaries"]["items"]["enum"]
    assert (tuple(methods), tuple(adversaries)) == (METHODS, ADVERSARIES)


def test_the_schema_knows_every_source_and_its_options():
    datasets = schema()["properties"]["datasets"]["additionalProperties"]["properties"]
    assert set(datasets["source"]["enum"]) == set(SOURCES)
    assert set().union(*OPTIONS.values(), COMMON - {"name", "seed"}, {"training"}) == set(datasets)


def test_the_config_s_documentation_is_what_the_schema_says():
    done = subprocess.run(
        [sys.executable, DOCUMENT, "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def document():
    spec = importlib.util.spec_from_file_location("document", DOCUMENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(part, path=""):
    """Every key of the schema that holds a value, by its dotted path."""
    for name, child in part.get("properties", {}).items():
        key = f"{path}.{name}".lstrip(".")
        yield from [key] if not child.get("properties") else leaves(child, key)
    if isinstance(part.get("additionalProperties"), dict):
        yield from leaves(part["additionalProperties"], f"{path}.{{name}}")
    for name, child in part.get("properties", {}).items():
        if isinstance(child.get("additionalProperties"), dict):
            yield from leaves(child, f"{path}.{name}".lstrip("."))


def test_every_key_is_documented_with_its_description():
    text = document().document(schema())
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    found = set(leaves(schema()))
    assert {"study", "datasets.{name}.source", "quantization.obc.damping"} <= found
    for key in found - {"datasets"}:
        assert not rows[key].rstrip(" |").endswith("|"), f"{key} has no description"


def test_the_check_says_when_the_documentation_is_old(tmp_path, monkeypatch):
    module = document()
    monkeypatch.setattr(module, "README", tmp_path / "README.md")
    monkeypatch.setattr(sys, "argv", ["document.py", "--check"])
    with pytest.raises(SystemExit, match="not what the schema says; write it with"):
        module.main()
    module.README.write_text(module.document(schema()))
    module.main()


def test_a_bar_in_a_cell_does_not_end_it():
    text = document().document(schema())
    bars = {
        line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")
    }
    assert bars == {5}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("vgg", "architectures.1: 'vgg' is not allowed; allowed: resnet6, resnet8-thin, resnet8, "),
        (3, "architectures.1: 3 is not allowed; allowed: resnet6, "),
        ({"name": "x"}, "architectures.1: key 'factory' is missing; needed: name, factory"),
        ({"name": "x", "factory": "a:b", "y": 1}, "architectures.1: unknown key 'y'; allowed: na"),
        ({"name": "x", "factory": "a.b"}, "architectures.1.factory: 'a.b' is not allowed; allow"),
        ({"name": "x", "factory": "../a:b"}, "architectures.1.factory: '../a:b' is not allowed"),
        ({"name": "a/b", "factory": "a:b"}, "architectures.1.name: 'a/b' is not allowed"),
    ],
)
def test_what_is_wrong_with_an_architecture_is_named(entry, message):
    assert refusal(changed("architectures", ["resnet6", entry])).startswith(message)


def test_an_own_network_is_let_through():
    entry = {"name": "mine", "factory": "package.module:factory"}
    settings.checked(changed("architectures", [entry, "resnet6"]), SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training.batch_size", 51, "training.batch_size: 51 is more than the 50 members of a"),
        ("datasets.digits.training", {"batch_size": 64}, "training.batch_size: 64 is more than"),
        ("quantization.calibration_samples", 51, "quantization.calibration_samples: 51 is more"),
    ],
)
def test_samples_that_are_too_few_are_found_before_any_work(path, value, message):
    config = changed(path, value)
    config["datasets"]["digits"]["audit_samples"] = 101
    config["quantization"].setdefault("calibration_samples", 50)
    assert refusal(config).startswith(message)
    config["datasets"]["digits"]["audit_samples"] = 128
    settings.checked(config, SCHEMA)

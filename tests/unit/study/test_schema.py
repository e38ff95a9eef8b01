import copy
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ptq_privacy.data.preparation import COMMON
from ptq_privacy.study import fragments, schema
from ptq_privacy.study.adversaries import ADVERSARIES
from ptq_privacy.study.experiment import Study

ROOT = Path(__file__).parents[3]
DOCUMENT = schema.SCHEMA.with_name("document.py")
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))


def minimal():
    """A config with nothing in it that has a default which would do."""
    return {
        "study": "small",
        "datasets": {"digits": {"source": "digits"}},
        "networks": ["resnet6"],
        "pool": {"shadow_models": 4, "targets": 2, "models_per_job": 3},
        "training": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
        # The default is more than half of the digits.
        "compression": {"methods": ["obc"], "bits": [2], "calibration_samples": 64},
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
        schema.checked(config)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("typo", "top level: unknown key 'typo'; allowed: study, seed,"),
        (
            "datasets.digits.typo",
            "datasets.digits: unknown key 'typo'; allowed: source, audit_samples,",
        ),
        ("pool.typo", "pool: unknown key 'typo'; allowed: shadow_models, targets,"),
        ("training.typo", "training: unknown key 'typo'; allowed: epochs, batch_size,"),
        ("compression.typo", "compression: unknown key 'typo'; allowed: methods, bits,"),
        ("compression.obc.typo", "compression.obc: unknown key 'typo'; allowed: damping"),
        (
            "attacks.typo",
            "attacks: unknown key 'typo'; allowed: adversaries, draws, methods, headline,",
        ),
        ("attacks.lira.typo", "attacks.lira: unknown key 'typo'; allowed: reference"),
        ("attacks.rmia.typo", "attacks.rmia: unknown key 'typo'; allowed: gamma, a"),
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
        ("compression.bits", "compression: key 'bits' is missing; needed: methods, bits"),
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
        ("networks", "resnet6", "'resnet6' is not allowed; allowed: list of: densenet121, "),
        ("pool.targets", "three", "'three' is not allowed; allowed: whole number >= 1"),
        ("pool.targets", True, "True is not allowed; allowed: whole number >= 1"),
        ("pool.shadow_models", 16.0, "16.0 is not allowed; allowed: whole number >= 2"),
        ("training.momentum", 1, "1 is not allowed; allowed: number >= 0 and < 1"),
        ("training.learning_rate", float("nan"), "nan is not allowed; allowed: number > 0"),
        ("training.learning_rate", float("inf"), "inf is not allowed; allowed: number > 0"),
        ("training.flip", "yes", "'yes' is not allowed; allowed: true or false"),
        ("compression.bits", [4, 4], "[4, 4] is not allowed; allowed: list of: number"),
        ("compression.obc", [], "[] is not allowed; allowed: mapping with damping"),
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
        ("compression.bits", [2, 0], "bits.1: 0 is not allowed; allowed: number >= 1 and <= 8"),
        ("compression.bits", [float("nan")], "bits.0: nan is not allowed"),
        ("compression.methods", ["awq"], "methods.0: 'awq' is not allowed; allowed: adaround, "),
        (
            "compression.decoupled",
            [{"bits": 2}],
            "decoupled.0: key 'head_bits' is missing; needed: bits, head_bits",
        ),
        (
            "compression.activations",
            [{"bits": 2, "activation_bits": 9}],
            "activations.0.activation_bits: 9 is not allowed; allowed: number >= 1 and <= 8",
        ),
        ("queries", ["identity", "rotate"], "queries.1: 'rotate' is not allowed; allowed: text"),
        ("queries", ["shift:1"], "queries.0: 'shift:1' is not allowed; allowed: text that matches"),
        ("datasets", {"A B": {"source": "digits"}}, "datasets: 'A B' is not allowed; allowed: "),
        ("attacks.adversaries", ["adaptive", "none"], "adversaries.1: 'none' is not allowed; "),
        ("attacks.methods", ["lira", "qmia"], "methods.1: 'qmia' is not allowed; allowed: global_"),
        ("attacks.methods", [], "methods: [] is not allowed; allowed: list of: global_threshold, "),
        ("attacks.methods", ["lira", "lira"], "methods: ['lira', 'lira'] is not allowed; "),
        ("datasets.digits.queries", ["spin"], "datasets.digits.queries.0: 'spin' is not allowed; "),
        ("datasets.digits.queries", [], "datasets.digits.queries: [] is not allowed; allowed: "),
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
    schema.checked(config)
    assert config["seed"] == 0
    assert config["training"]["momentum"] == 0
    assert config["training"]["weight_decay"] == 0.0005
    assert config["compression"]["decoupled"] == []
    assert config["compression"]["brecq"]["iterations"] == 400
    assert config["attacks"]["methods"] == ["lira", "global_threshold", "rmia"]
    assert config["attacks"]["headline"] == "lira_online"
    assert config["attacks"]["lira"] == {"reference": False}
    assert config["attacks"]["rmia"] == {"gamma": "tuned", "a": "tuned"}
    assert config["datasets"] == {"digits": {"source": "digits"}}


def test_checking_twice_changes_nothing_more():
    config = minimal()
    schema.checked(config)
    once = copy.deepcopy(config)
    schema.checked(config)
    assert config == once


def backwards(part):
    """All keys in the opposite order, at all depths."""
    if isinstance(part, list):
        return [backwards(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {key: backwards(part[key]) for key in reversed(part)}


def test_the_order_of_keys_means_nothing_beside_that_of_data_sets():
    config = minimal()
    config["datasets"]["digits"]["training"] = {"epochs": 2, "batch_size": 4}
    config["datasets"]["again"] = {"audit_samples": 1000, "source": "digits"}
    settings = {"z": [{"y": 1, "x": 2}], 7: 0}
    config["networks"].append({"name": "a", "factory": "b:c", "settings": settings})
    other = backwards(config)
    schema.checked(config)
    schema.checked(other)
    assert list(config["datasets"]) == ["digits", "again"] == list(other["datasets"])[::-1]
    assert repr(sorted(config["datasets"].items())) == repr(sorted(other["datasets"].items()))
    for key in config.keys() - {"datasets"}:
        assert repr(config[key]) == repr(other[key])


def test_two_configs_share_no_default():
    first, second = minimal(), minimal()
    schema.checked(first)
    schema.checked(second)
    first["compression"]["decoupled"].append("changed")
    first["compression"]["obc"]["damping"] = 7
    assert second["compression"]["decoupled"] == []
    assert second["compression"]["obc"]["damping"] == 0


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_that_is_shipped_passes(path):
    config = yaml.safe_load(path.read_text())
    schema.checked(config)
    assert Study.from_config(config).pool.models >= 4


def test_the_embedded_default_is_among_the_configs():
    assert ROOT / "config" / "config.yaml" in CONFIGS


@pytest.mark.parametrize("section", ["compression", "attacks"])
def test_defaults_of_a_section_are_its_fragments(section):
    """So that what a config records, and what a stage is given, is what its fragment says."""
    config = minimal()
    schema.checked(config)
    kind = {"compression": "compressions", "attacks": "attacks"}[section]
    known = fragments.of_kind(kind).values()
    own = {fragment.name: fragment.defaults for fragment in known if fragment.properties}
    assert own
    assert {name: config[section][name] for name in own} == own
    assert not set(fragments.names(kind)) - set(own) & set(config[section])


def test_the_schema_names_every_fragment_and_adversary():
    parts = schema.definition()["properties"]
    assert parts["compression"]["properties"]["methods"]["items"]["anyOf"][0]["enum"] == (
        fragments.names("compressions")
    )
    network = parts["networks"]["items"]["anyOf"]
    assert network[0]["enum"] == fragments.names("networks")
    assert network[1]["properties"]["architecture"]["enum"] == fragments.names("networks")
    attacks = parts["attacks"]["properties"]
    assert attacks["methods"]["items"]["enum"] == fragments.names("attacks")
    assert attacks["adversaries"]["items"]["enum"] == list(ADVERSARIES)
    assert parts["datasets"]["additionalProperties"]["properties"]["source"]["enum"] == (
        fragments.names("sources")
    )


@pytest.mark.parametrize("source", fragments.names("sources"))
def test_a_data_set_may_say_what_its_preparation_takes(source):
    own = set(fragments.get("sources", source).properties)
    known = set(schema.dataset_definition(source)["properties"])
    assert known == COMMON - {"name", "seed"} | {"training", "queries"} | own


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
        if not child.get("properties"):
            yield key
        yield from leaves(child, key)
    if isinstance(part.get("additionalProperties"), dict):
        yield from leaves(part["additionalProperties"], f"{path}.{{name}}")
    yield from leaves(part.get("items", {}), f"{path}.{{n}}") if "items" in part else ()
    for option in part.get("anyOf", []):
        yield from leaves(option, path)


def described(rows):
    """The keys of a table's rows; every row has a description, its last cell."""
    cells = [line.split(" | ") for line in rows if line.startswith("| `")]
    assert all(row[-1].rstrip("| ") for row in cells), "a key has no description"
    return {row[0].split("`")[1] for row in cells}


SECTIONS = {"datasets", "networks"}
"""What is documented by a section of its own, not by a row."""


def test_every_key_is_documented_with_its_description():
    text = document().document()
    found = set(leaves(schema.definition()))
    assert {
        "study",
        "datasets.{name}.source",
        "networks.{n}.training",
        "compression.methods.{n}.factory",
        "compression.obc.damping",
    } <= found
    assert found - SECTIONS <= described(text.splitlines())
    for section in SECTIONS:
        about = schema.definition()["properties"][section]["description"]
        assert f"## {section}\n\n{about}" in text


@pytest.mark.parametrize("kind", fragments.KINDS)
def test_every_fragment_is_documented_with_its_keys(kind):
    text = document().document()
    places = {
        "sources": "datasets.{name}",
        "networks": "networks.{n}.settings",
        "compressions": "compression.NAME",
        "attacks": "attacks.NAME",
    }
    for name, fragment in fragments.of_kind(kind).items():
        line = f"- `{name}`, {fragment.title}. {fragment.about}"
        assert text.count(line) == 1
        for score in fragment.more.get("scores", []):
            assert f"`{score}`" in text.partition(line)[2].partition("\n")[0]
        table = text.partition(f"Keys of `{name}`:\n\n")[2].partition("\n\n")[0]
        place = places[kind].replace("NAME", name)
        assert described(table.splitlines()) == {f"{place}.{key}" for key in fragment.properties}


def test_the_check_says_when_the_documentation_is_old(tmp_path, monkeypatch):
    module = document()
    monkeypatch.setattr(module, "README", tmp_path / "README.md")
    monkeypatch.setattr(sys, "argv", ["document.py", "--check"])
    with pytest.raises(SystemExit, match="not what the schema says; write it with"):
        module.main()
    module.README.write_text(module.document())
    module.main()


def test_a_bar_in_a_cell_does_not_end_it():
    text = document().document()
    bars = {
        line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")
    }
    assert bars == {5}


def network(**changes):
    return {"name": "x", "architecture": "resnet6"} | changes


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("vgg", "networks.1: 'vgg' is not allowed; allowed: densenet121, mlp, resnet18, "),
        (3, "networks.1: 3 is not allowed; allowed: densenet121, "),
        ({"name": "x"}, "networks.1: needs either architecture or factory"),
        (network(factory="a:b"), "networks.1: needs either architecture or factory"),
        ({"factory": "a:b"}, "networks.1: key 'name' is missing; needed: name"),
        ({"name": "x", "factory": "a:b", "y": 1}, "networks.1: unknown key 'y'; allowed: name, a"),
        ({"name": "x", "factory": "a.b"}, "networks.1.factory: 'a.b' is not allowed; allowed: te"),
        ({"name": "x", "factory": "../a:b"}, "networks.1.factory: '../a:b' is not allowed; allow"),
        ({"name": "a/b", "factory": "a:b"}, "networks.1.name: 'a/b' is not allowed; allowed: tex"),
        (network(architecture="vgg"), "networks.1.architecture: 'vgg' is not allowed; allowed: d"),
        (network(settings=7), "networks.1.settings: 7 is not allowed; allowed: mapping"),
        (network(settings={"depth": 2}), "networks.1.settings: unknown key 'depth'; allowed: wid"),
        (
            network(architecture="resnet18", settings={"widths": [8]}),
            "networks.1.settings: unknown key 'widths'; allowed: none",
        ),
        (
            network(settings={"widths": []}),
            "networks.1.settings.widths: [] is not allowed; allowed: list of: whole number >= 1 an",
        ),
        (
            network(settings={"widths": [8, 0]}),
            "networks.1.settings.widths.1: 0 is not allowed; allowed: whole number >= 1",
        ),
        (network(training=[]), "networks.1.training: [] is not allowed; allowed: mapping"),
        (
            network(training={"typo": 1}),
            "networks.1.training: unknown key 'typo'; allowed: epochs, batch_size,",
        ),
        (
            network(training={"epochs": 0}),
            "networks.1.training.epochs: 0 is not allowed; allowed: whole number >= 1",
        ),
        (
            {"name": "x", "factory": "a:b", "training": {"momentum": 1}},
            "networks.1.training.momentum: 1 is not allowed; allowed: number >= 0 and < 1",
        ),
    ],
)
def test_what_is_wrong_with_a_network_is_named(entry, message):
    assert refusal(changed("networks", ["resnet6", entry])).startswith(message)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "mine", "factory": "package.module:factory"},
        {"name": "mine", "factory": "module:factory", "settings": {"depth": 2, "kind": ["a"]}},
        {"name": "wide", "architecture": "resnet6", "settings": {"widths": [4]}},
        {"name": "short", "architecture": "resnet18", "training": {"epochs": 3, "flip": False}},
    ],
)
def test_a_network_of_its_own_is_let_through_unchanged(entry):
    config = changed("networks", [copy.deepcopy(entry), "resnet6"])
    schema.checked(config)
    assert config["networks"] == [entry, "resnet6"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factory": None}, "compression.methods.1: key 'factory' is missing; needed: name, fact"),
        ({"name": None}, "compression.methods.1: key 'name' is missing; needed: name, factory"),
        ({"y": 1}, "compression.methods.1: unknown key 'y'; allowed: name, factory, settings"),
        ({"factory": "a.b"}, "compression.methods.1.factory: 'a.b' is not allowed; allowed: text"),
        ({"name": "My"}, "compression.methods.1.name: 'My' is not allowed; allowed: text that ma"),
        # The parts of a variant's name are told apart by hyphens.
        ({"name": "my-w2"}, "compression.methods.1.name: 'my-w2' is not allowed; allowed: text t"),
        ({"settings": 3}, "compression.methods.1.settings: 3 is not allowed; allowed: mapping"),
    ],
)
def test_what_is_wrong_with_a_method_of_ones_own_is_named(changes, message):
    entry = {"name": "mine", "factory": "a:b"} | changes
    entry = {key: value for key, value in entry.items() if value is not None}
    assert refusal(changed("compression.methods", ["obc", entry])).startswith(message)


def test_a_method_of_ones_own_is_let_through_unchanged():
    entry = {"name": "mine", "factory": "package.module:compress", "settings": {"steps": [1, 2]}}
    config = changed("compression.methods", [copy.deepcopy(entry), "obc"])
    schema.checked(config)
    assert config["compression"]["methods"] == [entry, "obc"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "compression.methods",
            ["obc", {"name": "obc", "factory": "a:b"}],
            "compression.methods.1: the name 'obc' is taken twice",
        ),
        (
            "compression.methods",
            [{"name": "mine", "factory": "a:b"}, {"name": "mine", "factory": "a:c"}],
            "compression.methods.1: the name 'mine' is taken twice",
        ),
        (
            "networks",
            ["resnet6", {"name": "resnet6", "architecture": "resnet8"}],
            "networks.1: the name 'resnet6' is taken twice",
        ),
        (
            "networks",
            [network(name="a"), network(name="b-a")],
            "networks: figures of 'digits-b, a' and of 'digits, b-a' would have one name; rename a",
        ),
        (
            "compression.bits",
            [4, 1.58, 1.6],
            "compression.bits.2: 1.6 bits are the same 3 levels, round(2^bits), as 1.58 bits; le",
        ),
        (
            "compression.decoupled",
            [{"bits": 2, "head_bits": 8}, {"bits": 2, "head_bits": 7.9999}],
            "compression.decoupled.1.head_bits: 7.9999 bits are the same 256 levels, round(2^bits)",
        ),
        (
            "compression.decoupled",
            [{"bits": 2, "head_bits": 2}],
            "compression.decoupled.0.head_bits: 2 bits are the same 4 levels, round(2^bits), as t",
        ),
        (
            "compression.decoupled",
            [{"bits": 2.01, "head_bits": 8}],
            "compression.decoupled.0.bits: 2.01 is not in compression.bits (2)",
        ),
        (
            "compression.activations",
            [{"bits": 4, "activation_bits": 8}],
            "compression.activations.0.bits: 4 is not in compression.bits (2)",
        ),
        (
            "compression.activations",
            [{"bits": 2, "activation_bits": 4, "head_bits": 2}],
            "compression.activations.0.head_bits: 2 bits are the same 4 levels, round(2^bits), as",
        ),
        (
            "compression.activations",
            [{"bits": 2, "activation_bits": 1.58}, {"bits": 2, "activation_bits": 1.6}],
            "compression.activations.1: its grids have as many levels, round(2^bits), as those of "
            "compression.activations.0; leave one of them out",
        ),
        ("attacks.headline", "typo", "attacks.headline: 'typo' is none of the scores of attacks."),
        (
            "attacks.methods",
            ["rmia"],
            "attacks.headline: 'lira_online' is none of the scores of attacks.methods that run "
            "under all of attacks.adversaries; allowed: rmia_online, rmia_offline",
        ),
    ],
)
def test_what_the_schema_cannot_tell_the_study_refuses(path, value, message):
    config = changed(path, value)
    config["datasets"]["digits-b"] = {"source": "digits"}
    schema.checked(config)
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        Study.from_config(config)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("source", "key", "value"),
    [
        ("digits", "path", "x"),
        ("folder", "classes", ["a", "b"]),
        ("npz", "image_shape", [1, 8, 8]),
        ("fashion-mnist", "test_fraction", 0.5),
        ("cifar-10", "image_shape", [3, 32, 32]),
    ],
)
def test_a_key_of_one_source_is_refused_for_another(source, key, value):
    allowed = ["source", "audit_samples", "training", "queries"]
    allowed += fragments.get("sources", source).properties
    message = f"datasets.mine: unknown key '{key}'; allowed: {', '.join(allowed)}"
    assert refusal(changed("datasets", {"mine": {"source": source, key: value}})) == message


@pytest.mark.parametrize(
    ("source", "key", "value", "message"),
    [
        ("cifar-10", "path", 3, "datasets.mine.path: 3 is not allowed; allowed: text"),
        ("npz", "test_fraction", 1, "datasets.mine.test_fraction: 1 is not allowed; allowed: numb"),
        ("npz", "classes", "a", "datasets.mine.classes: 'a' is not allowed; allowed: list of: te"),
        ("parquet", "image_shape", [8, 8], "datasets.mine.image_shape: [8, 8] is not allowed; al"),
        ("parquet", "image_shape", [1, 8, 0], "datasets.mine.image_shape.2: 0 is not allowed; al"),
    ],
)
def test_a_value_of_a_sources_own_key_is_checked(source, key, value, message):
    entry = {"source": source, key: value}
    assert refusal(changed("datasets", {"mine": entry})).startswith(message)


def test_a_data_sets_own_keys_are_let_through():
    entry = {"source": "parquet", "path": "x", "image_shape": [1, 8, 8], "test_fraction": 0.3}
    entry |= {"queries": ["flip", "shift:-1,0"], "training": {"epochs": 2}, "audit_samples": 80}
    config = changed("datasets", {"mine": copy.deepcopy(entry)})
    config["compression"]["calibration_samples"] = 32
    schema.checked(config)
    assert config["datasets"] == {"mine": entry}


@pytest.mark.parametrize("query", ["shift:01,0", "shift:1,-0", "shift:00,1", "shift:10000,0"])
def test_a_view_can_be_written_in_one_way_only(query):
    """Or one and the same could be asked for twice."""
    assert refusal(changed("queries", [query])).startswith(f"queries.0: '{query}' is not allowed")


@pytest.mark.parametrize("path", ["study", "networks", "datasets"])
def test_a_name_has_no_line_break(path):
    """Python's $ lets one through at the end, and it would be part of every path."""
    value = {
        "study": "small\n",
        "networks": [network(name="x\n")],
        "datasets": {"digits\n": {"source": "digits"}},
    }[path]
    assert "\\n' is not allowed; allowed: " in refusal(changed(path, value))


def whole_numbers(part, place=""):
    """Every part of a schema that lets whole numbers through, by its place."""
    if isinstance(part, dict):
        if part.get("type") == "integer":
            yield place, part
        for key, child in part.items():
            yield from whole_numbers(child, f"{place}.{key}")
    elif isinstance(part, list):
        for index, child in enumerate(part):
            yield from whole_numbers(child, f"{place}.{index}")


BY_THE_DATA = ("audit_samples", "batch_size", "calibration_samples", "batch")
"""Counts that the number of samples bounds."""


def test_every_count_is_bounded():
    """Or a slip of the finger would run, or compute a plan, for ever."""
    found = dict(whole_numbers(schema.definition()))
    for name in fragments.names("sources") + fragments.names("networks"):
        for kind in ("sources", "networks"):
            if name in fragments.names(kind):
                found |= whole_numbers(dict(fragments.get(kind, name).properties), name)
    assert len(found) > 15
    for place, part in found.items():
        assert "minimum" in part, place
        assert "maximum" in part or place.rpartition(".")[2] in BY_THE_DATA, place


@pytest.mark.parametrize("path", ["pool.shadow_models", "pool.models_per_job", "training.epochs"])
def test_a_count_beyond_its_bound_is_told_at_once(path):
    assert refusal(changed(path, 10**11)).startswith(
        f"{path}: 100000000000 is not allowed; allowed: whole number >= "
    )
    assert refusal(changed(path, 0)).startswith(f"{path}: 0 is not allowed")

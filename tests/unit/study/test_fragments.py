"""Every fragment is whole, and what is wrong with one is told in a line that names its file."""

import inspect
import subprocess
import sys

import pytest
import yaml

from ptq_privacy.study import fragment_checks, fragments, references, schema

EVERY = [(kind, name) for kind in fragments.KINDS for name in fragments.names(kind)]
OWN = {
    "compressions": {"model", "inputs", "levels", "seed"},
    "attacks": {"evidence", "settings"},
    "networks": {"classes"},
    "sources": {"settings", "downloads"},
}
"""What each kind's function is called with, beside the values of its fragment's keys."""
TOGETHER = {"models", "inputs", "levels", "seeds"}
"""And a compression's that takes several models at once."""

OF_KIND = {"images": {"channels"}, "rows": {"features"}, "tokens": {"vocabulary", "length"}}
"""And a network's, of its samples."""


@pytest.fixture
def schemas(tmp_path, monkeypatch):
    """An empty folder of fragments in place of the repository's."""
    for kind in fragments.KINDS:
        (tmp_path / kind).mkdir()
    monkeypatch.setattr(fragments, "SCHEMAS", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget():
    fragments.of_kind.cache_clear()
    schema.definition.cache_clear()


def whole(kind="compressions"):
    """The content of a fragment with nothing wrong in it."""
    content = {
        "function": "ptq_privacy.compression.nearest:compress",
        "title": "A title",
        "about": "A sentence.",
        "properties": {
            "steps": {"type": "integer", "minimum": 1, "default": 3, "description": "How many."},
            "rate": {"type": "number", "exclusiveMinimum": 0, "description": "How fast."},
        },
    }
    content |= {"scores": {"new": "New"}} if kind == "attacks" else {}
    return content | ({"kind": "rows"} if kind in ("networks", "sources") else {})


def put(path, content):
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def refusal(path):
    """What is said of one file when all are checked: one line that names it."""
    forget()
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        fragment_checks.check_all()
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_there_are_fragments_of_every_kind():
    fragment_checks.check_all()
    folders = {path.name for path in fragments.SCHEMAS.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == fragments.KINDS.keys()
    for kind in fragments.KINDS:
        files = [path.stem for path in (fragments.SCHEMAS / kind).iterdir()]
        assert fragments.names(kind) == sorted(files)
        assert files


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_fragment_is_whole(kind, name):
    fragment = fragments.get(kind, name)
    fragment_checks.check(fragment)
    assert (fragment.kind, fragment.name) == (kind, name)
    assert fragment.path == fragments.SCHEMAS / kind / f"{name}.yaml"
    assert fragment.title.strip() == fragment.title != ""
    assert fragment.about.endswith(".")
    assert set(fragment.more) <= fragments.KINDS[kind]
    for part in fragment.properties.values():
        assert part["description"].endswith(".")
    assert fragment.settings({}) == fragment.settings(fragment.defaults) == fragment.defaults


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_fragments_function_takes_its_keys(kind, name):
    """What is checked from the module's text is really there, and is called with what it knows."""
    fragment = fragments.get(kind, name)
    taken = set(inspect.signature(fragment.find()).parameters)
    by_keyword = kind in ("compressions", "networks")  # the others take their settings whole
    own = TOGETHER if fragment.more.get("together", False) else OWN[kind]
    told = OF_KIND[fragment.more["kind"]] if kind == "networks" else set()
    assert taken == own | told | (set(fragment.properties) if by_keyword else set())
    if by_keyword:  # nothing is left to the function's own defaults
        assert fragment.defaults.keys() == fragment.properties.keys()
    if "work" in fragment.more:
        assert callable(references.find(fragment.more["work"], name))


def test_a_published_data_set_tells_its_shape():
    for fragment in fragments.of_kind("sources").values():
        assert fragment.more.get("shape", {}).keys() in (
            set(),
            {"samples", "tests", "inputs", "classes"},
        )
        assert "shape" in fragment.more or "files" not in fragment.more


def test_names_of_compressions_can_be_parts_of_variants():
    assert not [name for name in fragments.names("compressions") if "-" in name]


def test_a_name_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="attacks: unknown name 'qmia'; allowed: global_threshold"):
        fragments.get("attacks", "qmia")


def test_settings_are_checked_and_filled():
    rmia = fragments.get("attacks", "rmia")
    assert rmia.settings({"a": 1}) == {"gamma": "tuned", "a": 1}
    for given, message in (
        ({"typo": 1}, "rmia: unknown setting 'typo'; allowed: gamma, a"),
        ({"a": 1.5}, "rmia.a: 1.5 is not allowed; allowed: tuned; or number >= 0 and <= 1"),
        ({"gamma": True}, "rmia.gamma: True is not allowed; allowed: tuned; or number >= 1"),
    ):
        with pytest.raises(ValueError, match=message):
            rmia.settings(given)
    with pytest.raises(ValueError, match="nearest: unknown setting 'x'; allowed: none"):
        fragments.get("compressions", "nearest").settings({"x": 1})


@pytest.mark.parametrize("kind", fragments.KINDS)
def test_a_file_is_all_that_a_name_needs(schemas, kind):
    fragment_checks.check_all()
    assert fragments.names(kind) == []
    forget()
    put(schemas / kind / "new.yaml", whole(kind))
    put(schemas / kind / "another.yml", {**whole(kind), "properties": {}} | only(kind))
    fragment_checks.check_all()
    assert fragments.names(kind) == ["another", "new"]
    found = fragments.get(kind, "new")
    assert (found.title, found.about) == ("A title", "A sentence.")
    assert found.defaults == {"steps": 3}
    assert found.settings({"rate": 0.5}) == {"steps": 3, "rate": 0.5}
    assert fragments.get(kind, "another").defaults == {}


def only(kind):
    """Scores of another attack: each belongs to one."""
    return {"scores": {"other": "Other"}} if kind == "attacks" else {}


def test_keys_are_optional(schemas):
    content = whole()
    del content["properties"]
    put(schemas / "compressions" / "plain.yaml", content)
    assert fragments.get("compressions", "plain").properties == {}


def without(key):
    return {name: value for name, value in whole().items() if name != key}


def having(**parts):
    """The whole content with a key `steps` changed, and what is None left out."""
    steps = whole()["properties"]["steps"] | parts
    steps = {name: value for name, value in steps.items() if value is not None}
    return whole() | {"properties": {"steps": steps}}


NEEDED = "needs the keys function, title and about, each a text"
WRONG = {
    "unknown key": (
        whole() | {"typo": 1},
        "unknown key 'typo'; allowed: about, data_free, function, ",
    ),
    "key of no text": (whole() | {1: 1}, "unknown key '1'; allowed: about, data_free, function, "),
    "key of another kind": (whole() | {"scores": {}}, "unknown key 'scores'; allowed: about, "),
    "no title": (without("title"), NEEDED),
    "no about": (without("about"), NEEDED),
    "no function": (without("function"), NEEDED),
    "title of no text": (whole() | {"title": 3}, NEEDED),
    "no mapping": ([1, 2], NEEDED),
    "empty": ("", NEEDED),
    "keys of no mapping": (whole() | {"properties": ["steps"]}, "properties: needs a mapping"),
    "keys left empty": (whole() | {"properties": None}, "properties: needs a mapping"),
    "key of no schema": (
        whole() | {"properties": {"steps": 3}},
        "properties.steps: needs a description",
    ),
    "no description": (having(description=None), "properties.steps: needs a description"),
    "default out of range": (
        having(default=0),
        "properties.steps: its default 0 is not in its own range",
    ),
    "default of another type": (
        having(default=3.0),
        "properties.steps: its default 3.0 is not in its own range",
    ),
    "no such type": (having(type="whole"), "properties.steps: 'whole' is not valid"),
    "limit of no number": (having(minimum="1"), "properties.steps: '1' is not of type 'number'"),
    "no such module": (
        whole() | {"function": "ptq_privacy.compression.missing:compress"},
        "function: 'ptq_privacy.compression.missing:compress': there is no module ",
    ),
    "no such module for the plan": (
        whole() | {"work": "nearest:work"},
        "work: 'nearest:work': there is no module ",
    ),
    "work of no text": (whole() | {"work": 3}, "work: 3: there is no module "),
    "not YAML": ("title: [", "line 1: not YAML (while parsing"),
    "a tab": ("title:\n\tx", "line 2: not YAML (while scanning"),
    "code": ("title: !!python/object/apply:os.getcwd []", "line 1: not YAML (could not determine"),
    "a date that is none": ("title: 2024-13-45", "not YAML (month must be in 1..12"),
    "a key twice": (
        "title: A\nabout: B.\ntitle: C\n",
        "line 3: the key 'title' is there twice, first in line 1",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_fragment_is_told_in_a_line(schemas, case):
    content, message = WRONG[case]
    put(schemas / "compressions" / "good.yaml", whole())
    assert refusal(put(schemas / "compressions" / "wrong.yaml", content)).startswith(message)


def test_a_function_that_is_not_in_its_module_is_named(schemas):
    for key, reference in (
        ("function", "nearest:missing"),
        ("function", "nearest:torch"),
        ("function", "nearest"),
        ("function", "nearest:"),
        ("function", "nearest:compress:more"),
        ("work", "nearest:missing"),
    ):
        content = whole() | {key: f"ptq_privacy.compression.{reference}"}
        told = refusal(put(schemas / "compressions" / "wrong.yaml", content))
        assert told.startswith(f"{key}: ")
        assert told.endswith(f"nearest.py has no function {reference.partition(':')[2]!r}")


def test_bytes_that_are_no_text_are_not_yaml(schemas):
    path = schemas / "sources" / "wrong.yaml"
    path.write_bytes(b"title: \xff\xfe\x00")
    assert refusal(path).startswith("line 1: not UTF-8 text")


@pytest.mark.parametrize("scores", [None, {}, ["new"], {"new": 1}, "new"])
def test_an_attack_names_its_scores(schemas, scores):
    content = whole("attacks") | {"scores": scores}
    path = put(schemas / "attacks" / "wrong.yaml", content)
    assert refusal(path) == "scores: needs the title of each score"


@pytest.mark.parametrize("kind", fragments.KINDS)
def test_two_files_of_one_name_are_refused(schemas, kind):
    put(schemas / kind / "x.yaml", whole(kind))
    put(schemas / kind / "x-y.yaml", whole(kind) | only(kind))
    second = put(schemas / kind / "x.yml", whole(kind))
    assert refusal(second) == f"{kind} has the name 'x' twice"


@pytest.mark.parametrize(
    "shape",
    [
        None,
        [1, 8, 8],
        {"samples": 100, "tests": 10, "inputs": [1, 8, 8]},
        {"samples": 100, "tests": 10, "inputs": [], "classes": 2},
        {"samples": 100, "tests": 10, "inputs": [1, 8, 8], "classes": "two"},
        {"samples": 0, "tests": 10, "inputs": [1, 8, 8], "classes": 2},
        {"samples": 100, "tests": 10, "inputs": [1, 8, 8], "classes": 2, "typo": 1},
    ],
)
def test_a_shape_is_whole(schemas, shape):
    path = put(schemas / "sources" / "wrong.yaml", whole("sources") | {"shape": shape})
    assert refusal(path).startswith("shape: needs samples, tests and classes, each a whole number")


@pytest.mark.parametrize("kind", ["networks", "sources"])
@pytest.mark.parametrize("samples", [None, "image", ["rows"]])
def test_networks_and_sources_say_of_which_kind_samples_are(schemas, kind, samples):
    path = put(schemas / kind / "wrong.yaml", whole(kind) | {"kind": samples})
    assert refusal(path).startswith(f"kind: {samples!r}; allowed: images, rows, tokens, of the ")


def test_a_score_of_two_attacks_is_refused(schemas):
    put(schemas / "attacks" / "first.yaml", whole("attacks"))
    both = whole("attacks") | {"scores": {"own": "Own", "new": "New too"}}
    assert refusal(put(schemas / "attacks" / "second.yaml", both)) == (
        "the score 'new' is first's already"
    )


def test_a_wrong_fragment_ends_the_check_of_a_config_that_does_not_name_it(schemas):
    """Since it may be what the config meant."""
    path = put(schemas / "networks" / "wrong.yaml", having(default=0))
    with pytest.raises(ValueError, match=f"{path}: properties.steps: its default 0 is not in"):
        schema.definition()


def test_a_job_looks_names_up_without_the_packages_that_check_them():
    """They take longer to import than many a job takes to run."""
    program = (
        "import sys\n"
        "from ptq_privacy.study import fragments\n"
        "print(fragments.get('networks', 'resnet6').defaults['widths'])\n"
        "assert 'jsonschema' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=fragments.SCRIPTS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[8, 16]\n", "")

"""Tiny studies that together hold every corner value of every key that a config may have.

The keys are read from the schema and its fragments, and so are their corners: both values of a
switch, each name of a list of names, the ends of a range, an empty list and lists of one where
they are allowed. `GIVEN` has those of keys whose schema tells none. Corners are put one by one into
the study that they make least longer, so that some ten studies hold all; what cannot stand beside
what, the config's own check tells. A key that may be left out is left out of some study.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ptq_privacy.planning import jobs
from ptq_privacy.study import fragments, schema
from ptq_privacy.study.experiment import Study

NETWORK, DATASET, METHOD = "networks.{n}", "datasets.{name}", "compression.methods.{n}"

BASE: dict[str, Any] = {
    "study": "corner",
    "datasets": {"digits": {"source": "digits"}},
    "networks": [{"name": "net"}],
    "pool": {"shadow_models": 2, "targets": 2, "models_per_job": 4},
    "training": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
    "compression": {"methods": [], "bits": [2], "calibration_samples": 32},
    "queries": ["identity"],
    "attacks": {"adversaries": ["transfer"]},
}

BOUND = 100
"""A larger maximum keeps a plan finite: to run such a study would take days."""

PATHS = {
    "cifar-10": "cifar-10.tar.gz",
    "cifar-100": "cifar-100.tar.gz",
    "fashion-mnist": "fashion-mnist",
    "folder": "images",
    "banking77": "banking77",
    "locations": "locations.tgz",
    "table": "people.csv",
    "text": "texts.csv",
    "npz": "images.npz",
    "parquet": "images.parquet",
    "tiny-imagenet": "tiny-imagenet.zip",
}
"""Where the data of a source lie in the folder that Snakemake runs in."""

GIVEN: dict[str, list[Any]] = {
    "study": ["0", "a-study_of-corners"],
    "seed": [0, 2**63 - 1],
    "datasets": ["0", "two-words"],
    f"{DATASET}.training": [{}, {"epochs": 2, "momentum": 0}],
    f"{DATASET}.test_fraction of folder": [0.02],
    f"{DATASET}.test_fraction of npz": [0.7],
    f"{DATASET}.classes": [["no", "yes"]],
    f"{DATASET}.image_shape": [[1, 8, 8]],
    f"{DATASET}.image_column": ["image"],
    f"{DATASET}.label_column": ["label"],
    f"{DATASET}.text_column": ["text"],
    f"{NETWORK}.settings.multiple": [0.25, 2],
    f"{NETWORK}.settings.width": [8],
    f"{DATASET}.leave_out": [["id"]],
    f"{DATASET}.categories": [["city"]],
    f"{DATASET}.resize of folder": [[9, 7]],
    # Of the built-in networks one; tests/unit/networks has all, at every compression.
    "networks": [["resnet18"]],
    f"{NETWORK}.name": ["0", "two-words"],
    f"{NETWORK}.factory": ["mynet:small"],
    f"{NETWORK}.settings": [{}],
    f"{NETWORK}.training": [{}, {"epochs": 2, "momentum": 0}],
    "pool.targets": [1, 3, 4],
    "pool.models_per_job": [1, 4],
    "pool.shadow_models": [2, 4],
    METHOD: [{"name": "own", "factory": "myquantizer:stochastic"}],
    f"{METHOD}.settings": [{}, {"clip": 0.9}],
    "compression.decoupled": [[], [{"bits": 8, "head_bits": 1}], [{"bits": 1, "head_bits": 8}]],
    "compression.activations": [
        [],
        [{"bits": 8, "activation_bits": 1}],
        [{"bits": 1, "activation_bits": 8, "head_bits": 8}],
    ],
    "compression.adaround.batch": [1, 32],
    "compression.brecq.batch": [1, 32],
    "compression.refit.batch": [1, 32],
    "attacks.adversaries": [["transfer"], ["adaptive"], ["transfer", "adaptive"]],
    "queries": [["flip"], ["shift:-7,7"], ["flip+shift:1,0"], ["identity", "flip"]],
    "attacks.methods": [
        ["lira", name] if attack.more.get("chooses") else [name]
        for name, attack in fragments.of_kind("attacks").items()
    ],
    "attacks.headline": [
        score for a in fragments.of_kind("attacks").values() for score in a.more["scores"]
    ],
}
"""Corners that the schema does not tell, by key."""

ELSEWHERE = {
    "device": "cuda needs a GPU",
    f"{DATASET}.path": "set for every source that needs one",
    f"{DATASET}.test_fraction of parquet": "as for the other sources",
    f"{DATASET}.test_fraction of table": "as for the other sources",
    f"{DATASET}.test_fraction of text": "as for the other sources",
    f"{DATASET}.truncate of banking77": "as for texts of one's own",
    f"{DATASET}.length": "must hold the texts, or they are cut: tests/unit/data",
    f"{NETWORK}.settings.heads": "divides the width: tests/unit/networks",
    f"{DATASET}.resize": "as for folders",
    f"{DATASET}.test_split": "needs data with both parts, tests/unit/data",
    f"{NETWORK}.settings.model": "tests/unit/networks",
    f"{NETWORK}.settings.arguments": "tests/unit/networks",
    f"{NETWORK}.settings.normalisation": "tests/unit/networks",
    "training.dp.epsilon": "tests/workflow/test_private.py",
    "training.dp.delta": "tests/workflow/test_private.py",
    "training.dp.clip": "tests/workflow/test_private.py",
    "training.procedure": "tests/workflow/test_own_network.py",
    "training.settings": "with `training.procedure`",
    f"{NETWORK}.architecture": "as `networks`, with settings",
    f"{METHOD}.name": f"with `{METHOD}`",
    f"{METHOD}.factory": f"with `{METHOD}`",
    "compression.activations.{n}.bits": "with `compression.activations`",
    "compression.activations.{n}.activation_bits": "with `compression.activations`",
    "compression.activations.{n}.head_bits": "with `compression.activations`",
    "compression.decoupled.{n}.bits": "with `compression.decoupled`",
    "compression.decoupled.{n}.head_bits": "with `compression.decoupled`",
}
"""Keys that need no corner of their own, and why."""

NEEDS = {
    f"{DATASET}.audit_samples": {f"{DATASET}.source": "folder", "training.batch_size": 2},
    "compression.adaround.batch": {"compression.adaround.solver": "reference"},
    "attacks.rmia.a": {"attacks.headline": "rmia_offline"},
}
"""What else a key needs to matter."""


OF_KIND: dict[str, tuple[str, str, dict[str, Any]]] = {
    "images": ("digits", "resnet6", {"widths": [4, 8]}),
    "rows": ("locations", "mlp", {"widths": [8]}),
    "tokens": ("banking77", "transformer", {"width": 8, "hidden": 8, "depth": 1}),
}
"""By kind of samples: a source, a network and its settings, where a corner names none."""

MISSING = object()
STUDY_JOBS = 15  # that every study has beside those that `planning.jobs` counts


@dataclass(frozen=True)
class Key:
    """A key that a config may have: as config/README.md writes it, and of which fragment it is."""

    name: str
    part: Any  # of the schema
    required: bool
    kind: str = ""
    fragment: str = ""

    def __str__(self) -> str:
        return f"{self.name} of {self.fragment}" if self.fragment else self.name


def every_key() -> list[Key]:
    """Every key of the schema and of the fragments that is no mapping of others."""
    found = list(_keys("", schema.definition()))
    for kind, place in (("sources", DATASET), ("networks", f"{NETWORK}.settings")):
        for name, fragment in fragments.of_kind(kind).items():
            for key, part in fragment.properties.items():
                found.append(Key(f"{place}.{key}", part, False, kind, name))
    return found


def _keys(place: str, part: Any, required: bool = True) -> Iterator[Key]:
    if place and (not part.get("properties") or place == "datasets"):
        yield Key(place, part, required, *_owner(place))
    for option in (part, *part.get("anyOf", []), *part.get("items", {}).get("anyOf", [])):
        inside = f"{place}.{{n}}" if part.get("type") == "array" else place
        for name, child in option.get("properties", {}).items():
            needed = name in option.get("required", [])
            yield from _keys(f"{inside}.{name}".lstrip("."), child, needed)
    if part.get("type") == "array" and part["items"].get("properties"):
        for name, child in part["items"]["properties"].items():
            yield from _keys(f"{place}.{{n}}.{name}", child)
    if isinstance(part.get("additionalProperties"), dict):
        for name, child in part["additionalProperties"]["properties"].items():
            yield from _keys(f"{place}.{{name}}.{name}", child, name == "source")


def _owner(place: str) -> tuple[str, str]:
    """The kind and name of the compression or attack whose setting a key is."""
    section, _, rest = place.partition(".")
    name = rest.partition(".")[0]
    kind = {"compression": "compressions", "attacks": "attacks"}.get(section, "")
    return (kind, name) if kind and name in fragments.names(kind) else ("", "")


def corners(key: Key) -> list[Any]:
    """The values of a key to be tried."""
    if str(key) not in GIVEN and {key.name, str(key)} & ELSEWHERE.keys():
        return []
    if key.name == f"{DATASET}.queries":
        return GIVEN["queries"][:2]
    return (
        GIVEN.get(str(key))
        or GIVEN.get(key.name)
        or list(_corners(key.part)) + [[item] for item in GIVEN.get(f"{key.name}.{{n}}", [])]
    )


def _corners(part: Any) -> Iterator[Any]:
    if "anyOf" in part:
        for option in part["anyOf"]:
            yield from _corners(option)
    elif "enum" in part:
        yield from part["enum"]
    elif part.get("type") == "boolean":
        yield from (False, True)
    elif part.get("type") in ("integer", "number"):
        if "minimum" in part:
            yield part["minimum"]
        if "exclusiveMinimum" in part:
            yield part["exclusiveMinimum"] + 1e-6
        if part.get("maximum", BOUND + 1) <= BOUND:
            yield part["maximum"]
        if "exclusiveMaximum" in part:
            yield part["exclusiveMaximum"] - 1e-3
    elif part.get("type") == "array":
        if not part.get("minItems"):
            yield []
        yield from ([item] for item in _corners(part["items"]))


@dataclass
class Draft:
    """A study in the making: which keys were given which values, and the config that makes."""

    chosen: dict[str, tuple[Key, Any]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=lambda: completed({}))

    @property
    def jobs(self) -> int:
        return count(self.config)

    def with_corner(self, key: Key, value: Any) -> Draft | None:
        """This study with one more key given; None where that cannot be."""
        wanted = dict(self.chosen)
        for name, (known, given) in [(key.name, (key, value)), *_needed(key)]:
            if wanted.get(name, (known, given)) != (known, given):
                return None
            wanted.setdefault(name, (known, given))
        fragment_of = {k.kind: k.fragment for k, _ in wanted.values() if k.kind}
        for known, _ in wanted.values():
            if known.kind in ("sources", "networks") and known.fragment != fragment_of[known.kind]:
                return None
        try:
            config = completed(wanted)
            full = copy.deepcopy(config)
            schema.checked(full)
            Study.from_config(full)
        except (ValueError, Clash):
            return None
        return Draft(wanted, config)


class Clash(Exception):
    """Two corners that no study can hold both."""


def _needed(key: Key) -> list[tuple[str, tuple[Key, Any]]]:
    known = {k.name: k for k in every_key()} if key.name in NEEDS else {}
    return [(name, (known[name], value)) for name, value in NEEDS.get(key.name, {}).items()]


def count(config: dict[str, Any]) -> int:
    full = copy.deepcopy(config)
    schema.checked(full)
    return sum(jobs.counts(Study.from_config(full)).values())


def completed(chosen: dict[str, tuple[Key, Any]]) -> dict[str, Any]:
    """A config with these values, and what they need beside them.

    Raises:
        Clash: a value would have no meaning beside the others.
    """
    config = copy.deepcopy(BASE)
    values = {name: value for name, (_, value) in chosen.items()}
    owners = {(k.kind, k.fragment) for k, _ in chosen.values() if k.kind}
    _data(config, values, owners)
    _network(config, values, owners)
    _compression(config, values, owners)
    _attacks(config, values, owners)
    for name, value in values.items():
        if "{" in name or name in ("datasets", "networks"):
            continue
        place = config
        for part in name.split(".")[:-1]:
            place = place.setdefault(part, {})
        place[name.split(".")[-1]] = copy.deepcopy(value)
    pool = config["pool"]
    models = pool["shadow_models"] + 2
    if "pool.models_per_job" not in values:
        pool["models_per_job"] = models
    return config


def _data(config: dict[str, Any], values: dict[str, Any], owners: set[tuple[str, str]]) -> None:
    source = next((name for kind, name in owners if kind == "sources"), None)
    source = values.get(f"{DATASET}.source", source or OF_KIND[_network_kind(values, owners)][0])
    if any(kind == "sources" and name != source for kind, name in owners):
        raise Clash
    entry: dict[str, Any] = {"source": source}
    if source in PATHS:
        entry["path"] = PATHS[source]
    elif config["compression"].get("methods") is not None:
        entry["audit_samples"] = 64
    for name, value in values.items():
        if name.startswith(f"{DATASET}.") and name != f"{DATASET}.source":
            entry[name.removeprefix(f"{DATASET}.")] = copy.deepcopy(value)
    # So few samples do not reach every class of published data.
    if entry.get("audit_samples", 64) < 64 and source not in (
        "folder",
        "npz",
        "parquet",
        "table",
        "text",
    ):
        raise Clash
    config["datasets"] = {values.get("datasets", "data"): entry}


def _network_kind(values: dict[str, Any], owners: set[tuple[str, str]]) -> str:
    """Of the samples that the network takes, which is an image where none is named."""
    named = [name for kind, name in owners if kind == "networks"] or values.get("networks")
    return str(fragments.get("networks", named[0]).more["kind"]) if named else "images"


def _network(config: dict[str, Any], values: dict[str, Any], owners: set[tuple[str, str]]) -> None:
    plain = values.get("networks")
    own = {k: v for k, v in values.items() if k.startswith(f"{NETWORK}.")}
    if plain is not None:
        if own:
            raise Clash
        config["networks"] = copy.deepcopy(plain)
        return
    if f"{NETWORK}.settings" in own and any(
        name.startswith(f"{NETWORK}.settings.") for name in own
    ):
        raise Clash
    entry: dict[str, Any] = {"name": own.get(f"{NETWORK}.name", "net")}
    settings: dict[str, Any] = {}
    fragment = next((name for kind, name in owners if kind == "networks"), None)
    if f"{NETWORK}.factory" in own:
        (dataset,) = config["datasets"].values()
        if fragment or fragments.get("sources", dataset["source"]).more["kind"] != "images":
            raise Clash
        entry["factory"] = own[f"{NETWORK}.factory"]
    else:
        (dataset,) = config["datasets"].values()
        kind = fragments.get("sources", dataset["source"]).more["kind"]
        entry["architecture"] = fragment or OF_KIND[kind][1]
        small = {} if fragment or f"{NETWORK}.settings" in own else OF_KIND[kind][2]
        settings = copy.deepcopy(small)
    for name, value in own.items():
        if name.startswith(f"{NETWORK}.settings."):
            settings[name.removeprefix(f"{NETWORK}.settings.")] = value
    if "architecture" in entry:
        whole = {**fragments.get("networks", entry["architecture"]).defaults, **settings}
        grouped = whole.get("normalisation") == "group"
        if grouped and min(whole["widths"]) * whole["multiple"] < 2:
            raise Clash  # a group holds two channels at least
    if settings or f"{NETWORK}.settings" in own:
        entry["settings"] = settings
    if f"{NETWORK}.training" in own:
        entry["training"] = dict(own[f"{NETWORK}.training"])
    config["networks"] = [entry]


def _compression(
    config: dict[str, Any], values: dict[str, Any], owners: set[tuple[str, str]]
) -> None:
    named = [name for kind, name in owners if kind == "compressions"]
    methods = values.get("compression.methods")
    about = [k for k in values if k.startswith("compression.") and k != "compression.methods"]
    if f"{METHOD}.settings" in values:
        if methods is not None:
            raise Clash
        methods = GIVEN[METHOD]
    if methods is None:
        methods = sorted(named) or (["nearest"] if about else [])
    methods = copy.deepcopy(methods)
    names = [method if isinstance(method, str) else method["name"] for method in methods]
    nothing = not methods or values.get("compression.bits") == []
    if set(named) - set(names) or (nothing and set(about) - {"compression.bits"}):
        raise Clash
    if nothing and "adaptive" in values.get("attacks.adversaries", []):
        raise Clash
    if f"{METHOD}.settings" in values:
        methods[0]["settings"] = values[f"{METHOD}.settings"]
    config["compression"]["methods"] = methods
    asked = [
        e for key in ("decoupled", "activations") for e in values.get(f"compression.{key}", [])
    ]
    if values.get("compression.activations") and any(not isinstance(m, str) for m in methods):
        raise Clash
    if asked and "compression.bits" not in values:
        config["compression"]["bits"] = list(dict.fromkeys(entry["bits"] for entry in asked))


DEFAULT_ATTACKS = ("lira", "global_threshold", "rmia")


def _attacks(config: dict[str, Any], values: dict[str, Any], owners: set[tuple[str, str]]) -> None:
    named = [name for kind, name in owners if kind == "attacks"]
    methods = values.get("attacks.methods")
    if methods and set(named) - set(methods):
        raise Clash
    headline = values.get("attacks.headline")
    if headline:
        (owner,) = (
            name
            for name, attack in fragments.of_kind("attacks").items()
            if headline in attack.more["scores"]
        )
        if owner not in (methods or DEFAULT_ATTACKS):
            if methods:
                raise Clash
            config["attacks"]["methods"] = [*DEFAULT_ATTACKS, owner]
    elif methods and "lira" not in methods:
        first = fragments.get("attacks", methods[0]).more["scores"]
        config["attacks"]["headline"] = next(iter(first))


@cache
def studies(seed: int) -> list[dict[str, Any]]:
    """Configs that hold every corner between them, each of which the check lets pass.

    Raises:
        ValueError: names a key whose corner no study can hold.
    """
    wanted = [(key, value) for key in every_key() for value in corners(key)]
    random.Random(seed).shuffle(wanted)
    wanted.sort(key=lambda corner: -len(corners(corner[0])))  # what needs most studies comes first
    drafts: list[Draft] = []
    for key, value in wanted:
        tried = [(draft, draft.with_corner(key, value)) for draft in [*drafts, Draft()]]
        longer = [
            (new.jobs - (old.jobs if old.chosen else -STUDY_JOBS), len(old.chosen), place, new)
            for place, (old, new) in enumerate(tried)
            if new
        ]
        if not longer:
            raise ValueError(f"{key}: {value!r} fits into no study")
        *_, place, new = min(longer, key=lambda item: item[:3])
        drafts[place : place + 1] = [new]
    for draft in drafts:
        for name, (_, value) in draft.chosen.items():
            if found(draft.config, name) != value:
                raise ValueError(f"{name}: {value!r} was put into a study, but is not there")
    return [draft.config for draft in drafts]


def found(config: Any, name: str) -> Any:
    """What a config says of a key; `MISSING` where it leaves it out."""
    if name == "datasets":
        return next(iter(config["datasets"]))
    for part in name.split("."):
        if part == "{name}":
            config = next(iter(config.values()))
        elif part == "{n}":
            config = config[0] if config else MISSING
        elif isinstance(config, dict) and part in config:
            config = config[part]
        else:
            return MISSING
    return config

"""What there is to choose from: compressions, attacks, networks and sources, a file of YAML each.

A name is its fragment, `workflow/schemas/{kind}/{name}.yaml`: which function does the work, what
people call it, and which keys a config may set. There is no other list. The config's check, its
documentation, the plan, the figures and the tests all read these.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from ptq_privacy.study import references
from ptq_privacy.study.allowed import Validator, allowed

SCRIPTS = Path(__file__).parents[2]
SCHEMAS = SCRIPTS.parent / "schemas"

KINDS = {
    "compressions": {"work"},
    "attacks": {"scores"},
    "networks": set(),
    "sources": {"shape", "classes", "files"},
}
"""What a fragment of each kind may say beside `function`, `title`, `about` and `properties`."""


@dataclass(frozen=True)
class Fragment:
    """One name and what stands behind it.

    function: `module:function`, called with the values of `properties` by keyword.
    title: for figures and tables; about: a sentence for the config's documentation.
    properties: its keys in the config, as JSON schema has them.
    more: what only its kind has; see docs/own.md.
    """

    kind: str
    name: str
    function: str
    title: str
    about: str
    properties: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, Any]:
        """Values of the keys that a config leaves out."""
        known = self.properties.items()
        return {key: part["default"] for key, part in known if "default" in part}

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All keywords of its function: those given, checked, and the defaults of the others.

        Raises:
            ValueError: names the key that is unknown or out of range, and what is allowed.
        """
        for key, value in given.items():
            if key not in self.properties:
                known = ", ".join(self.properties) or "none"
                raise ValueError(f"{self.name}: unknown setting {key!r}; allowed: {known}")
            part = self.properties[key]
            if not Validator(part).is_valid(value):
                raise ValueError(
                    f"{self.name}.{key}: {value!r} is not allowed; allowed: {allowed(part)}"
                )
        return {**self.defaults, **given}

    def find(self) -> Callable[..., Any]:
        """Its function, imported."""
        return references.find(self.function, f"{self.kind} {self.name}")


def names(kind: str) -> list[str]:
    """All names of a kind, sorted."""
    return list(of_kind(kind))


def get(kind: str, name: str) -> Fragment:
    """One fragment.

    Raises:
        ValueError: there is none of that name; says which there are.
    """
    known = of_kind(kind)
    if name not in known:
        raise ValueError(f"{kind}: unknown name {name!r}; allowed: {', '.join(known)}")
    return known[name]


@cache
def of_kind(kind: str) -> dict[str, Fragment]:
    """Every fragment of a kind by its name, sorted.

    Raises:
        ValueError: a file is no fragment, a default is not in its own range, a function is not
            there, or two have one name; names the file.
    """
    found: dict[str, Fragment] = {}
    scores: dict[str, str] = {}
    for path in sorted((SCHEMAS / kind).glob("*.y*ml")):
        fragment = read(path)
        if fragment.name in found:
            raise ValueError(f"{path}: {kind} has the name {fragment.name!r} twice")
        found[fragment.name] = fragment
        for score in fragment.more.get("scores", {}):
            if scores.setdefault(score, fragment.name) != fragment.name:
                raise ValueError(f"{path}: the score {score!r} is {scores[score]}'s already")
    return found


def read(path: Path) -> Fragment:
    """One file.

    Raises:
        ValueError: as `of_kind`.
    """
    kind = path.parent.name
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    keys = {"function", "title", "about", "properties", *KINDS[kind]}
    if not isinstance(content, dict) or not {"function", "title", "about"} <= content.keys():
        raise ValueError(f"{path}: needs the keys function, title and about")
    unknown = sorted(content.keys() - keys)
    if unknown:
        raise ValueError(f"{path}: unknown key {unknown[0]!r}; allowed: {', '.join(sorted(keys))}")
    properties = content.pop("properties", {})
    _check_properties(path, properties)
    for key in {"function", "work"} & content.keys():
        _check_function(path, key, content[key])
    known = {key: content.pop(key) for key in ("function", "title", "about")}
    return Fragment(kind=kind, name=path.stem, properties=properties, more=content, **known)


def _check_properties(path: Path, properties: Mapping[str, Any]) -> None:
    for key, part in properties.items():
        if "description" not in part:
            raise ValueError(f"{path}: properties.{key}: needs a description")
        try:
            Draft202012Validator.check_schema(part)
        except SchemaError as error:
            raise ValueError(f"{path}: properties.{key}: {error.message}") from None
        if "default" in part and not Validator(part).is_valid(part["default"]):
            raise ValueError(
                f"{path}: properties.{key}: its default {part['default']!r} is not in its own range"
            )


def _check_function(path: Path, key: str, reference: str) -> None:
    """Look into the module's text: importing it would take a config's check seconds."""
    module, _, name = str(reference).partition(":")
    file = SCRIPTS.joinpath(*module.split(".")).with_suffix(".py")
    if not file.is_file():
        raise ValueError(f"{path}: {key}: {reference!r}: there is no module {file}")
    if name not in _top_level(file):
        raise ValueError(f"{path}: {key}: {file} has no function {name!r}")


@cache
def _top_level(file: Path) -> frozenset[str]:
    """Functions that a module defines or imports by name."""
    found: set[str] = set()
    for node in ast.parse(file.read_bytes(), filename=str(file)).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return frozenset(found)

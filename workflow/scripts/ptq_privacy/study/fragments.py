"""What there is to choose from: compressions, attacks, networks and sources, a file of YAML each.

A name is its fragment, `workflow/schemas/{kind}/{name}.yaml`: which function does the work, what
people call it, and which keys a config may set. There is no other list. The config's check, its
documentation, the plan, the figures and the tests all read these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ptq_privacy.study import references, strict_yaml

SCRIPTS = Path(__file__).parents[2]
SCHEMAS = SCRIPTS.parent / "schemas"

KINDS = {
    "compressions": {"together", "work", "widest", "data_free"},
    "attacks": {"scores", "adversaries", "chooses"},
    "networks": {"kind"},
    "sources": {"kind", "shape", "classes", "files"},
}
"""What a fragment of each kind may say beside `function`, `title`, `about` and `properties`."""

TEXTS = ("function", "title", "about")


@dataclass(frozen=True)
class Fragment:
    """One name and what stands behind it.

    path: of the file.
    function: `module:function`; how each kind is called is in docs/own.md.
    title: for figures and tables; about: a sentence for the config's documentation.
    properties: its keys in the config, as JSON schema has them.
    more: what only its kind has; see docs/own.md.
    """

    path: Path
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
        if given:
            self._check(given)
        return {**self.defaults, **given}

    def _check(self, given: Mapping[str, Any]) -> None:
        # Not at the top: to look a name up takes no package that reads schemas.
        from ptq_privacy.study.allowed import Validator, allowed

        for key, value in given.items():
            if key not in self.properties:
                known = ", ".join(self.properties) or "none"
                raise ValueError(f"{self.name}: unknown setting {key!r}; allowed: {known}")
            part = self.properties[key]
            if not Validator(part).is_valid(value):
                raise ValueError(
                    f"{self.name}.{key}: {value!r} is not allowed; allowed: {allowed(part)}"
                )

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
        ValueError: a file is no fragment, or two have one name; names the file.
    """
    found: dict[str, Fragment] = {}
    for path in sorted((SCHEMAS / kind).glob("*.y*ml"), key=lambda path: (path.stem, path.name)):
        fragment = read(path)
        if fragment.name in found:
            raise ValueError(f"{path}: {kind} has the name {fragment.name!r} twice")
        found[fragment.name] = fragment
    return found


def read(path: Path) -> Fragment:
    """One file, as far as a job needs it; `fragment_checks` looks closer.

    Raises:
        ValueError: it is no fragment; names it.
    """
    kind = path.parent.name
    content = strict_yaml.read(path)
    keys = {*TEXTS, "properties", *KINDS[kind]}
    if not isinstance(content, dict) or not texts(content.get(key) for key in TEXTS):
        raise ValueError(f"{path}: needs the keys function, title and about, each a text")
    unknown = sorted(set(map(str, content)) - keys)
    if unknown:
        raise ValueError(f"{path}: unknown key {unknown[0]!r}; allowed: {', '.join(sorted(keys))}")
    properties = content.pop("properties", {})
    if not isinstance(properties, dict):
        raise ValueError(f"{path}: properties: needs a mapping from each key to its schema")
    known = {key: content.pop(key) for key in TEXTS}
    return Fragment(path, kind, path.stem, properties=properties, more=content, **known)


def texts(values: Iterable[object]) -> bool:
    """Whether all values are text."""
    return all(isinstance(value, str) for value in values)

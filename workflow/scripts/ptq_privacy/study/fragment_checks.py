"""Every fragment looked at closely, before a config is checked against them.

What is wrong with one is a mistake of whoever added it, so it is said in one line that names the
file, whether or not the config asks for it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from ptq_privacy.study import fragments
from ptq_privacy.study.adversaries import ADVERSARIES, DEFAULT
from ptq_privacy.study.allowed import Validator
from ptq_privacy.study.fragments import Fragment
from ptq_privacy.study.input_kinds import INPUT_KINDS

NAMES = {
    "compressions": "[a-z][a-z0-9_]*",
    "attacks": "[a-z][a-z0-9_]*",
    "networks": "[a-z0-9][a-z0-9-]*",
    "sources": "[a-z0-9][a-z0-9-]*",
}
"""A variant's name joins a compression's to its bits by hyphens."""

USES_SAMPLES = {"networks": "takes", "sources": "gives"}

_COUNT = {"type": "integer", "minimum": 1}
SHAPE = Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["samples", "tests", "inputs", "classes"],
        "properties": {
            **dict.fromkeys(["samples", "tests", "classes"], _COUNT),
            "inputs": {
                "type": "array",
                "minItems": 1,
                "items": {"anyOf": [_COUNT, {"type": "string"}]},  # a text names a key of its own
            },
        },
    }
)
"""What a source's fragment says of data that are published."""


def check_all() -> None:
    """Look at every fragment of every kind.

    Raises:
        ValueError: a file is no fragment, a default is not in its own range, a function is not
            there, or two have one name or one score; names the file.
    """
    for kind in fragments.KINDS:
        scores: dict[str, str] = {}
        for fragment in fragments.of_kind(kind).values():
            check(fragment)
            for score in fragment.more.get("scores", {}):
                if scores.setdefault(score, fragment.name) != fragment.name:
                    raise ValueError(
                        f"{fragment.path}: the score {score!r} is {scores[score]}'s already"
                    )


def check(fragment: Fragment) -> None:
    """Look at one fragment.

    Raises:
        ValueError: as `check_all`.
    """
    if not re.fullmatch(NAMES[fragment.kind], fragment.name):
        raise ValueError(
            f"{fragment.path}: the name {fragment.name!r}; allowed: {NAMES[fragment.kind]}"
        )
    _check_properties(fragment.path, fragment.properties)
    _check_function(fragment.path, "function", fragment.function)
    if "work" in fragment.more:
        _check_function(fragment.path, "work", fragment.more["work"])
    widest = fragment.more.get("widest", 1)
    if isinstance(widest, bool) or not isinstance(widest, int) or widest < 1:
        raise ValueError(f"{fragment.path}: widest: {widest!r}; allowed: an integer above 0")
    for key in ("together", "data_free"):
        said = fragment.more.get(key, False)
        if not isinstance(said, bool):
            raise ValueError(f"{fragment.path}: {key}: {said!r}; allowed: true or false")
    if "kind" in fragments.KINDS[fragment.kind] and fragment.more.get("kind") not in [*INPUT_KINDS]:
        raise ValueError(
            f"{fragment.path}: kind: {fragment.more.get('kind')!r}; allowed: "
            f"{', '.join(INPUT_KINDS)}, of the samples that it {USES_SAMPLES[fragment.kind]}"
        )
    if "shape" in fragment.more:
        _check_shape(fragment.path, fragment.more["shape"])
    scores = fragment.more.get("scores")
    if "scores" in fragments.KINDS[fragment.kind] and not (
        scores and isinstance(scores, dict) and fragments.texts(scores.values())
    ):
        raise ValueError(f"{fragment.path}: scores: needs the title of each score")
    adversaries = fragment.more.get("adversaries", DEFAULT)
    if not isinstance(adversaries, list | tuple) or not set(adversaries) <= set(ADVERSARIES):
        raise ValueError(
            f"{fragment.path}: adversaries: {adversaries!r}; allowed: a list of "
            f"{', '.join(ADVERSARIES)}"
        )


def _check_properties(path: Path, properties: Mapping[str, Any]) -> None:
    for key, part in properties.items():
        if not isinstance(part, dict) or "description" not in part:
            raise ValueError(f"{path}: properties.{key}: needs a description")
        try:
            Draft202012Validator.check_schema(part)
        except SchemaError as error:
            raise ValueError(f"{path}: properties.{key}: {error.message}") from None
        if "default" in part and not Validator(part).is_valid(part["default"]):
            raise ValueError(
                f"{path}: properties.{key}: its default {part['default']!r} is not in its own range"
            )


def _check_shape(path: Path, shape: object) -> None:
    if not SHAPE.is_valid(shape):
        raise ValueError(
            f"{path}: shape: needs samples, tests and classes, each a whole number above 0, and "
            "inputs, a list of such numbers"
        )


def _check_function(path: Path, key: str, reference: str) -> None:
    """Look into the module's text: importing it would take a config's check seconds."""
    module, _, name = str(reference).partition(":")
    file = fragments.SCRIPTS.joinpath(*module.split(".")).with_suffix(".py")
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

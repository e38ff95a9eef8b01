"""What a part of a JSON schema lets through: checked, and in words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

WORDS = {
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "array": "list",
    "object": "mapping",
}
"""What a person calls the types of JSON schema."""

LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def allowed(definition: Mapping[str, Any], quote: Callable[[object], str] = str) -> str:
    """In words, the values that a part of the schema lets through.

    `quote` marks what is to be written literally, such as the values of an enumeration.
    """
    if "anyOf" in definition:
        return "; or ".join(allowed(option, quote) for option in definition["anyOf"])
    if "enum" in definition:
        return ", ".join(map(quote, definition["enum"]))
    words = WORDS[definition.get("type", "string")]
    if "pattern" in definition:
        words += f" that matches {quote(definition['pattern'])}"
    if "items" in definition:
        words += f" of: {allowed(definition['items'], quote)}"
    if definition.get("type") == "object" and "properties" in definition:
        words += f" with {', '.join(map(quote, definition['properties']))}"
    limits = [f"{sign} {definition[key]}" for key, sign in LIMITS.items() if key in definition]
    least = definition.get("minItems", definition.get("minProperties", 0))
    if least:
        exact = definition.get("maxItems") == least
        words += (
            f"; {'exactly' if exact else 'at least'} {least} entr{'y' if least == 1 else 'ies'}"
        )
    if definition.get("uniqueItems"):
        words += "; none twice"
    return f"{words} {' and '.join(limits)}".rstrip()


def _is_whole(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: object, value: object) -> bool:
    return _is_whole(_, value) or (isinstance(value, float) and math.isfinite(value))


# JSON schema takes 16.0 for an integer and NaN for a number that no limit excludes.
_TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many(
    {"integer": _is_whole, "number": _is_number}
)


def _matches(_: object, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    # Python's $ lets a last line break through, and a name with one into paths.
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


Validator = validators.extend(Draft202012Validator, {"pattern": _matches}, type_checker=_TYPES)

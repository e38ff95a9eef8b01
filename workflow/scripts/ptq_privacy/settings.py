"""The config file: checked against its schema, with defaults filled, and one line for a mistake."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import (
    Draft202012Validator,
    ValidationError,
    validators,
)

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


def checked(config: MutableMapping[str, Any], schema: Path) -> None:
    """Validate a config in place, and give every absent key its default.

    Raises:
        ValueError: names the key that is wrong and what is allowed.
    """
    definition = _definition(schema)
    _refuse_first(_FillingValidator(definition).iter_errors(config))
    for name in config["datasets"]:
        training = {**definition["properties"]["training"], "required": []}
        overrides = config["datasets"][name].get("training", {})
        _refuse_first(_Validator(training).iter_errors(overrides), f"datasets.{name}.training.")
        _refuse_small(config, name)


@cache
def _definition(schema: Path) -> dict[str, Any]:
    return yaml.safe_load(schema.read_text())


def training_of(config: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """The training recipe of one data set: the study's, with the data set's own keys over it."""
    return {**config["training"], **config["datasets"][dataset].get("training", {})}


def _refuse_small(config: Mapping[str, Any], dataset: str) -> None:
    """What needs more members than a model will have need not be found out after the training."""
    samples = config["datasets"][dataset].get("audit_samples")
    if samples is None:
        return  # all there are, which only the prepared data set can tell
    needs = {"training.batch_size": training_of(config, dataset)["batch_size"]}
    if config["quantization"]["methods"]:
        needs["quantization.calibration_samples"] = config["quantization"]["calibration_samples"]
    for key, need in needs.items():
        if need > samples // 2:
            raise ValueError(
                f"{key}: {need} is more than the {samples // 2} members of a model on half of "
                f"datasets.{dataset}.audit_samples, {samples}"
            )


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


def _refuse_first(errors: Iterator[ValidationError], prefix: str = "") -> None:
    error = next(iter(sorted(errors, key=lambda error: [str(key) for key in error.path])), None)
    if error is None:
        return
    # Where a mapping is meant, what is wrong in it says more than that it is not the alternative.
    _refuse_first(iter(e for e in error.context if e.path or e.validator not in ("enum", "type")))
    place = (prefix + ".".join(map(str, error.absolute_path))).rstrip(".") or "top level"
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        unknown = next(key for key in error.instance if key not in known)
        raise ValueError(f"{place}: unknown key {unknown!r}; allowed: {', '.join(known)}")
    if error.validator == "required":
        absent = next(key for key in error.validator_value if key not in error.instance)
        needed = ", ".join(error.validator_value)
        raise ValueError(f"{place}: key {absent!r} is missing; needed: {needed}")
    hint = "; YAML reads 1e-3 as text, so write 1.0e-3" if _looks_like_number(error) else ""
    raise ValueError(
        f"{place}: {reprlib.repr(error.instance)} is not allowed; "
        f"allowed: {allowed(error.schema)}{hint}"
    )


def _looks_like_number(error: ValidationError) -> bool:
    if error.schema.get("type") != "number" or not isinstance(error.instance, str):
        return False
    try:
        float(error.instance)
    except ValueError:
        return False
    return True


def _is_whole(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: object, value: object) -> bool:
    return _is_whole(_, value) or (isinstance(value, float) and math.isfinite(value))


# JSON schema takes 16.0 for an integer and NaN for a number that no limit excludes.
_TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many(
    {"integer": _is_whole, "number": _is_number}
)
_Validator = validators.extend(Draft202012Validator, type_checker=_TYPES)


def _filled(
    validator: Draft202012Validator,
    properties: Mapping[str, Any],
    instance: Any,
    schema: Mapping[str, Any],
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, subschema in properties.items():
            if "default" in subschema:
                default = subschema["default"]
                instance.setdefault(name, type(default)(default))
    yield from Draft202012Validator.VALIDATORS["properties"](
        validator, properties, instance, schema
    )


_FillingValidator = validators.extend(_Validator, {"properties": _filled})

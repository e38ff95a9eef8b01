"""The config file: checked against its schema, with defaults filled, and one line for a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators


def checked(config: MutableMapping[str, Any], schema: Path) -> None:
    """Validate a config in place, and give every absent key its default.

    Raises:
        ValueError: names the key that is wrong and what is allowed.
    """
    definition = yaml.safe_load(schema.read_text())
    _refuse_first(_FillingValidator(definition).iter_errors(config))
    for name in config["datasets"]:
        training = {**definition["properties"]["training"], "required": []}
        overrides = config["datasets"][name].get("training", {})
        errors = Draft202012Validator(training).iter_errors(overrides)
        _refuse_first(errors, f"datasets.{name}.training.")


def training_of(config: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """The training recipe of one data set: the study's, with the data set's own keys over it."""
    return {**config["training"], **config["datasets"][dataset].get("training", {})}


def _refuse_first(errors: Iterator[ValidationError], prefix: str = "") -> None:
    error = next(iter(sorted(errors, key=lambda error: [str(key) for key in error.path])), None)
    if error is None:
        return
    place = prefix + ".".join(map(str, error.path))
    message = error.message
    if error.validator == "additionalProperties":
        unknown = sorted(set(error.instance) - set(error.schema["properties"]))
        message = f"unknown key {unknown[0]!r}; allowed: {', '.join(error.schema['properties'])}"
    elif error.validator == "enum":
        message = f"{error.instance!r} is not allowed; allowed: {', '.join(error.validator_value)}"
    raise ValueError(f"{place.rstrip('.') or 'top level'}: {message}")


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


_FillingValidator = validators.extend(Draft202012Validator, {"properties": _filled})

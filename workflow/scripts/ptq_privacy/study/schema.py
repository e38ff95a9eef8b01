"""The config file: checked against its schema, with defaults filled, and one line for a mistake."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from typing import Any

import yaml
from jsonschema import (
    Draft202012Validator,
    ValidationError,
    validators,
)

from ptq_privacy.study import fit, fragment_checks, fragments, input_kinds
from ptq_privacy.study.adversaries import ADVERSARIES
from ptq_privacy.study.allowed import Validator, allowed

SCHEMA = fragments.SCHEMAS / "config.schema.yaml"

OWN_TRAINING = ("procedure", "settings")
"""Keys of a training that is your own."""


def checked(config: MutableMapping[str, Any]) -> None:
    """Validate a config in place, give every absent key its default, and bring keys in one order.

    Raises:
        ValueError: names the key that is wrong and what is allowed; or the fragment that is.
    """
    whole = definition()
    own = _own_training(config.get("training"), "training")
    if own is not None:
        whole = {**whole, "properties": {**whole["properties"], "training": own}}
    _refuse_first(_FillingValidator(whole).iter_errors(config))
    for name, entry in config["datasets"].items():
        place = f"datasets.{name}"
        _refuse_first(
            Validator(dataset_definition(entry["source"])).iter_errors(entry), f"{place}."
        )
        _check_training(entry.get("training", {}), f"{place}.training")
    for index, entry in enumerate(config["networks"]):
        if not isinstance(entry, str):
            _check_network(f"networks.{index}", entry)
    fit.check_known(config)
    # Snakemake compares what a job is given as text. The data sets' order is that of the tables.
    datasets = {name: _ordered(entry) for name, entry in config["datasets"].items()}
    config.update({**_ordered(config), "datasets": datasets})


@cache
def definition() -> dict[str, Any]:
    """The config's schema, with every fragment's name and keys in their places."""
    fragment_checks.check_all()
    return _composed(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))


def dataset_definition(source: str) -> dict[str, Any]:
    """What one data set's entry may hold: the keys of all, and its source's own."""
    entry = definition()["properties"]["datasets"]["additionalProperties"]
    own = fragments.get("sources", source).properties
    return {**entry, "additionalProperties": False, "properties": {**entry["properties"], **own}}


def settings_definition(fragment: fragments.Fragment) -> dict[str, Any]:
    """What a config may say to a fragment's function."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(fragment.properties),
        "default": {},
        "description": f"Settings of {fragment.title}: {fragment.about}",
    }


def _composed(part: Any) -> Any:
    """Put what is listed elsewhere in its place: `enum: {fragments: kind}` stands for the names of
    a kind, `enum: {adversaries: all}` for the adversaries', `pattern: {views: all}` for all views,
    and `fragments: kind` beside `properties` for a section of settings each."""
    if isinstance(part, list):
        return [_composed(item) for item in part]
    if not isinstance(part, dict):
        return part
    known = {key: _composed(value) for key, value in part.items() if key != "fragments"}
    if isinstance(known.get("pattern"), dict):
        known["pattern"] = input_kinds.views()
    if isinstance(known.get("enum"), dict):
        named = part["enum"].get("fragments")
        known["enum"] = list(ADVERSARIES) if named is None else fragments.names(named)
    kind = part.get("fragments")
    if kind == "sources":  # their keys stand beside those of all data sets: `dataset_definition`
        known["additionalProperties"] = True
    elif kind is not None and "properties" in part:
        known["properties"] |= {
            name: settings_definition(fragment)
            for name, fragment in fragments.of_kind(kind).items()
            if fragment.properties
        }
    return known


def _ordered(part: Any) -> Any:
    """Keys sorted, at all depths: in which order they were written means nothing."""
    if isinstance(part, list):
        return [_ordered(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {key: _ordered(part[key]) for key in sorted(part, key=str)}


def _check_network(place: str, entry: Mapping[str, Any]) -> None:
    if ("architecture" in entry) == ("factory" in entry):
        raise ValueError(f"{place}: needs either architecture or factory")
    if "architecture" in entry:
        own = settings_definition(fragments.get("networks", entry["architecture"]))
        _refuse_first(Validator(own).iter_errors(entry.get("settings", {})), f"{place}.settings.")
    _check_training(entry.get("training", {}), f"{place}.training")


def _check_training(training: Any, place: str) -> None:
    """What a data set or a network changes of the study's training."""
    own = _own_training(training, place)
    recipe = own or {**definition()["properties"]["training"], "required": []}
    _refuse_first(Validator(recipe).iter_errors(training), f"{place}.")


def _own_training(training: Any, place: str) -> dict[str, Any] | None:
    """What a training may hold that is your own procedure's; None: it is a built-in one's.

    Raises:
        ValueError: it has a key of the other's as well.
    """
    if not isinstance(training, Mapping):
        return None
    recipe = definition()["properties"]["training"]
    known = recipe["properties"]
    if "procedure" not in training:
        if "settings" in training:
            raise ValueError(
                f"{place}.settings: are of your own procedure, and {place} has no key 'procedure'"
            )
        return None
    ignored = [key for key in training if key in known and key not in OWN_TRAINING]
    if ignored:
        raise ValueError(
            f"{place}.{ignored[0]}: is of the built-in recipe, in whose place {place}.procedure "
            "stands; allowed beside it: settings"
        )
    return {**recipe, "required": [], "properties": {key: known[key] for key in OWN_TRAINING}}


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
        raise ValueError(f"{place}: unknown key {unknown!r}; allowed: {', '.join(known) or 'none'}")
    if error.validator == "required":
        absent = next(key for key in error.validator_value if key not in error.instance)
        needed = ", ".join(error.validator_value)
        whole = (
            "" if error.absolute_path or prefix else " (no other config is merged into this one)"
        )
        raise ValueError(f"{place}: key {absent!r} is missing; needed: {needed}{whole}")
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


_FillingValidator = validators.extend(Validator, {"properties": _filled})

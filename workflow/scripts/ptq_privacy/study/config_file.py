"""A config, from its file to a study: read strictly, whole or refused.

The one way in of the Snakefile and of `make run`, `report`, `plan` and `clean-stale`, so that all
of them refuse the same configs in the same words. `python -m ptq_privacy.study.config_file CONFIG`
prints the name of a config's study, or what is wrong with it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from ptq_privacy.study import strict_yaml
from ptq_privacy.study.experiment import Study
from ptq_privacy.study.schema import checked

TEMPLATED = "__use_yte__"
"""The key of a file that Snakemake takes for a template, and runs the Python in it."""


def only(paths: Sequence[str | Path]) -> str | Path:
    """The one config file among those that a command was given.

    Raises:
        ValueError: there are several, which Snakemake would merge into a study of nobody's.
    """
    if not paths:
        raise ValueError("no config file is named")
    if len(paths) > 1:
        raise ValueError(
            f"{len(paths)} config files, {', '.join(map(str, paths))}: a config is whole, so one "
            "is read and nothing is merged; single keys can be changed with --config KEY=VALUE"
        )
    return paths[0]


def read(path: str | Path) -> dict[str, Any]:
    """The keys of a config file, YAML or JSON, not checked yet.

    Raises:
        ValueError: there is no such file, it cannot be read, says something twice, or has no keys;
            one line that names it.
    """
    content = strict_yaml.read(path)
    if isinstance(content, dict) and content.pop(TEMPLATED, False):
        content = _rendered(path)
    if not isinstance(content, dict):
        kinds = {type(None): "nothing", list: "a list", str: "a text"}
        found = kinds.get(type(content), "a single value")
        raise ValueError(
            f"{path}: holds {found}; a config has keys at its top level, such as study and datasets"
        )
    return content


def _rendered(path: str | Path) -> Any:
    # Not at the top: hardly any config is a template.
    import yte

    try:
        return yte.process_yaml(strict_yaml.text_of(path), require_use_yte=True)
    except Exception as error:  # whatever the Python in it does
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: {TEMPLATED}: {type(error).__name__}: {reason}") from None


def study_of(config: MutableMapping[str, Any]) -> Study:
    """Check a whole config, give its absent keys their defaults in place, and read it.

    Raises:
        ValueError: names the key that is absent or wrong, and what is allowed; one line.
    """
    checked(config)
    return Study.from_config(config)


def whole(path: str | Path) -> tuple[dict[str, Any], Study]:
    """One config file, read and checked: its keys, defaults filled, and its study.

    Raises:
        ValueError: as `read` and `study_of`; names the file.
    """
    config = read(path)
    try:
        return config, study_of(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def set_keys(config: MutableMapping[str, Any], entries: Iterable[str]) -> None:
    """Set what `--config KEY=VALUE` gave as mappings or lists, read as a config file would be.

    Snakemake has put it in already, but takes every number inside of it for text. A mapping changes
    the keys that it names, a list stands in place of the former one.

    Raises:
        ValueError: a key is set twice, or a value says something twice.
    """
    known: set[str] = set()
    for entry in entries:
        key, _, text = entry.partition("=")
        if key in known:
            raise ValueError(f"--config {key}: is set twice")
        known.add(key)
        if text.lstrip()[:1] in ("{", "["):
            _update(config, {key: strict_yaml.parse(text, f"--config {key}")})


def _update(config: MutableMapping[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), MutableMapping):
            _update(config[key], value)
        else:
            config[key] = value


if __name__ == "__main__":
    try:
        print(whole(only(sys.argv[1:]))[0]["study"])
    except ValueError as error:
        sys.exit(f"config: {error}")

"""What made an artifact, written into the artifact itself: rule, inputs, seed, settings and code.

The record is one text of JSON: among the metadata of safetensors, parquet and PNG, and as a last
comment in SVG, HTML and Markdown. CSV can hold none; the table of the same name beside it, which
the same job wrote, does. It names no time and no machine, so that the same job makes the same bytes
anywhere.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors import SafetensorError, safe_open

KEY = "origin"
PACKAGES = (
    "matplotlib",
    "numpy",
    "pandas",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "scipy",
    "snakemake",
    "torch",
    "torchvision",
)

BESIDE_CSV = (".parquet", ".md")
LISTED = 4
"""Inputs of one name that a record lists; of more it says how many they are."""

COMMENT = re.compile(r"<!-- origin: (.*) -->\s*\Z")

Origin = Mapping[str, str]


def record(
    rule: str,
    config: Mapping[str, Any],
    params: Iterable[tuple[str, object]],
    inputs: Iterable[tuple[str, str | Sequence[str]]] = (),
) -> dict[str, str]:
    """Metadata for the artifacts of one job.

    Args:
        rule: which of the workflow's rules it is.
        config: of the whole study; only its name and seed are recorded, since the rest concerns
            other artifacts, too.
        params: what the job's result depends on: its settings, and its code's digest.
        inputs: the files that it read, by name; recorded as from the study's folder.
    """
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    read_from = {name: _named(files, config["study"]) for name, files in inputs}
    made = {"rule": rule, "study": config["study"], "seed": config["seed"], "inputs": read_from}
    return {KEY: json.dumps({**made, **dict(params), "versions": versions}, sort_keys=True)}


def _named(files: str | Sequence[str], study: str) -> list[str] | str:
    paths = [files] if isinstance(files, str) else list(files)
    names = [path.rpartition(f"results/{study}/")[2] for path in paths]
    if len(names) <= LISTED:
        return names
    return f"{len(names)} files, {names[0]} to {names[-1]}"


def comment(origin: Origin) -> str:
    """The record as the last line of SVG, HTML or Markdown, where readers do not show it."""
    text = origin[KEY].replace("--", "-\\u002d")  # two hyphens would end or break the comment
    return f"<!-- {KEY}: {text} -->\n"


def read(path: str | Path) -> dict[str, Any]:
    """The record in an artifact; a CSV's is that of the table beside it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file if it is damaged, or is of a kind that holds no record.
    """
    try:
        made = json.loads(_text(Path(path)))
    except FileNotFoundError:
        raise
    except (SafetensorError, pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(
            f"{path}: says nothing of what made it ({error}); the workflow's .safetensors, "
            ".parquet, .csv, .md, .html, .svg and .png files do"
        ) from None
    if not isinstance(made, dict):
        raise ValueError(f"{path}: its record of what made it is no mapping")
    return made


def _text(path: Path) -> str:
    if path.suffix == ".csv" and path.is_file():
        path = next(
            (found for suffix in BESIDE_CSV if (found := path.with_suffix(suffix)).is_file()), path
        )
    if path.suffix == ".parquet":
        return (pq.read_schema(path).metadata or {}).get(KEY.encode(), b"").decode()
    if path.suffix == ".png":
        with Image.open(path) as image:
            return str(image.info.get(KEY, ""))
    if path.suffix in (".svg", ".html", ".md"):
        last = COMMENT.search(path.read_text(encoding="utf-8"))
        return last[1] if last else ""
    with safe_open(path, framework="numpy") as file:
        return (file.metadata() or {}).get(KEY, "")

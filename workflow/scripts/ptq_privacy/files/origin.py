"""What made an artifact, written into the artifact itself: rule, study, seed, settings and code.

The record is one text of JSON among the file's metadata, the same in safetensors and in parquet. It
names no time and no machine, so that the same job makes the same bytes anywhere.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open

KEY = "origin"
PACKAGES = ("numpy", "pyarrow", "safetensors", "scikit-learn", "torch")

Origin = Mapping[str, str]


def record(
    rule: str, config: Mapping[str, Any], params: Iterable[tuple[str, object]]
) -> dict[str, str]:
    """Metadata for the artifacts of one job.

    Args:
        rule: which of the workflow's rules it is.
        config: of the whole study; only its name and seed are recorded, since the rest concerns
            other artifacts, too.
        params: what the job's result depends on: its settings, and its code's digest.
    """
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    made = {"rule": rule, "study": config["study"], "seed": config["seed"], **dict(params)}
    return {KEY: json.dumps({**made, "versions": versions}, sort_keys=True)}


def read(path: str | Path) -> dict[str, Any]:
    """The record in an artifact.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file if it is damaged, or is of a kind that holds no record.
    """
    try:
        if Path(path).suffix == ".parquet":
            found = pq.read_schema(path).metadata or {}
            text = found.get(KEY.encode(), b"").decode()
        else:
            with safe_open(path, framework="numpy") as file:
                text = (file.metadata() or {}).get(KEY, "")
        made = json.loads(text)
    except FileNotFoundError:
        raise
    except (SafetensorError, pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(
            f"{path}: says nothing of what made it ({error}); the workflow's .safetensors and "
            ".parquet files do"
        ) from None
    if not isinstance(made, dict):
        raise ValueError(f"{path}: its record of what made it is no mapping")
    return made

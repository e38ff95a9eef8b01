"""Named arrays in a safetensors file: the container of data sets and checkpoints.

Safetensors holds plain arrays and a table of strings, never code. Writing goes through here because
the library alone orders its metadata at random, and equal contents should be equal files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ptq_privacy.files.atomic import replacing


def write(path: str | Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write arrays and metadata atomically; equal contents give equal bytes.

    Raises:
        ValueError: an array is of a type that the format does not know.
    """
    unknown = [name for name, array in tensors.items() if array.dtype.kind not in "buif"]
    if unknown:
        raise ValueError(f"{path}: arrays {', '.join(unknown)} are not of numbers")
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with replacing(path) as temporary:
        save_file(contiguous, temporary, dict(metadata))
        sort_header(temporary)


def sort_header(path: Path) -> None:
    """Rewrite a file's header with its keys sorted: the same content in the same number of bytes.

    A file is the header's length (8 bytes, little-endian), the header (JSON, padded with blanks)
    and the data, which stays where it is.
    """
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        text = json.dumps(header, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        file.seek(8)
        file.write(text.encode().ljust(size))


def read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All arrays and the metadata of a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file if it is truncated, damaged or not safetensors.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from None

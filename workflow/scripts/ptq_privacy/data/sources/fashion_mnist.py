"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 70,000 grey images of clothes, 28x28, 10 classes.

Four files in Yann LeCun's idx format, gzipped or not: a magic number, the sizes of the dimensions
(each 4 bytes, big-endian) and then the bytes themselves. Debian packages them.
"""

from __future__ import annotations

import gzip
import logging
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources.published import classes, fetch, title

log = logging.getLogger(__name__)

INSTALLED = Path("/usr/share/datasets/fashion-mnist")  # by Debian's package dataset-fashion-mnist
LIMIT = 1 << 30  # bytes of one file; the largest published one holds 47 million
PARTS = {
    "train_images": ("train-images-idx3-ubyte", 3),
    "train_labels": ("train-labels-idx1-ubyte", 1),
    "test_images": ("t10k-images-idx3-ubyte", 3),
    "test_labels": ("t10k-labels-idx1-ubyte", 1),
}


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """The four idx files of the folder `path`, or else as installed, or else downloaded."""
    folder = settings.get("path")
    if folder is None and INSTALLED.is_dir():
        folder = str(INSTALLED)
        log.info("fashion-mnist: files of the package that is installed in %s", folder)
    arrays = {}
    for part, (file, dimensions) in PARTS.items():
        path = fetch("fashion-mnist", f"{file}.gz", downloads) if folder is None else None
        arrays[part] = read_idx(path or _find(Path(str(folder)), file), dimensions)
    return Dataset(
        name=settings["name"],
        classes=classes("fashion-mnist"),
        train_inputs=arrays["train_images"][:, None],
        train_labels=arrays["train_labels"].astype(np.int64),
        test_inputs=arrays["test_images"][:, None],
        test_labels=arrays["test_labels"].astype(np.int64),
        source=f"{title('fashion-mnist')}, {folder or 'downloaded'}",
    )


def _find(folder: Path, file: str) -> Path:
    for path in (folder / file, folder / f"{file}.gz"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{folder}: there is neither {file} nor {file}.gz in this folder")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """An idx file of bytes as uint8 array with this number of dimensions.

    Raises:
        ValueError: names the file if it is damaged, truncated, too long or of another kind.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            start = file.read(4 * (1 + dimensions))
            magic = bytes([0, 0, 8, dimensions])  # 8: unsigned bytes
            if len(start) < 4 * (1 + dimensions) or not start.startswith(magic):
                raise ValueError(f"{path}: not an idx file of bytes in {dimensions} dimensions")
            shape = np.frombuffer(start[4:], ">u4").tolist()
            if prod(shape) > LIMIT:
                raise ValueError(f"{path}: says to hold {prod(shape)} bytes; allowed: {LIMIT}")
            content = file.read(prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: damaged ({error})") from None
    if len(content) != prod(shape):
        raise ValueError(
            f"{path}: {prod(shape)} bytes expected for shape {tuple(shape)}, "
            f"{'fewer' if len(content) < prod(shape) else 'more'} found"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)

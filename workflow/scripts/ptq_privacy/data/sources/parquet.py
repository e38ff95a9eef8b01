"""A parquet file with columns `image` and `label`, or a folder of `train*` and `test*` ones.

An image is an encoded file (PNG, JPEG, ...) as bytes, or as a struct with a field `bytes` as in
Hugging Face's data sets; or nested lists of its pixels; or, flat, bytes or a list of its pixels
channel by channel, whose shape the setting `image_shape` then gives. A label is a class number or
a class name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources.image_files import stack
from ptq_privacy.data.sources.own_images import (
    Part,
    assemble,
    channels_first,
    numbered_classes,
    path_of,
)


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """The images of the file or folder `path`."""
    path = path_of(settings)
    train_files, test_files = [path], []
    if path.is_dir():
        train_files = sorted(path.glob("train*.parquet"))
        test_files = sorted(path.glob("test*.parquet"))
        if not train_files or not test_files:
            raise ValueError(f"{path}: needs files train*.parquet and test*.parquet")
    train = _read(train_files, settings.get("image_shape"))
    test = _read(test_files, settings.get("image_shape")) if test_files else None
    if train[1].dtype == np.int64:
        classes = numbered_classes(settings, train[1], str(path))
    else:
        classes = list(settings.get("classes") or sorted(set(train[1].tolist())))
    return assemble(
        settings, classes, _numbered(train, classes, path), test and _numbered(test, classes, path)
    )


def _numbered(part: Part, classes: Sequence[str], path: Path) -> Part:
    """Class names to numbers."""
    images, labels = part
    if labels.dtype == np.int64:
        return part
    number = {name: place for place, name in enumerate(classes)}
    unknown = sorted(set(labels.tolist()) - number.keys())
    if unknown:
        raise ValueError(f"{path}: label {unknown[0]!r}; allowed: {', '.join(classes)}")
    return images, np.array([number[name] for name in labels.tolist()], np.int64)


def _read(files: Sequence[Path], shape: Sequence[int] | None) -> Part:
    """Images uint8 [N, C, H, W], and labels int64 or text [N], of all files together."""
    parts = [_read_file(path, shape) for path in files]
    for path, (images, labels) in zip(files, parts, strict=True):
        if images.shape[1:] != parts[0][0].shape[1:] or labels.dtype.kind != parts[0][1].dtype.kind:
            raise ValueError(f"{path}: images or labels are of another kind than in {files[0]}")
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _read_file(path: Path, shape: Sequence[int] | None) -> Part:
    try:
        names = pq.read_schema(path).names
        missing = [name for name in ("image", "label") if name not in names]
        if missing:
            raise ValueError(f"{path}: no column {missing[0]!r}; it has {', '.join(names)}")
        table = pq.read_table(path, columns=["image", "label"])
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable parquet file ({error})") from None
    if not table.num_rows:
        raise ValueError(f"{path}: no samples")
    images, labels = table["image"], table["label"]
    if pa.types.is_struct(images.type) and images.type.get_field_index("bytes") >= 0:
        images = pc.struct_field(images, "bytes")
    for name, column in (("image", images), ("label", labels)):
        if column.null_count:
            raise ValueError(f"{path}: column {name} has empty rows")
    return _images(images, shape, str(path)), _labels(labels, str(path))


def _labels(column: pa.ChunkedArray, what: str) -> np.ndarray:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.int64()).to_numpy()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string()).to_numpy()
    raise ValueError(f"{what}: labels are {kind}; allowed: integers or text")


def _images(column: pa.ChunkedArray, shape: Sequence[int] | None, what: str) -> np.ndarray:
    kind = column.type
    if pa.types.is_nested(kind) and not pa.types.is_struct(kind):
        images = _pixels(column, what)
        if images.ndim == 2:
            return _shaped(images, shape, what)
        images = channels_first(images, what)
    elif not (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    ):
        raise ValueError(f"{what}: images are {kind}; allowed: bytes or lists of pixels")
    elif shape is not None:
        rows = [row.as_py() for row in column]
        if len({len(row) for row in rows}) > 1:
            raise ValueError(f"{what}: image_shape is for raw pixels; rows are of unequal size")
        return _shaped(np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1), shape, what)
    else:
        files = ((f"{what}: row {place}", row.as_py()) for place, row in enumerate(column))
        images = stack(files, len(column))
    if shape is not None and images.shape[1:] != tuple(shape):
        raise ValueError(f"{what}: images are {images.shape[1:]}, not image_shape {tuple(shape)}")
    return images


def _pixels(column: pa.ChunkedArray, what: str) -> np.ndarray:
    """Nested lists of integers as uint8 [N, ...]."""
    arrays = []
    for chunk in filter(len, column.chunks):
        sizes, values = [len(chunk)], chunk
        while pa.types.is_nested(values.type) and not pa.types.is_struct(values.type):
            lengths = pc.unique(pc.list_value_length(values)).to_pylist()
            if len(lengths) != 1 or not lengths[0]:
                raise ValueError(f"{what}: images are of unequal size")
            sizes.append(lengths[0])
            values = values.flatten()
        if not pa.types.is_integer(values.type) or values.null_count:
            raise ValueError(f"{what}: pixels are {values.type}; allowed: integers 0 to 255")
        numbers = values.to_numpy()
        if numbers.min() < 0 or numbers.max() > 255:
            raise ValueError(
                f"{what}: pixels from {numbers.min()} to {numbers.max()}, not 0 to 255"
            )
        arrays.append(numbers.astype(np.uint8).reshape(sizes))
    if len({array.shape[1:] for array in arrays}) != 1:
        raise ValueError(f"{what}: images are of unequal size")
    return np.concatenate(arrays)


def _shaped(flat: np.ndarray, shape: Sequence[int] | None, what: str) -> np.ndarray:
    """Flat pixels uint8 [N, C x H x W] as [N, C, H, W]."""
    if shape is None:
        raise ValueError(
            f"{what}: images are flat lists of {flat.shape[1]} pixels; give image_shape: "
            "[channels, height, width]"
        )
    if len(shape) != 3 or prod(shape) != flat.shape[1]:
        raise ValueError(
            f"{what}: images of {flat.shape[1]} pixels are not of image_shape {list(shape)}"
        )
    return flat.reshape(-1, *shape)

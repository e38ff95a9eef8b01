"""A parquet file of images and labels, or a folder of such files, as Hugging Face keeps them.

An image is an encoded file (PNG, JPEG, ...) as bytes, or as a struct with a field `bytes` as in
Hugging Face's data sets; or nested lists of its pixels; or, flat, bytes or a list of its pixels
channel by channel, whose shape the setting `image_shape` then gives. A label is a class number or
a class name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources import (
    column_names,
    hugging_face,
    labels,
    pixel_lists,
    pixels,
    table_files,
)
from ptq_privacy.data.sources.column_types import is_list
from ptq_privacy.data.sources.image_files import stack
from ptq_privacy.data.sources.image_size import REMEDY
from ptq_privacy.data.sources.own_images import Part, assemble, joined, path_of

UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """The images of the file or folder `path`."""
    path = path_of(settings)
    files = table_files.find(path, settings)
    first = files.train[0]
    schema = _schema(first)
    features = hugging_face.features(schema, str(first))
    image, label = (
        column_names.column(
            schema.names, key, str(first), settings, hugging_face.of_type(features, kind)
        )
        for key, kind in (("image_column", "Image"), ("label_column", "ClassLabel"))
    )
    train = joined([_read(file, image, label, settings) for file in files.train])
    test = None
    if files.test:
        test = joined([_read(file, image, label, settings) for file in files.test])
    notes = [f"columns {image} and {label}", *files.notes]
    return assemble(settings, train, test, notes, hugging_face.class_names(features, label))


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path}: not a readable parquet file ({error})")


def _read(path: Path, image: str, label: str, settings: Mapping[str, Any]) -> Part:
    """One file."""
    names = _schema(path).names
    for name in (image, label):
        if names.count(name) != 1 or image == label:
            raise ValueError(
                f"{path}: column {name!r} is there {names.count(name)} times; images and labels "
                "need one column each, of the same names in all files"
            )
    try:
        table = pq.read_table(path, columns=[image, label], partitioning=None)
    except UNREADABLE as error:
        raise _unreadable(path, error) from None
    if not table.num_rows:
        raise ValueError(f"{path}: no samples")
    images = table[image]
    if pa.types.is_struct(images.type) and images.type.get_field_index("bytes") >= 0:
        images = pc.struct_field(images, "bytes")
    for name, column in ((image, images), (label, table[label])):
        if column.null_count:
            raise ValueError(f"{path}: column {name} has empty rows")
    read, losses = _images(images, f"{path}: {image}", settings)
    return Part(read, labels.of_column(table[label], f"{path}: {label}"), str(path), losses)


def _images(
    column: pa.ChunkedArray, what: str, settings: Mapping[str, Any]
) -> tuple[np.ndarray, Counter[str]]:
    kind, shape, size = column.type, settings.get("image_shape"), settings.get("resize")
    if is_list(kind):
        return pixel_lists.read(column, what, shape, size)
    if not (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    ):
        raise ValueError(f"{what}: images are {kind}; allowed: bytes or lists of pixels")
    if shape is None:
        files = ((f"{what}: row {place}", row.as_py()) for place, row in enumerate(column))
        return stack(files, len(column), size=size, remedy=REMEDY)
    rows = [row.as_py() for row in column]
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"{what}: image_shape is for raw pixels; rows are of unequal size")
    flat = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
    return pixels.sized(pixels.shaped(flat, shape, what), size), Counter()

"""Images stored as lists of numbers in a column of a table, flat or nested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ptq_privacy.data.sources import pixels
from ptq_privacy.data.sources.column_types import is_list
from ptq_privacy.data.sources.image_size import REMEDY


def read(
    column: pa.ChunkedArray, what: str, shape: Sequence[int] | None, size: Sequence[int] | None
) -> tuple[np.ndarray, Counter[str]]:
    """A column of lists as images uint8 [N, C, H, W], and what was done to how many.

    Args:
        column: of lists, none of them null.
        what: for messages.
        shape: [channels, height, width], needed where the lists are flat.
        size: [height, width] to bring the images to, if any; else all must be of one size.

    Raises:
        ValueError: names `what` if the lists are no images.
    """
    done: Counter[str] = Counter()
    arrays: list[np.ndarray] = []
    for chunk in filter(len, column.chunks):
        numbers = _rectangular(chunk, what)
        if numbers is None or (arrays and numbers.shape[1:] != arrays[0].shape[1:]):
            return _unequal(column, what, size)
        whole, changed = pixels.to_bytes(numbers, what)
        done += changed
        arrays.append(whole)
    images = np.concatenate(arrays)
    if images.ndim == 2:
        if shape is None:
            raise ValueError(
                f"{what}: images are flat lists of {images.shape[1]} pixels; give image_shape: "
                "[channels, height, width]"
            )
        return pixels.sized(pixels.shaped(images, shape, what), size), done
    images = pixels.channels_first(images, what)
    if shape is not None and images.shape[1:] != tuple(shape):
        raise ValueError(f"{what}: images are {images.shape[1:]}, not image_shape {tuple(shape)}")
    return pixels.sized(images, size), done


def _rectangular(chunk: pa.Array, what: str) -> np.ndarray | None:
    """Lists as an array of their numbers, or None if they are not of equal lengths."""
    sizes, values = [len(chunk)], chunk
    while is_list(values.type):
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) != 1 or not lengths[0]:
            return None
        sizes.append(lengths[0])
        values = values.flatten()
    kind = values.type
    if values.null_count or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise ValueError(f"{what}: pixels are {kind}, or some are missing; {pixels.ALLOWED}")
    return values.to_numpy().reshape(sizes)


def _unequal(
    column: pa.ChunkedArray, what: str, size: Sequence[int] | None
) -> tuple[np.ndarray, Counter[str]]:
    """Images of unequal sizes, each brought to the one that is given."""
    flat = not is_list(column.type.value_type)
    if size is None or flat:
        remedy = "" if flat else REMEDY
        raise ValueError(f"{what}: images are of unequal size; all must be of one{remedy}")
    done: Counter[str] = Counter()
    images: list[np.ndarray] = []
    for chunk in column.chunks:
        for place in range(len(chunk)):
            where = f"{what}: row {len(images)}"
            numbers = _rectangular(chunk[place : place + 1], where)
            if numbers is None:
                raise ValueError(f"{where}: lists of unequal length within one image")
            whole, changed = pixels.to_bytes(numbers, where)
            done += changed
            images.append(pixels.sized(pixels.channels_first(whole, where), size))
    channels = max(image.shape[1] for image in images)
    return np.concatenate([pixels.in_colour(image, channels) for image in images]), done

"""Tables in parquet: who is a member, scores, figures; with the record of what made them.

Parquet's checksums cover its pages, not the footer that says which page is which column. So a
digest of all columns goes into the metadata and is compared with what was read.

Between pyarrow and numpy go buffers: pyarrow's own ways import pandas, which takes longer than what
most jobs do with a table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.origin import Origin

if TYPE_CHECKING:
    import pandas as pd

DIGEST_KEY = "sha256"


def write(
    path: str | Path,
    table: pa.Table,
    origin: Origin | None = None,
    rows_a_group: int | None = None,
    dictionary: list[str] | bool = True,
) -> None:
    """Write a table atomically; equal tables give equal bytes.

    Args:
        origin: the record of what made it.
        rows_a_group: rows of a row group; all of them if None.
        dictionary: columns whose values repeat.
    """
    table = table.replace_schema_metadata({DIGEST_KEY: digest(table)} | dict(origin or {}))
    with replacing(path) as temporary:
        pq.write_table(
            table,
            temporary,
            row_group_size=rows_a_group or 2**30,
            compression="zstd",
            use_dictionary=dictionary,
            write_page_checksum=True,
        )


def read(path: str | Path) -> pa.Table:
    """Read what `write` wrote, without its metadata.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file if it is damaged or empty.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        found = digest(table)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a whole parquet file ({error}); remove it") from None
    if (table.schema.metadata or {}).get(DIGEST_KEY.encode(), found.encode()) != found.encode():
        raise ValueError(f"{path}: its columns do not match their SHA-256; remove it")
    if not table.num_rows:
        raise ValueError(f"{path}: holds no rows; remove it")
    return table.replace_schema_metadata(None)


def write_frame(path: str | Path, frame: pd.DataFrame, origin: Origin | None = None) -> None:
    """Write a data frame without its index, as `write` does."""
    write(path, pa.Table.from_pandas(frame, preserve_index=False), origin)


def write_frames(
    parquet: str | Path, csv: str | Path, frame: pd.DataFrame, origin: Origin | None = None
) -> None:
    """Write a data frame as `write_frame` does, and as CSV for people."""
    write_frame(parquet, frame, origin)
    write_csv(csv, frame)


def write_csv(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a data frame as text, numbers to six digits."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g")


def write_columns(
    path: str | Path, columns: Mapping[str, Sequence[Any]], origin: Origin | None = None
) -> None:
    """Write columns of text or of numbers, one row or more, as `write` does."""
    arrays = [
        _text(values) if isinstance(values[0], str) else to_arrow(np.asarray(values))
        for values in columns.values()
    ]
    write(path, pa.Table.from_arrays(arrays, names=list(columns)), origin)


def read_frame(path: str | Path) -> pd.DataFrame:
    """Read a data frame, as `read` does."""
    return read(path).to_pandas()


def digest(table: pa.Table) -> str:
    """SHA-256 of a table's columns: their names, types in numpy and values, in their order."""
    total = hashlib.sha256()
    for field in table.schema:
        values = to_numpy(table.column(field.name))
        total.update(f"{field.name} {values.dtype} {len(values)} ".encode())
        total.update(repr(values.tolist()).encode() if values.dtype == object else values.tobytes())
    return total.hexdigest()


def to_arrow(values: np.ndarray) -> pa.Array:
    """Numbers or booleans [N] as a column of their own type, without a copy where that can be."""
    kind = pa.from_numpy_dtype(values.dtype)
    stored = np.packbits(values, bitorder="little") if values.dtype == np.bool_ else values
    buffer = pa.py_buffer(np.ascontiguousarray(stored))
    return pa.Array.from_buffers(kind, len(values), [None, buffer])


def _text(values: Sequence[str]) -> pa.Array:
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(
        len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))
    )


def to_numpy(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column as numpy has it: [N], not to be written to."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type
    if pa.types.is_string(kind):
        return np.array(array.to_pylist(), object)
    if array.null_count or not (pa.types.is_primitive(kind) and len(array)):
        return array.to_numpy(zero_copy_only=False)
    start, stop = array.offset, array.offset + len(array)
    stored = array.buffers()[1]
    if pa.types.is_boolean(kind):
        bits = np.unpackbits(np.frombuffer(stored, np.uint8), count=stop, bitorder="little")
        return bits[start:].view(np.bool_)
    return np.frombuffer(stored, kind.to_pandas_dtype(), count=stop)[start:]

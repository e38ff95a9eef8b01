"""Tables of figures as parquet: data frames with checksums, and the record of what made them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from ptq_privacy.data.files import replacing
from ptq_privacy.data.origin import Origin

if TYPE_CHECKING:
    import pandas as pd


def write(path: str | Path, frame: pd.DataFrame, origin: Origin | None = None) -> None:
    """Write a data frame without its index, atomically; equal frames give equal bytes."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **(origin or {})})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read(path: str | Path) -> pd.DataFrame:
    """Read what `write` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file if it is damaged.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True, partitioning=None)
        return table.to_pandas()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: not a whole parquet file ({error}); remove it") from None

"""The logit files: what each model of a shard answered to each query about each sample.

Training and quantization end here and the attacks begin here, so the two sides share this file
format and nothing else. A file is plain parquet with one row group a (model, query): it is written
and read a block at a time, and no more than one block is ever in memory. A compact file holds what
the attacks need in place of the logits: at 100 classes it is some forty times smaller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ptq_privacy.answers.answer_blocks import Block, CompactBlock, LogitBlock
from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.tables import to_arrow, to_numpy


def write(
    path: str | Path, blocks: Iterable[Block], classes: int | None, metadata: Mapping[str, str]
) -> None:
    """Write blocks, ascending by (model, query), as they come; `path` appears when all are in.

    Args:
        blocks: all of one kind.
        classes: of LogitBlocks; None for CompactBlocks.

    Raises:
        ValueError: names the file and the block whose order, shape, labels or logits are wrong.
    """
    path = Path(path)
    schema = _schema(classes).with_metadata(dict(metadata))
    last: tuple[int, int] | None = None
    samples = None
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            use_dictionary=["model", "query", "label"],  # samples and logits never repeat
            column_encoding={"sample": "DELTA_BINARY_PACKED"},
            write_page_checksum=True,
        ) as parquet,
    ):
        for block in blocks:
            name = f"{path}: model {block.model}, query {block.query}"
            if last is not None and (block.model, block.query) <= last:
                raise ValueError(
                    f"{name}: comes after model {last[0]}, query {last[1]}; "
                    "blocks must ascend by (model, query)"
                )
            if samples is not None and len(block.label) != samples:
                raise ValueError(
                    f"{name}: {len(block.label)} samples where the blocks before have {samples}"
                )
            parquet.write_table(_table(name, block, classes, schema), row_group_size=2**30)
            last, samples = (block.model, block.query), len(block.label)
        if last is None:
            raise ValueError(f"{path}: no blocks to write; expected at least one")


def read(path: str | Path) -> Iterator[LogitBlock]:
    """Yield the blocks of a file of full logits, ascending by (model, query), one at a time.

    Raises:
        ValueError: names the file and what was expected of it where it is damaged, foreign, or
            compact.
    """
    for block in read_answers(path):
        if isinstance(block, CompactBlock):
            raise ValueError(
                f"{path}: holds phi and correctness, not logits; to have them, set the config's "
                "logits: full and query again"
            )
        yield block


def read_answers(path: str | Path) -> Iterator[Block]:
    """Yield the blocks of a logit file of either kind, ascending by (model, query), one at a time.

    Raises:
        ValueError: names the file and what was expected of it where it is damaged or foreign.
    """
    path = Path(path)
    with _opened(path) as parquet:
        last = (-1, -1)
        for group in range(parquet.num_row_groups):
            try:
                table = parquet.read_row_group(group)
            except (pa.ArrowException, OSError) as error:
                raise ValueError(f"{path}: row group {group} is damaged: {error}") from error
            block = _block(f"{path}: row group {group}", table)
            if (block.model, block.query) <= last:
                raise ValueError(
                    f"{path}: row group {group} holds model {block.model}, query {block.query} "
                    f"after model {last[0]}, query {last[1]}; expected ascending (model, query)"
                )
            last = (block.model, block.query)
            yield block


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata that a logit file was written with.

    Raises:
        ValueError: names the file and what was expected of it where it is damaged or foreign.
    """
    with _opened(Path(path)) as parquet:
        found = parquet.schema_arrow.metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}


def _schema(classes: int | None) -> pa.Schema:
    if classes is None:
        answer = {"phi": pa.float64(), "correct": pa.bool_()}
    else:
        answer = {"logits": pa.list_(pa.float32(), classes)}
    types = {
        "model": pa.int16(),
        "query": pa.int8(),
        "sample": pa.int32(),
        "label": pa.int16(),
        "member": pa.bool_(),
        **answer,
    }
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])


def _table(name: str, block: Block, classes: int | None, schema: pa.Schema) -> pa.Table:
    samples = len(block.label)
    if samples == 0 or block.member.shape != (samples,):
        raise ValueError(
            f"{name}: label {block.label.shape}, member {block.member.shape}; expected [S], [S] "
            "with at least one sample"
        )
    if block.member.dtype != np.bool_:
        raise ValueError(f"{name}: member is {block.member.dtype}; expected bool")
    if block.label.min() < 0 or (classes is not None and block.label.max() >= classes):
        limit = "0 upwards" if classes is None else f"0 to {classes - 1}"
        raise ValueError(f"{name}: labels out of range; allowed: {limit}")
    columns = [
        to_arrow(np.full(samples, block.model, np.int16)),
        to_arrow(np.full(samples, block.query, np.int8)),
        to_arrow(np.arange(samples, dtype=np.int32)),
        to_arrow(block.label.astype(np.int16)),
        to_arrow(block.member),
        *_answer(name, block, classes, schema),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _answer(name: str, block: Block, classes: int | None, schema: pa.Schema) -> list[pa.Array]:
    """The columns in which the two kinds of file differ."""
    samples = len(block.label)
    if isinstance(block, CompactBlock) != (classes is None):
        raise ValueError(f"{name}: is a {type(block).__name__}; a file holds one kind of block")
    if isinstance(block, CompactBlock):
        if block.phi.shape != (samples,) or block.correct.shape != (samples,):
            raise ValueError(
                f"{name}: phi {block.phi.shape}, correct {block.correct.shape}; expected "
                f"({samples},) both"
            )
        if not np.isfinite(block.phi).all():
            raise ValueError(f"{name}: phi is not finite; the model has diverged or is damaged")
        return [to_arrow(block.phi.astype(np.float64)), to_arrow(block.correct.astype(np.bool_))]
    logits = np.ascontiguousarray(block.logits, dtype=np.float32)
    if logits.shape != (samples, classes):
        raise ValueError(f"{name}: logits {logits.shape}; expected [S, {classes}], S = {samples}")
    if not np.isfinite(logits).all():
        raise ValueError(f"{name}: logits are not finite; the model has diverged or is damaged")
    flat = to_arrow(logits.reshape(-1))
    return [pa.FixedSizeListArray.from_arrays(flat, type=schema.field("logits").type)]


def _opened(path: Path) -> pq.ParquetFile:
    try:
        parquet = pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a readable parquet file of logits: {error}") from error
    found = parquet.schema_arrow
    logits = found.field("logits").type if "logits" in found.names else pa.null()
    classes = logits.list_size if pa.types.is_fixed_size_list(logits) else None
    if classes == 0 or found.remove_metadata() != _schema(classes):
        parquet.close()
        raise ValueError(
            f"{path}: columns {', '.join(found.names)} are not those of a logit file; expected "
            "model int16, query int8, sample int32, label int16, member bool, "
            "logits fixed_size_list<float32> or phi float64, correct bool"
        )
    return parquet


def _block(name: str, table: pa.Table) -> Block:
    samples = table.num_rows
    column = {field: table.column(field).combine_chunks() for field in table.column_names}
    if "logits" in column:
        column["logits"] = column["logits"].flatten()
    found = {field: to_numpy(values) for field, values in column.items()}
    model, query = found["model"], found["query"]
    if (
        samples == 0
        or (model != model[0]).any()
        or (query != query[0]).any()
        or (found["sample"] != np.arange(samples)).any()
    ):
        raise ValueError(f"{name}: expected the samples 0, 1, 2, ... of one model and one query")
    numbers = int(model[0]), int(query[0])
    known = found["label"], found["member"]
    if "phi" in found:
        return CompactBlock(*numbers, *known, found["phi"], found["correct"])
    return LogitBlock(*numbers, *known, found["logits"].reshape(samples, -1))

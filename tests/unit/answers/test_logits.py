"""Logit files: what is written is what is read, and nothing else is accepted."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ptq_privacy.answers import logits
from ptq_privacy.answers.answer_blocks import CompactBlock, LogitBlock

SAMPLES, CLASSES = 7, 4


def blocks(models=(4, 5), queries=2):
    generator = np.random.default_rng(0)
    label = generator.integers(CLASSES, size=SAMPLES).astype(np.int16)
    return [
        LogitBlock(
            model=model,
            query=query,
            label=label,
            member=generator.random(SAMPLES) < 0.5,
            logits=generator.normal(size=(SAMPLES, CLASSES)).astype(np.float32),
        )
        for model in models
        for query in range(queries)
    ]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "logits-002.parquet"
    logits.write(path, iter(blocks()), CLASSES, {"study": "digits", "variant": "full"})
    return path


def test_what_is_written_is_read(path):
    for written, found in zip(blocks(), logits.read(path), strict=True):
        assert (written.model, written.query) == (found.model, found.query)
        for field in ("label", "member", "logits"):
            np.testing.assert_array_equal(getattr(written, field), getattr(found, field))
            assert getattr(written, field).dtype == getattr(found, field).dtype
    assert logits.read_metadata(path) == {"study": "digits", "variant": "full"}


def test_the_file_is_as_documented_for_any_reader(path):
    parquet = pq.ParquetFile(path)
    assert parquet.num_row_groups == 4
    assert parquet.metadata.row_group(0).column(0).compression == "ZSTD"
    table = parquet.read()
    types = {name: str(table.schema.field(name).type) for name in table.column_names}
    assert types == {
        "model": "int16",
        "query": "int8",
        "sample": "int32",
        "label": "int16",
        "member": "bool",
        "logits": "fixed_size_list<element: float>[4]",
    }
    keys = list(zip(*(table[key].to_pylist() for key in ("model", "query", "sample")), strict=True))
    assert keys == [(m, q, s) for m in (4, 5) for q in (0, 1) for s in range(SAMPLES)]


def test_the_same_blocks_give_the_same_bytes(path, tmp_path):
    again = tmp_path / "again.parquet"
    logits.write(again, blocks(), CLASSES, {"study": "digits", "variant": "full"})
    assert again.read_bytes() == path.read_bytes()


def with_logit(block, value):
    damaged = block.logits.copy()
    damaged[3, 1] = value
    return replace(block, logits=damaged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: [b[0], with_logit(b[1], np.nan)], "model 4, query 1: logits are not finite"),
        (lambda b: [with_logit(b[0], np.inf)], "model 4, query 0: logits are not finite"),
        (lambda b: [b[1], b[0]], "must ascend"),
        (lambda b: [b[0], b[0]], "must ascend"),
        (lambda b: [replace(b[0], label=b[0].label + 4)], "allowed: 0 to 3"),
        (lambda b: [replace(b[0], label=b[0].label[1:])], r"expected \[S\]"),
        (lambda b: [replace(b[0], logits=b[0].logits[:, 1:])], r"\[S, 4\]"),
        (lambda b: [replace(b[0], member=b[0].member.astype(int))], "expected bool"),
        (
            lambda b: [
                b[0],
                replace(b[1], label=b[1].label[1:], member=b[1].member[1:], logits=b[1].logits[1:]),
            ],
            "6 samples where the blocks before have 7",
        ),
        (lambda b: [], "no blocks"),
    ],
)
def test_a_wrong_block_is_refused_and_leaves_the_old_file(path, change, message):
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message) as error:
        logits.write(path, change(blocks()), CLASSES, {})
    assert str(path) in str(error.value)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def refused(path):
    with pytest.raises(ValueError, match=str(path)) as error:
        list(logits.read(path))
    return str(error.value)


def test_a_damaged_file_is_refused(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "not a readable parquet file" in refused(path)
    flipped = bytearray(whole)
    stored = pq.ParquetFile(pa.BufferReader(whole)).metadata.row_group(2).column(5)
    flipped[stored.data_page_offset + stored.total_compressed_size - 5] ^= 0xFF
    path.write_bytes(flipped)
    assert "row group 2 is damaged" in refused(path)
    path.write_text("model,query\n")
    assert "not a readable parquet file" in refused(path)
    with pytest.raises(ValueError, match="not a readable parquet file"):
        logits.read_metadata(path)


def test_a_foreign_file_is_refused(path):
    table = pq.read_table(path)
    pq.write_table(table.drop(["member"]), path)
    assert "are not those of a logit file" in refused(path)
    pq.write_table(pa.table({"score": [1.0]}), path)
    assert "are not those of a logit file" in refused(path)
    pq.write_table(table.set_column(0, "model", table["model"].cast(pa.int64())), path)
    assert "are not those of a logit file" in refused(path)


def test_rows_that_are_not_one_block_a_group_are_refused(path):
    table = pq.read_table(path)
    pq.write_table(table, path)
    assert "expected the samples 0, 1, 2, ... of one model and one query" in refused(path)
    pq.write_table(table.slice(1, SAMPLES - 1), path)
    assert "expected the samples 0, 1, 2, ..." in refused(path)
    backwards = pa.concat_tables([table.slice(SAMPLES, SAMPLES), table.slice(0, SAMPLES)])
    pq.write_table(backwards, path, row_group_size=SAMPLES)
    assert "expected ascending" in refused(path)


def compact_blocks():
    generator = np.random.default_rng(1)
    return [
        CompactBlock(
            model=block.model,
            query=block.query,
            label=block.label,
            member=block.member,
            phi=generator.normal(size=SAMPLES),
            correct=generator.random(SAMPLES) < 0.5,
        )
        for block in blocks()
    ]


@pytest.fixture
def compact(tmp_path):
    path = tmp_path / "logits-002.parquet"
    logits.write(path, compact_blocks(), None, {"study": "digits"})
    return path


def test_what_is_kept_compact_is_read_as_it_was(compact):
    for written, found in zip(compact_blocks(), logits.read_answers(compact), strict=True):
        assert (written.model, written.query) == (found.model, found.query)
        for field in ("label", "member", "phi", "correct"):
            np.testing.assert_array_equal(getattr(written, field), getattr(found, field))
            assert getattr(written, field).dtype == getattr(found, field).dtype
    assert pq.ParquetFile(compact).num_row_groups == 4
    assert logits.read_metadata(compact) == {"study": "digits"}


def test_who_needs_logits_is_told_that_a_compact_file_has_none(compact):
    assert "holds phi and correctness, not logits" in refused(compact)
    assert "logits: full" in refused(compact)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: replace(b, phi=b.phi / 0), "phi is not finite"),
        (lambda b: replace(b, phi=b.phi[1:]), r"phi \(6,\)"),
        (lambda b: replace(b, label=b.label - 5), "labels out of range"),
        (lambda b: blocks()[0], "is a LogitBlock"),
    ],
)
def test_a_wrong_compact_block_is_refused(tmp_path, change, message):
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=message):
        logits.write(tmp_path / "logits.parquet", [change(compact_blocks()[0])], None, {})
    with pytest.raises(ValueError, match="is a CompactBlock"):
        logits.write(tmp_path / "logits.parquet", compact_blocks(), CLASSES, {})

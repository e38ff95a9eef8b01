"""phi against the definition in exact arithmetic, and its reading from shards."""

import tracemalloc
from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.answers import logits as logit_files
from ptq_privacy.answers import recorded
from ptq_privacy.answers.answer_blocks import LogitBlock
from ptq_privacy.answers.phi import compacted, phi


def exact_phi(z, label):
    """log p_y - log(1 - p_y) = z_y - log(sum of the others' e^z), to 60 digits."""
    with localcontext() as context:
        context.prec = 60
        others = [Decimal(float(v)) for k, v in enumerate(z) if k != label]
        top = max(others)
        total = sum((v - top).exp() for v in others)
        return float(Decimal(float(z[label])) - top - total.ln())


@pytest.mark.parametrize(
    "z",
    [
        [0.3, -1.2, 2.5],
        [100.0, 0.0, -100.0],
        [-1e4, 1e4, 0.0],
        [1e30, -1e30],
        [3e38, -3e38, 0.0],
        [50.0, 50.0 - 1e-7, -50.0],
        [-800.0, -800.5, -801.0],
    ],
)
def test_phi_is_exact_at_extreme_logits(z):
    for logits in (np.array(z, dtype=np.float32), np.array(z)):
        for label in range(len(z)):
            found = phi(logits, label)
            assert found == pytest.approx(exact_phi(logits, label), rel=1e-14, abs=1e-14)
            assert found.dtype == np.float64


def test_confident_answers_do_not_tie():
    margins = np.arange(0, 2000, 1e-2)
    z = np.stack([margins, np.zeros_like(margins)], axis=-1)
    assert (np.diff(phi(z, 0)) > 0).all()
    assert (np.diff(phi(-z, 0)) < 0).all()


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=6), st.floats(-1e3, 1e3), st.data())
def test_phi_ignores_a_shift_and_is_antisymmetric_for_two_classes(z, shift, data):
    z = np.array(z)
    label = data.draw(st.integers(0, len(z) - 1))
    assert phi(z + shift, label) == pytest.approx(phi(z, label), abs=1e-9)
    assert phi(z[:2], 0) == -phi(z[:2], 1)


def test_labels_broadcast_over_leading_axes():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(3, 2, 5, 4))
    labels = generator.integers(4, size=5)
    found = phi(z, labels)
    assert found.shape == (3, 2, 5)
    for model, query, sample in np.ndindex(found.shape):
        expected = exact_phi(z[model, query, sample], labels[sample])
        assert found[model, query, sample] == pytest.approx(expected, abs=1e-13)
    np.testing.assert_array_equal(found[:, 1], phi(z[:, 1], labels))


@pytest.mark.parametrize(
    ("z", "labels", "message"),
    [
        ([[1.0, 2.0]], [2], "allowed: 0 to 1"),
        ([[1.0, 2.0]], [-1], "allowed: 0 to 1"),
        ([[1.0]], [0], "at least 2 classes"),
        (1.0, 0, "at least 2 classes"),
        ([[1.0, np.nan]], [0], "finite"),
        ([[1.0, np.inf]], [0], "finite"),
        ([[1.0, 2.0]], [0.0], "expected integers"),
        ([[1.0, 2.0]], [0, 1], "do not broadcast"),
    ],
)
def test_bad_input_is_named(z, labels, message):
    with pytest.raises(ValueError, match=message):
        phi(z, labels)


SAMPLES, QUERIES, CLASSES = 6, 2, 3
LABEL = np.array([0, 1, 2, 0, 1, 2], dtype=np.int16)


def shard(models):
    blocks = []
    for model in models:
        generator = np.random.default_rng(model)
        member = generator.random(SAMPLES) < 0.5
        for query in range(QUERIES):
            z = generator.normal(size=(SAMPLES, CLASSES)).astype(np.float32)
            blocks.append(LogitBlock(model, query, LABEL, member, z))
    return blocks


def written(folder, **shards):
    paths = []
    for name, blocks in shards.items():
        paths.append(folder / f"{name}.parquet")
        logit_files.write(paths[-1], blocks, CLASSES, {})
    return paths


def test_models_are_ordered_by_number_whatever_the_order_of_the_files(tmp_path):
    paths = written(tmp_path, a=shard([4, 5]), b=shard([0, 1]), c=shard([2, 3]))
    found = recorded.read(paths, range(6))
    assert found.models == (0, 1, 2, 3, 4, 5)
    assert found.phi.shape == (6, SAMPLES, QUERIES)
    np.testing.assert_array_equal(found.label, LABEL)
    for block in shard(range(6)):
        np.testing.assert_array_equal(
            found.phi[block.model, :, block.query], phi(block.logits, LABEL)
        )
        np.testing.assert_array_equal(
            found.correct[block.model, :, block.query], block.logits.argmax(1) == LABEL
        )
        np.testing.assert_array_equal(found.member[block.model], block.member)
    again = recorded.read(paths[::-1], reversed(range(6)))
    np.testing.assert_array_equal(found.phi, again.phi)
    some = recorded.read(paths, [5, 1])
    assert some.models == (1, 5)
    np.testing.assert_array_equal(some.phi, found.phi[[1, 5]])


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (shard([2, 0]), "must ascend"),
        (shard([0, 2]), "model 0, query 0: the model is in .*a.parquet as well"),
        (shard([2]), "models 3 are in none"),
        (
            [replace(b, label=LABEL[::-1].copy()) for b in shard([2, 3])],
            "b.parquet: model 2, query 0: samples or labels differ",
        ),
        (
            [
                replace(b, label=LABEL[1:], member=b.member[1:], logits=b.logits[1:])
                for b in shard([2, 3])
            ],
            "b.parquet: model 2, query 0: samples or labels differ",
        ),
        (shard([2, 3])[1:], "model 2, query 1: expected query 0"),
        (shard([2, 3])[:-1], "model 3 has 1 queries, model 0 has 2"),
        (
            [replace(b, member=b.member ^ bool(b.query)) for b in shard([2, 3])],
            "membership differs",
        ),
    ],
)
def test_files_that_do_not_fit_together_are_refused(tmp_path, second, message):
    with pytest.raises(ValueError, match=message):
        recorded.read(written(tmp_path, a=shard([0, 1]), b=second), range(4))


def test_compact_files_give_the_same_bits_as_full_ones(tmp_path):
    full = written(tmp_path, a=shard([0, 1]), b=shard([2, 3]))
    compact = [tmp_path / "c.parquet", tmp_path / "d.parquet"]
    for path, models in zip(compact, ([0, 1], [2, 3]), strict=True):
        logit_files.write(path, map(compacted, shard(models)), None, {})
    expected, found = recorded.read(full, range(4)), recorded.read(compact, range(4))
    assert found.phi.tobytes() == expected.phi.tobytes()
    np.testing.assert_array_equal(found.correct, expected.correct)
    np.testing.assert_array_equal(found.label, expected.label)
    np.testing.assert_array_equal(found.member, expected.member)
    np.testing.assert_array_equal(recorded.read([full[0], compact[1]], range(4)).phi, expected.phi)


def test_correctness_is_whether_the_label_has_the_largest_logit():
    for block in shard(range(4)):
        kept = compacted(block)
        expected = [int(np.argmax(z)) == y for z, y in zip(block.logits, block.label, strict=True)]
        assert kept.correct.tolist() == expected
        # So it is where phi is positive, and may be elsewhere.
        assert kept.correct[kept.phi > 0].all()


def test_files_of_any_length_are_read_in_the_memory_of_a_few_blocks(tmp_path):
    samples, classes, models = 4000, 100, 40
    block_bytes = samples * classes * 4
    label = np.zeros(samples, np.int16)
    member = np.zeros(samples, bool)
    logits = np.random.default_rng(0).normal(size=(samples, classes)).astype(np.float32)
    path = tmp_path / "logits.parquet"
    arrow = pa.total_allocated_bytes()
    blocks = (LogitBlock(model, 0, label, member, logits) for model in range(models))
    logit_files.write(path, blocks, classes, {})
    for _ in logit_files.read(path):
        assert pa.total_allocated_bytes() - arrow < 8 * block_bytes
    tracemalloc.start()
    found = recorded.read([path], range(models))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.phi.nbytes + 10 * block_bytes < models * block_bytes
    assert peak < 2 * found.phi.nbytes + 10 * block_bytes

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from ptq_privacy.data import dataset
from ptq_privacy.data.preparation import prepare
from ptq_privacy.data.sources.split import stratified_order
from tests.unit.data import published_archives

IDX_PARTS = published_archives.FASHION_MNIST_FILES.values()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(0, 9))
def test_every_beginning_of_the_order_holds_the_classes_in_proportion(labels, seed):
    labels = np.array(labels)
    order = stratified_order(labels, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(labels)))
    share = np.bincount(labels, minlength=5) / len(labels)
    classes = len(np.unique(labels))
    for taken in range(len(labels) + 1):
        counts = np.bincount(labels[order[:taken]], minlength=5)
        assert abs(counts - taken * share).max() <= classes / 2 + 1e-9


def test_the_order_depends_on_the_seed():
    labels = np.zeros(100, int)
    first, again, other = (
        stratified_order(labels, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_digits_are_all_there_and_split_for_ever():
    data = prepare({"name": "digits", "source": "digits"})
    assert data.train_inputs.shape == (1500, 1, 8, 8)
    assert data.test_inputs.shape == (297, 1, 8, 8)
    assert data.classes == tuple("0123456789")
    together = np.concatenate([data.train_inputs, data.test_inputs])[:, 0]
    original = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    assert sorted(map(bytes, together)) == sorted(map(bytes, original))
    assert abs(np.bincount(data.test_labels) - 29.7).max() < 2
    # The numbers of samples appear in every artifact: this digest may change only on purpose.
    assert data.sha256.startswith("459bf74f25f0eb05")
    assert prepare({"name": "d", "source": "digits", "seed": 5}).sha256 == data.sha256


def test_audit_samples_keeps_a_seeded_part_in_order():
    whole = prepare({"name": "digits", "source": "digits"})
    parts = [
        prepare({"name": "digits", "source": "digits", "audit_samples": 100, "seed": seed})
        for seed in (1, 1, 2)
    ]
    assert parts[0].sha256 == parts[1].sha256 != parts[2].sha256
    assert (np.bincount(parts[0].train_labels) == 10).all()
    np.testing.assert_array_equal(parts[0].test_inputs, whole.test_inputs)
    places = [
        next(i for i, image in enumerate(whole.train_inputs) if np.array_equal(image, kept))
        for kept in parts[0].train_inputs
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "digits"}, "a name is missing"),
        ({"name": "x"}, "'x': unknown source None; allowed: banking77, cifar-10, cifar-100"),
        ({"name": "x", "source": "mnist"}, "unknown source 'mnist'"),
        ({"name": "x", "source": "digits", "path": "y"}, "digits takes no path"),
        ({"name": "x", "source": "digits", "audit_samples": 1501}, "1501 is not between 2 and"),
        ({"name": "x", "source": "digits", "audit_samples": 5}, "no training sample of class"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        prepare(settings)


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, ".gz"), (bytes, "")])
def test_fashion_mnist_from_a_folder_of_idx_files(tmp_path, pack, suffix):
    made = published_archives.fashion_mnist(tmp_path / "idx", pack=pack, suffix=suffix)
    data = prepare({"name": "f", "source": "fashion-mnist", "path": str(tmp_path / "idx")})
    for name, content in made.items():
        np.testing.assert_array_equal(getattr(data, name), content, err_msg=name)
    assert data.classes[9] == "Ankle boot"
    dataset.write(tmp_path / "d.safetensors", data)
    assert dataset.read(tmp_path / "d.safetensors").sha256 == data.sha256


def break_idx(whole):
    plain = gzip.decompress(whole)
    return [
        whole[:-20],  # truncated
        whole[:30] + bytes([whole[30] ^ 255]) + whole[31:],  # altered
        b"<html>not found</html>",
        gzip.compress(plain[:-1]),  # too short
        gzip.compress(plain + b"x"),  # too long
        gzip.compress(b"\0\0\x0d\x03" + plain[4:]),  # floats
        gzip.compress(plain[:6]),  # half a header
        gzip.compress(plain[:4] + b"\xff" * 12 + plain[16:]),  # an absurd size
        b"",
    ]


@pytest.mark.parametrize("part", IDX_PARTS)
def test_damaged_idx_files_are_named(tmp_path, part):
    published_archives.fashion_mnist(tmp_path)
    path = tmp_path / f"{part}.gz"
    for damaged in break_idx(path.read_bytes()):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=part):
            prepare({"name": "f", "source": "fashion-mnist", "path": tmp_path})


def test_a_missing_idx_file_is_named(tmp_path):
    published_archives.fashion_mnist(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-images-idx3-ubyte"):
        prepare({"name": "f", "source": "fashion-mnist", "path": tmp_path})


def test_unequal_idx_files_are_refused(tmp_path):
    published_archives.fashion_mnist(tmp_path)
    labels = published_archives.idx(np.arange(299) % 10)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    with pytest.raises(ValueError, match="300 inputs"):
        prepare({"name": "f", "source": "fashion-mnist", "path": tmp_path})

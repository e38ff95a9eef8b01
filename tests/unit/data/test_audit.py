from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ptq_privacy.answers import inference
from ptq_privacy.data import audit, dataset, membership
from ptq_privacy.data.calibration_set import calibration_set
from ptq_privacy.data.preparation import prepare
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.study.seeds import generator
from tests.unit.networks.by_name import build

CPU = torch.device("cpu")
SAMPLES = 60


@pytest.fixture(scope="module")
def data():
    return prepare({"name": "digits", "source": "digits", "audit_samples": SAMPLES})


@pytest.fixture(scope="module")
def members():
    return membership.draw(SAMPLES, 6, seed=0)


@pytest.fixture
def files(tmp_path, data, members):
    """The data set, and a shard of models 2, 3 and 4."""
    dataset.write(tmp_path / "dataset", data)
    membership.write(tmp_path / "members", {model: members[model] for model in (2, 3, 4)})
    return tmp_path / "dataset", tmp_path / "members"


def test_it_holds_what_the_files_say(files, data, members):
    loaded = audit.load(*files, [2, 3, 4], CPU)
    np.testing.assert_array_equal(loaded.inputs, data.train_inputs)
    np.testing.assert_array_equal(loaded.labels, data.train_labels)
    np.testing.assert_array_equal(loaded.test_inputs, data.test_inputs)
    np.testing.assert_array_equal(loaded.test_labels, data.test_labels)
    assert loaded.kind == data.kind == "images"
    assert loaded.inputs.dtype == torch.uint8
    pixels = torch.from_numpy(data.train_inputs).double() / 255
    assert loaded.statistics["mean"] == pytest.approx([float(pixels.mean())])
    assert loaded.statistics["std"] == pytest.approx([float(pixels.std(correction=0))])
    assert loaded.classes == 10
    for model in (2, 3, 4):
        assert loaded.members_of(model).tolist() == np.flatnonzero(members[model]).tolist()


def test_a_network_of_its_shape_fits_its_inputs(files):
    loaded = audit.load(*files, [2], CPU)
    network = build("resnet6", loaded.classes, loaded.inputs.shape[1])
    answers = Normalised(network, loaded.kind, loaded.statistics)(loaded.inputs[:2])
    assert answers.shape == (2, 10)


def test_train_accuracy_is_that_on_the_models_own_members(files, data, members):
    """The network answers with a sample's number, which is right only where the label says so."""
    loaded = audit.load(*files, [2], CPU)
    marked = torch.zeros(SAMPLES, 1, 1, 10, dtype=torch.uint8)
    marked[members[2], 0, 0, loaded.labels[members[2]]] = 255  # members are answered rightly
    wrong = (loaded.labels[~members[2]] + 1) % 10
    marked[~members[2], 0, 0, wrong] = 255
    zeros = torch.zeros(4, 1, 1, 10, dtype=torch.uint8)  # answered with class 0
    known = replace(
        loaded, inputs=marked, test_inputs=zeros, test_labels=torch.tensor([0, 1, 0, 0])
    )
    other = replace(known, members={2: ~members[2]})
    for of, expected in ((known, 1.0), (other, 0.0)):
        own = of.members_of(2)
        assert inference.accuracy(nn.Flatten(), of.inputs, of.labels, own) == expected
    assert inference.accuracy(nn.Flatten(), known.test_inputs, known.test_labels) == 0.75


def test_a_model_that_the_membership_lacks_is_named(files):
    with pytest.raises(ValueError, match=r"members: does not say .* model 5 was trained on; rem"):
        audit.load(*files, [2, 5], CPU)


def test_a_membership_of_another_data_set_is_refused(files, tmp_path):
    membership.write(tmp_path / "other", {2: membership.draw(SAMPLES + 2, 4, 0)[2]})
    with pytest.raises(
        ValueError, match=r"other: does not say which of the 60 samples of .*dataset model 2 was"
    ):
        audit.load(files[0], tmp_path / "other", [2], CPU)


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_damaged_file_is_named(files, damaged):
    path = files[damaged]
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ValueError, match=str(path)):
        audit.load(*files, [2], CPU)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_file_is_named(files, missing):
    files[missing].unlink()
    with pytest.raises(FileNotFoundError, match=str(files[missing])):
        audit.load(*files, [2], CPU)


def test_files_in_each_others_place_are_refused(files):
    with pytest.raises(ValueError, match=str(files[1])):
        audit.load(files[1], files[0], [2], CPU)


def test_calibration_samples_are_distinct_members_in_order(members):
    for model in range(6):
        chosen = calibration_set(members[model], 20, seed=0, model=model)
        assert len(chosen) == 20
        assert (np.diff(chosen) > 0).all()
        assert members[model][chosen].all()


def test_calibration_sets_depend_on_seed_model_and_draw_alone(members):
    chosen = calibration_set(members[3], 20, 1, 3)
    np.testing.assert_array_equal(chosen, calibration_set(members[3].copy(), 20, 1, 3))
    assert not np.array_equal(chosen, calibration_set(members[3], 20, 2, 3))
    assert not np.array_equal(chosen, calibration_set(members[3], 20, 1, 5))
    assert not np.array_equal(chosen, calibration_set(members[3], 20, 1, 3, draw=1))


def test_every_member_is_as_likely_to_calibrate(members):
    draws = 600
    counts = sum(
        np.bincount(calibration_set(members[2], 10, seed, 2), minlength=SAMPLES)
        for seed in range(draws)
    )
    own = int(members[2].sum())
    expected = draws * 10 / own
    assert abs(counts[members[2]] - expected).max() < 5 * np.sqrt(expected)
    assert counts[~members[2]].sum() == 0


def test_more_calibration_samples_than_members_are_refused(members):
    own = int(members[2].sum())
    np.testing.assert_array_equal(
        calibration_set(members[2], own, 0, 2), np.flatnonzero(members[2])
    )
    with pytest.raises(
        ValueError,
        match=rf"compression.calibration_samples: {own + 1} is more than the {own} members of mod",
    ):
        calibration_set(members[2], own + 1, 0, 2)


def test_it_does_not_follow_the_draw_of_the_members():
    """Model k's calibration draw once came from the stream that had split pair k."""
    samples, seed = 1000, 0
    for pair in range(3):
        stream = generator("members", seed, pair)
        own = np.flatnonzero(membership.draw(samples, 2 * pair + 2, seed)[2 * pair])
        same_stream = np.sort(stream.choice(own, 100, replace=False))
        chosen = calibration_set(np.isin(np.arange(samples), own), 100, seed, pair)
        assert not np.array_equal(chosen, same_stream)

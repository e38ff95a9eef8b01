import pytest
import torch
from torch import nn

from ptq_privacy.answers import inference
from ptq_privacy.data.kinds.images import views
from ptq_privacy.networks.normalised import Normalised
from tests.unit.networks.by_name import build

STATISTICS = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
MEAN, STD = (torch.tensor(values) for values in STATISTICS.values())
IMAGES = torch.randint(
    256, (150, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
)


@pytest.fixture(scope="module")
def state():
    """Weights of a network whose normalisation has seen images that are not these."""
    torch.manual_seed(1)
    network = build("resnet8-thin", 10, 3).train()
    for _ in range(5):
        network(torch.randn(16, 3, 8, 8) * 2 + 1)
    return network.state_dict()


@pytest.fixture
def network(state):
    """Left in training mode, as an absent-minded caller would."""
    fresh = build("resnet8-thin", 10, 3)
    fresh.load_state_dict(state)
    return Normalised(fresh, "images", STATISTICS).train()


def test_a_sample_gets_the_same_answer_alone_and_among_others(network):
    together = inference.logits(network, IMAGES)
    for sample in (0, 77, 149):
        network.train()
        alone = inference.logits(network, IMAGES[sample : sample + 1])[0]
        torch.testing.assert_close(alone, together[sample], rtol=1e-4, atol=1e-5)


def test_chosen_samples_are_answered_in_the_order_given(network):
    together = inference.logits(network, IMAGES)
    chosen = torch.tensor([149, 3, 77, 3])
    alone = inference.logits(network, IMAGES, chosen)
    torch.testing.assert_close(alone, together[chosen], rtol=1e-4, atol=1e-5)
    labels = together.argmax(1)
    labels[77] += 1
    assert inference.accuracy(network, IMAGES, labels, chosen) == 0.75


def test_training_mode_would_have_answered_otherwise(network):
    network.train()
    scaled = (IMAGES.float() / 255 - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    in_training_mode = network.network(scaled)
    assert (inference.logits(network, IMAGES) - in_training_mode).abs().max() > 0.1


def test_asking_changes_nothing_in_the_network(network, state):
    inference.logits(network, IMAGES)
    assert not any(module.training for module in network.modules())
    found = network.network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in found.items())


@pytest.mark.parametrize("size", [1, 7, 150, 1000])
def test_batching_changes_logits_by_no_more_than_rounding(network, size, monkeypatch):
    expected = inference.logits(network, IMAGES)
    monkeypatch.setitem(inference.BATCH, "cpu", size)
    torch.testing.assert_close(inference.logits(network, IMAGES), expected, rtol=1e-4, atol=1e-5)


def test_logits_are_the_network_s_on_normalised_pixels(network):
    answers = inference.logits(network, IMAGES)
    assert answers.shape == (150, 10)
    assert answers.dtype == torch.float32
    assert not answers.requires_grad
    scaled = (IMAGES.double() / 255 - MEAN.double().view(3, 1, 1)) / STD.double().view(3, 1, 1)
    expected = network.network.double().eval()(scaled)
    torch.testing.assert_close(answers.double(), expected, rtol=1e-3, atol=1e-4)


def test_equal_images_get_equal_bits_whatever_their_memory_order(network):
    flipped = views.apply(IMAGES, views.parse("flip"))
    expected = inference.logits(network, flipped.clone(memory_format=torch.contiguous_format))
    assert torch.equal(inference.logits(network, flipped), expected)
    assert torch.equal(
        inference.logits(network, flipped.contiguous(memory_format=torch.channels_last)), expected
    )


def test_accuracy_is_the_share_of_right_answers():
    """The answer is the brightest of ten pixels, the label is right in 3 of 8 images."""
    answers = torch.tensor([0, 9, 4, 4, 1, 2, 7, 5])
    labels = torch.tensor([0, 9, 4, 5, 2, 1, 8, 6])
    images = torch.zeros(8, 1, 1, 10, dtype=torch.uint8)
    images[torch.arange(8), 0, 0, answers] = 255
    network = Normalised(nn.Flatten(), "images", {"mean": [0.5], "std": [0.5]})
    assert inference.accuracy(network, images, labels) == 3 / 8


def test_a_network_takes_inputs_of_any_number_of_dimensions():
    inputs = torch.arange(12.0).view(4, 3)
    network = nn.Linear(3, 2)
    assert torch.equal(
        inference.logits(network, inputs, torch.tensor([2, 0])), network(inputs[[2, 0]])
    )

import copy
import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ptq_privacy.answers import inference
from ptq_privacy.data.kinds.images import normalise
from ptq_privacy.data.kinds.images.augment import augmented, crop_and_flip
from ptq_privacy.data.preparation import prepare
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.study.seeds import seed_of
from ptq_privacy.training import sgd
from ptq_privacy.training.epochs import Recipe
from tests.unit.networks.by_name import build

PLAIN, FLIPPED = {"flip": False, "crop_padding": 0}, {"flip": True, "crop_padding": 1}
RECIPE = Recipe(
    optimizer="sgd",
    epochs=2,
    batch_size=64,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    augmentation={"flip": False, "crop_padding": 1},
    autocast=False,
)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data():
    return prepare({"name": "digits", "source": "digits"})


def normalised(network, data):
    return Normalised(network, data.kind, data.statistics)


def trained(data, recipe=RECIPE, seed=0, model=3, between=lambda: None, samples=192):
    """A network as `train_models` has it trained, on the first samples."""
    torch.manual_seed(seed_of("initial weights", seed, model))
    network = build("resnet6", 10, 1)
    between()
    return go_on(network, data, recipe, seed, model, samples)


def go_on(network, data, recipe, seed=0, model=3, samples=192, **progress):
    return sgd.train(
        network,
        augmented(torch.tensor(data.train_inputs[:samples]), **recipe.augmentation),
        torch.tensor(data.train_labels[:samples]),
        recipe,
        normalised(network, data).normalise,
        seed,
        model,
        **progress,
    )


def same(first, second):
    """Whether two networks' states agree byte for byte."""
    first, second = first.state_dict(), second.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_two_epochs_on_digits_beat_chance_by_far(data):
    images, labels = torch.tensor(data.test_inputs), torch.tensor(data.test_labels)

    def accuracy_after(rate):
        recipe = replace(RECIPE, batch_size=16, augmentation=PLAIN, learning_rate=rate)
        network = trained(data, recipe, samples=None)
        assert not network.training
        return inference.accuracy(normalised(network, data), images, labels)

    assert accuracy_after(0.1) > 0.9
    assert accuracy_after(1e-12) < 0.3


@pytest.mark.parametrize("autocast", [False, True])
def test_equal_seeds_give_equal_weights(data, autocast):
    recipe = replace(RECIPE, autocast=autocast, augmentation=FLIPPED)
    first = trained(data, recipe)
    assert same(first, trained(data, recipe))
    assert all(value.isfinite().all() for value in first.state_dict().values())
    assert {parameter.dtype for parameter in first.parameters()} == {torch.float32}


def test_every_model_and_seed_goes_its_own_way(data):
    ways = [trained(data, seed=s, model=m).fc.weight for s, m in [(0, 3), (0, 4), (1, 3), (3, 0)]]
    assert all(
        not torch.equal(one, other) for place, one in enumerate(ways) for other in ways[:place]
    )


def test_initial_weights_are_the_models_own():
    def fresh(model):
        torch.manual_seed(seed_of("initial weights", 0, model))
        return build("resnet6", 10, 1)

    assert same(fresh(5), fresh(5))
    assert not same(fresh(5), fresh(6))


@pytest.mark.parametrize(("optimizer", "momentum"), [("sgd", 0), ("sgd", 0.9), ("adamw", 0.9)])
def test_going_on_after_any_epoch_ends_with_the_same_weights(data, optimizer, momentum):
    """With dropout, so that the network's own draws are resumed too."""
    recipe = replace(RECIPE, epochs=4, augmentation=FLIPPED, autocast=True, momentum=momentum)
    recipe = replace(recipe, optimizer=optimizer, learning_rate=0.1 if optimizer == "sgd" else 0.01)

    def network():
        torch.manual_seed(seed_of("initial weights", 0, 3))
        return nn.Sequential(build("resnet6", 10, 1), nn.Dropout(0.3), nn.Linear(10, 10))

    def go(**progress):
        return go_on(network(), data, recipe, **progress)

    reached = []
    whole = go(after_epoch=lambda progress: reached.append(copy.deepcopy(progress)))
    assert [progress.epochs for progress in reached] == [1, 2, 3]
    assert bool(reached[0].optimizer) == bool(momentum)
    for progress in reached:
        assert same(go(done=progress), whole)
        foreign = replace(progress, optimizer={k: v + 1 for k, v in progress.optimizer.items()})
        assert same(go(done=foreign), whole) == (not momentum)


def test_a_network_that_reads_its_state_by_a_version_goes_on_too(data):
    """MNASNet does; a snapshot holds plain tensors, which have lost it."""

    def go(**progress):
        torch.manual_seed(0)
        network = torchvision.models.mnasnet0_5(num_classes=10)
        network.layers[0] = nn.Conv2d(1, 16, 3, padding=1, stride=2, bias=False)
        return go_on(network, data, replace(RECIPE, batch_size=16), samples=32, **progress)

    reached = []
    whole = go(after_epoch=lambda progress: reached.append(copy.deepcopy(progress)))
    (progress,) = reached
    assert same(go(done=replace(progress, network=dict(progress.network))), whole)


def test_random_numbers_drawn_by_others_change_nothing(data):
    def disturb():
        torch.rand(7)
        torch.manual_seed(99)
        np.random.seed(99)  # noqa: NPY002

    assert same(trained(data), trained(data, between=disturb))


@given(
    batch=st.integers(1, 6),
    channels=st.integers(1, 3),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    padding=st.integers(0, 3),
    flip=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_crops_and_flips_are_those_of_a_loop_over_images(
    batch, channels, size, padding, flip, seed
):
    height, width = size
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (9, channels, *size), generator=generator, dtype=torch.uint8)
    chosen = torch.randint(9, (batch,), generator=generator)
    padded = F.pad(images, [padding] * 4)

    generator.manual_seed(seed)
    found = crop_and_flip(padded, chosen, size, flip, generator)

    generator.manual_seed(seed)
    top = torch.randint(2 * padding + 1, (batch, 1), generator=generator)[:, 0].tolist()
    left = torch.randint(2 * padding + 1, (batch, 1), generator=generator)[:, 0].tolist()
    turned = (torch.rand(batch, 1, generator=generator)[:, 0] < 0.5).tolist()
    assert found.shape == (batch, channels, height, width)
    for place, sample in enumerate(chosen.tolist()):
        expected = padded[sample][:, top[place] : top[place] + height]
        expected = expected[:, :, left[place] : left[place] + width]
        if flip and turned[place]:
            expected = expected.flip(-1)
        assert torch.equal(found[place], expected)


def test_every_crop_occurs_and_half_of_the_images_are_flipped():
    image = torch.tensor([[[[1, 2, 3], [4, 5, 6]]]], dtype=torch.uint8)
    count = 6000
    seen = crop_and_flip(
        F.pad(image, [1] * 4),
        torch.zeros(count, dtype=torch.int64),
        (2, 3),
        True,
        torch.Generator().manual_seed(0),
    )
    looks, counts = seen.flatten(1).unique(dim=0, return_counts=True)
    assert len(looks) == 2 * 9  # no two crops of this image look alike, flipped or not
    expected = count / 18
    assert abs(counts - expected).max() < 5 * math.sqrt(expected)


def test_pixels_are_normalised_by_the_formula():
    images = torch.arange(256, dtype=torch.uint8).view(2, 2, 8, 8)
    mean, std = torch.tensor([0.13, 0.5]), torch.tensor([0.31, 0.02])
    found = normalise.apply(images, {"mean": mean, "std": std})
    expected = images.double() / 255 - mean.double().view(2, 1, 1)
    expected /= std.double().view(2, 1, 1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_training_is_momentum_along_a_cosine():
    """Against the update rule written out, in float64, with an image-by-image augmentation."""
    recipe = Recipe(
        optimizer="sgd",
        epochs=3,
        batch_size=4,
        learning_rate=0.3,
        momentum=0.8,
        weight_decay=0.01,
        augmentation={"flip": True, "crop_padding": 1},
        autocast=False,
    )
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (11, 1, 3, 3), generator=generator, dtype=torch.uint8)
    labels = torch.randint(2, (11,), generator=generator)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 2, bias=False))
    weight = network[1].weight.detach().double()
    statistics = {"mean": torch.tensor([0.4]), "std": torch.tensor([0.2])}
    sgd.train(
        network,
        augmented(images, **recipe.augmentation),
        labels,
        recipe,
        lambda batch: normalise.apply(batch, statistics),
        seed=5,
        model=2,
    )

    velocity = torch.zeros_like(weight)
    padded = F.pad(images, [1] * 4)
    for step in range(6):
        if step % 2 == 0:  # 11 images make 2 batches of 4 an epoch
            generator = torch.Generator().manual_seed(seed_of("epoch order", 5, 2, step // 2))
            order = torch.randperm(11, generator=generator)
        chosen = order[4 * (step % 2) : 4 * (step % 2) + 4]
        batch = crop_and_flip(padded, chosen, (3, 3), True, generator)
        inputs = ((batch.double() / 255 - 0.4) / 0.2).flatten(1)
        error = (inputs @ weight.T).softmax(1) - F.one_hot(labels[chosen], 2)
        gradient = error.T @ inputs / 4 + 0.01 * weight
        velocity = 0.8 * velocity + gradient
        weight = weight - 0.3 * (1 + math.cos(math.pi * step / 6)) / 2 * velocity
    torch.testing.assert_close(network[1].weight.double(), weight, rtol=1e-4, atol=1e-5)


def test_an_epoch_sees_a_sample_once_and_the_next_takes_another_order():
    """Image i is filled with the value i; 10 images in batches of 4 leave 2 out."""
    images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 1, 2, 2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    seen = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 0, 0, 0] * 255))
    recipe = replace(RECIPE, epochs=40, batch_size=4, augmentation=PLAIN)
    labels = torch.zeros(10, dtype=torch.int64)
    sgd.train(network, augmented(images, False, 0), labels, recipe, lambda x: x / 255, 0, 0)
    epochs = torch.stack(seen).round().int().view(40, 8).tolist()
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 40
    assert {sample for epoch in epochs for sample in epoch} == set(range(10))


def test_a_loss_that_is_not_finite_stops_training_and_is_named(data):
    with pytest.raises(
        FloatingPointError, match=r"model 7, epoch 1 of 2: the training loss is nan; lower"
    ):
        trained(data, replace(RECIPE, learning_rate=1e30), model=7)


def test_fewer_members_than_a_batch_are_refused(data):
    with pytest.raises(
        ValueError, match=r"training.batch_size: 64 is more than a model's 63 members"
    ):
        trained(data, samples=63)


def test_the_log_tells_how_far_training_is(data, caplog):
    with caplog.at_level(logging.INFO):
        trained(data)
    progress = [record.getMessage() for record in caplog.records]
    assert [line.split(" loss ")[0] for line in progress] == [
        "model 3 epoch 1/2",
        "model 3 epoch 2/2",
    ]
    assert progress[1].endswith(", 0 s left")


def test_every_epoch_draws_what_the_network_draws_from_a_stream_of_its_own():
    """Of which no number is one of the initial weights' or of the samples' order."""
    dropped = []

    class Dropping(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 2))

        def forward(self, images):
            dropped.append(torch.rand(7))
            return images.flatten(1) @ self.weight

    images, labels = torch.zeros(8, 1, 2, 2), torch.zeros(8, dtype=torch.int64)
    recipe = replace(RECIPE, epochs=3, batch_size=8, augmentation=PLAIN)
    draw = augmented(images, False, 0)
    torch.manual_seed(seed_of("initial weights", 5, 2))
    sgd.train(Dropping(), draw, labels, recipe, lambda x: x, seed=5, model=2)
    for epoch, values in enumerate(dropped):
        stream = torch.Generator().manual_seed(seed_of("epoch network", 5, 2, epoch))
        assert torch.equal(values, torch.rand(7, generator=stream))
    seeds = {seed_of(f"epoch {what}", 5, 2, e) for what in ("network", "order") for e in range(3)}
    assert len(seeds | {seed_of("initial weights", 5, 2)}) == 7

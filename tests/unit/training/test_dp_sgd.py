"""DP-SGD: its steps written out, its promise, and an audit that a broken one does not pass."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from opacus.utils.uniform_sampler import UniformWithReplacementSampler
from torch import nn

from ptq_privacy.data import membership
from ptq_privacy.measures import epsilon
from ptq_privacy.study.seeds import seed_of
from ptq_privacy.training import dp_sgd
from ptq_privacy.training.epochs import Recipe
from tests.unit.networks.by_name import build

RECIPE = Recipe(
    optimizer="sgd",
    epochs=3,
    batch_size=16,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=0.0,
    augmentation={},
    autocast=True,
    dp={"epsilon": 8.0, "delta": 1e-3, "clip": 1.0},
)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(network, inputs, labels, recipe=RECIPE, seed=0, model=2, **progress):
    return dp_sgd.train(
        network, lambda chosen, _: inputs[chosen], labels, recipe, lambda x: x, seed, model,
        **progress,
    )  # fmt: skip


def samples(count=70, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 1, 8, 8, generator=generator)
    return images, torch.randint(10, (count,), generator=generator)


def convolutional():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(inplace=True), nn.Flatten(),
        nn.Dropout(0.2), nn.Linear(8 * 36, 10),
    )  # fmt: skip


def same(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.slow
def test_going_on_after_any_epoch_ends_with_the_same_weights():
    reached = []
    keep = lambda progress: reached.append(copy.deepcopy(progress))  # noqa: E731
    whole = trained(convolutional(), *samples(), after_epoch=keep)
    assert [progress.epochs for progress in reached] == [1, 2]
    for progress in reached:
        assert same(trained(convolutional(), *samples(), done=progress), whole)
    assert not same(trained(convolutional(), *samples(), model=3), whole)
    assert not same(trained(convolutional(), *samples(), seed=1), whole)


@pytest.mark.parametrize("held", [dp_sgd.HELD, 1])
def test_a_step_is_the_papers(monkeypatch, held):
    """Abadi et al. (2016), algorithm 1, sample by sample in float64; the noise is Opacus' own."""
    monkeypatch.setattr(dp_sgd, "HELD", held)
    recipe = replace(RECIPE, momentum=0.0, learning_rate=0.5, dp={**RECIPE.dp, "clip": 0.3})
    images, labels = samples(40)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False))
    weight = network[1].weight.detach().double()
    trained(network, images, labels, recipe, seed=5, model=2)

    deviation = 0.3 * dp_sgd.noise_multiplier(recipe, 40)
    clipped = sizes = 0
    for epoch in range(3):
        order = torch.Generator().manual_seed(seed_of("epoch order", 5, 2, epoch))
        noise = torch.Generator().manual_seed(seed_of("privacy noise", 5, 2, epoch))
        sampler = UniformWithReplacementSampler(
            num_samples=40, sample_rate=16 / 40, generator=order, steps=2
        )
        for step, chosen in enumerate(sampler):
            total = torch.zeros(10, 64, dtype=torch.float64)
            for one in chosen:
                row = images[one].flatten().double()
                error = (weight @ row).softmax(0) - F.one_hot(labels[one], 10)
                gradient = torch.outer(error, row)
                factor = min(1, 0.3 / float(gradient.norm()))
                clipped, sizes = clipped + (factor < 1), sizes + 1
                total += factor * gradient
            total += torch.normal(0.0, deviation, (10, 64), generator=noise).double()
            rate = 0.5 * (1 + math.cos(math.pi * (2 * epoch + step) / 6)) / 2
            weight = weight - rate * total / 16  # of the expected size, not of the batch's own
    assert clipped > 20
    assert 60 < sizes < 130
    torch.testing.assert_close(network[1].weight.double(), weight, rtol=1e-4, atol=1e-5)


def test_a_batch_without_samples_teaches_noise():
    recipe = replace(RECIPE, batch_size=2, epochs=1, dp={**RECIPE.dp, "delta": 1e-2})
    network = trained(convolutional(), *samples(40), recipe=recipe)  # one in seven is empty
    assert all(value.isfinite().all() for value in network.state_dict().values())


@pytest.mark.parametrize("truth", [0.5, 8.0])
def test_the_noise_keeps_the_promise_and_is_the_least(truth):
    recipe = replace(RECIPE, epochs=10, dp={"epsilon": truth, "delta": 1e-5, "clip": 1.0})
    found = dp_sgd.promise(recipe, 400)
    assert 0.998 * truth < found.epsilon <= truth
    assert found.delta == 1e-5
    assert found.replacing > 2 * truth
    assert found == dp_sgd.promise(replace(recipe, dp={**recipe.dp, "clip": 9.0}), 400)


def test_to_replace_is_to_remove_and_to_add():
    """Of a Gaussian mechanism the truth is known: twice the sensitivity (Balle and Wang 2018)."""

    def spent(delta, sensitivity=1.0, sigma=4.0):
        at = sensitivity / sigma

        def exact(bound):
            normal = torch.distributions.Normal(0.0, 1.0)
            inner, outer = (torch.tensor(x - bound / at).double() for x in (at / 2, -at / 2))
            return float(normal.cdf(inner) - math.exp(bound) * normal.cdf(outer))

        low, high = 0.0, 50.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if exact(middle) <= delta else (middle, high)
        return high

    found = dp_sgd.replacing(spent, 1e-4)
    assert spent(1e-4, sensitivity=2.0) < found
    assert 2 * spent(1e-4) < found < 2.6 * spent(1e-4)
    assert dp_sgd.replacing(lambda delta: 1e4, 1e-4) == math.inf


def test_an_epsilon_that_no_noise_reaches_is_refused_by_its_key():
    recipe = replace(RECIPE, dp={"epsilon": 1e-4, "delta": 1e-5, "clip": 1.0})
    with pytest.raises(
        ValueError, match=r"\Atraining.dp.epsilon: 0.0001 cannot be reached at delta 1e-05 in 12 s"
    ):
        dp_sgd.noise_multiplier(recipe, 70)


class Remembering(nn.Module):
    """It keeps a running mean of what it sees, to which no noise is added."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 10)
        self.register_buffer("mean", torch.zeros(64))

    def forward(self, images):
        flat = images.flatten(1)
        self.mean = 0.9 * self.mean + 0.1 * flat.mean(0)
        return self.linear(flat - self.mean.detach())


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: build("resnet6", 10, 1), "training.dp: BatchNorm cannot support training with di"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10)),
            "training.dp: BatchNorm cannot support",
        ),
        (Remembering, "training.dp: its gradients cannot be taken sample by sample: "),
    ],
)
def test_a_network_that_cannot_be_trained_so_is_refused_in_one_line(network, message):
    images, labels = samples(4)
    with pytest.raises(ValueError, match=rf"\A{message}[^\n]*\Z"):
        dp_sgd.check(network(), images, labels)
    dp_sgd.check(convolutional(), images, labels)
    dp_sgd.check(build("resnet8-gn", 10, 1), images, labels)


CANARIES = 2000


def audited(truth, clip=0.01):
    """A lower bound on epsilon from samples of a feature each, and what it may be at most.

    Each gradient lies in a direction of its own, so that a sample's score, the weights there, is
    all that any attacker can know of it.
    """
    member = membership.draw(CANARIES, 4, 0)
    labels = torch.arange(CANARIES) % 2
    recipe = replace(
        RECIPE,
        epochs=2,
        batch_size=CANARIES // 2,
        learning_rate=1.0,
        momentum=0.0,
        dp={"epsilon": truth, "delta": 1e-5, "clip": clip},
    )
    scores = []
    for model, inside in enumerate(member):
        own = torch.from_numpy(np.flatnonzero(inside))
        network = nn.Linear(CANARIES, 2, bias=False)
        nn.init.zeros_(network.weight)
        inputs = F.one_hot(own, CANARIES).float()
        trained(network, inputs, labels[own], recipe, model=model)
        weight = network.weight.detach().numpy()
        scores.append(np.where(labels.numpy() == 1, weight[1] - weight[0], weight[0] - weight[1]))
    found = epsilon.audit(range(4), member, {"a": np.stack(scores)}, 0, delta=1e-5)
    return float(found["epsilon_lower"].iloc[0]), dp_sgd.promise(recipe, CANARIES // 2)


def test_the_bound_from_below_stays_below_the_promise():
    for truth, found_at_least in ((1.0, 0.0), (8.0, 1.0)):
        lower, promise = audited(truth)
        assert found_at_least <= lower < promise.replacing
        assert lower < 2 * promise.epsilon


def test_noise_that_is_missing_is_found(monkeypatch):
    monkeypatch.setattr(dp_sgd, "_least_noise", lambda *_: 0.0)
    monkeypatch.setattr(dp_sgd, "promise", lambda *_: PROMISED)
    lower, promise = audited(1.0)
    assert lower > promise.replacing


def test_gradients_that_are_not_clipped_are_found(monkeypatch):
    class Unclipped(dp_sgd.DPOptimizer):
        def clip_and_accumulate(self):
            clip, self.max_grad_norm = self.max_grad_norm, math.inf
            super().clip_and_accumulate()
            self.max_grad_norm = clip

    monkeypatch.setattr(dp_sgd, "DPOptimizer", Unclipped)
    lower, promise = audited(1.0)
    assert lower > promise.replacing


PROMISED = dp_sgd.promise(
    replace(
        RECIPE, epochs=2, batch_size=CANARIES // 2, dp={"epsilon": 1.0, "delta": 1e-5, "clip": 1.0}
    ),
    CANARIES // 2,
)
"""Of `audited(1.0)`, whatever noise was really added."""

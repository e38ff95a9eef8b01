"""QDrop: what a block is fed while it is learned, and what becomes of its scales."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptq_privacy.compression import activations, compress, reconstruction
from ptq_privacy.compression.dropping import Dropping, LearnedInputs
from ptq_privacy.compression.grid import Grid
from ptq_privacy.compression.quantized_inputs import grid_of
from ptq_privacy.graph import inputs
from ptq_privacy.graph.blocks import Block, find_blocks
from ptq_privacy.graph.trace import evaluation_copy
from ptq_privacy.graph.walk import Walk
from ptq_privacy.study.variants import Variant
from tests.unit.compression.fast import fast
from tests.unit.compression.test_every_compression import made

DROP = 0.3


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + x)


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.head = nn.Conv2d(3, 4, 3), Residual(), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(F.relu(self.stem(x))).mean((2, 3)))


@pytest.fixture
def walked() -> tuple[Walk, Block]:
    """A walk that has come to the end of the residual block, nothing of it let go."""
    torch.manual_seed(0)
    full = evaluation_copy(Whole())
    quantized = evaluation_copy(full)
    quantized.stem.weight += 0.1 * torch.randn(quantized.stem.weight.shape)
    activations.prepare(quantized, activations.input_levels(quantized, 2.0))
    walk = Walk(full, quantized, torch.randn(40, 3, 7, 7))
    (block,) = (block for block in find_blocks(walk) if block.name == "block")
    for node in walk.nodes:
        walk.run(node)
    return walk, block


def slow_quantized(x: Tensor, scale: Tensor, grid: Grid) -> Tensor:
    """Eq. 1 and 2 of the paper, rounding with a gradient of 1, value by value."""
    zero, flat = int(grid.zero_point), x.flatten()
    found = []
    for value in flat:
        code = value / scale[0]
        code = code + (code.round() - code).detach()
        if not 0 <= round(float(code)) + zero <= grid.levels - 1:
            code = torch.tensor(float(-zero if code < 0 else grid.levels - 1 - zero))
        found.append(scale[0] * code)
    return torch.stack(found).view_as(x)


def test_a_step_of_learning_is_the_published_one(walked):
    """Output and gradients of one minibatch, by the same draws of what drops out."""
    walk, block = walked
    (value,) = block.inputs
    layers = {walk.layers[node]: walk.quantized.modules[walk.layers[node]] for node in block.layers}
    grids = {name: grid_of(layer) for name, layer in layers.items()}
    full = {value: torch.cat(walk.full.values(value))}
    given = torch.cat(walk.quantized.values(value))
    images = torch.tensor([5, 3, 8])
    learned = LearnedInputs(grids, full, Dropping(DROP, 0.1), torch.Generator().manual_seed(1))
    weights = [layer.weight.clone().requires_grad_() for layer in layers.values()]
    parameters = [own.requires_grad_() for own in learned.parameters]
    masks = [learned._drawn(given[images]) for _ in range(2)]  # what will be drawn
    learned.generator.set_state(replayed(learned, 1))

    mixed = learned.mixed({value: given[images]}, images)
    y = reconstruction._run(walk, block, mixed, weights, learned.fed)
    found = torch.autograd.grad((y - 1).square().sum(), [*weights, *parameters])

    # u = 0 with probability p, else x_quantized / x - 1: element by element one of the two.
    scales = [own.detach().clone().requires_grad_() for own in parameters]
    (first, second), (one, other) = layers.values(), grids.values()
    kept = [weight.detach().clone().requires_grad_() for weight in weights]
    x, x_full = given[images], full[value][images]
    into = torch.where(masks[0], slow_quantized(x, scales[0].exp(), one), x_full)
    hidden = F.relu(F.conv2d(into, kept[0], first.bias, padding=1))
    between = torch.where(masks[1], slow_quantized(hidden, scales[1].exp(), other), hidden)
    slow = F.conv2d(between, kept[1], second.bias, padding=1) + torch.where(masks[0], x, x_full)
    slow = F.relu(slow)
    expected = torch.autograd.grad((slow - 1).square().sum(), [*kept, *scales])
    assert torch.allclose(y, slow, atol=1e-6)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))
        assert theirs.abs().max() > 0


def replayed(learned: LearnedInputs, seed: int) -> Tensor:
    """The state that a generator of what drops out begins with."""
    first = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(seed)))
    return torch.Generator().manual_seed(first).get_state()


def test_so_many_elements_drop_out_and_others_at_every_step(walked):
    walk, block = walked
    (value,) = block.inputs
    grids = {"block.first": grid_of(walk.quantized.modules["block.first"])}
    full = {value: torch.cat(walk.full.values(value))}
    given = {value: torch.cat(walk.quantized.values(value))}
    every = torch.arange(len(full[value]))
    learned = LearnedInputs(grids, full, Dropping(DROP, 0.1), torch.Generator().manual_seed(1))
    seen = []
    for _ in range(2):
        mixed = learned.mixed(given, every)
        fed = learned.fed("block.first", value, mixed[value])
        exact = mixed[value] == full[value]
        assert torch.equal(fed[~exact], learned.fed("block.first", value, given[value])[~exact])
        differ = given[value] != full[value]
        seen.append(exact[differ])
        assert float(exact[differ].float().mean()) == pytest.approx(DROP, abs=0.03)
    assert not torch.equal(*seen)
    assert (
        LearnedInputs(grids, full, Dropping(0, 0.1), torch.Generator())
        .mixed(given, every)[value]
        .equal(given[value])
    )


def test_scales_are_learned_and_kept_where_a_blocks_error_fell():
    network, calibration = made("convolutions")
    grids = {}
    for rate in (0.0, 0.05):
        settings = {**fast("brecq", iterations=40), "scale_learning_rate": rate}
        _, stored = compress(network, calibration, Variant("brecq", 4.0, None, 3.0), 0, settings)
        grids[rate] = stored.inputs
    moved = [
        name for name, grid in grids[0.05].items() if not grid.scale.equal(grids[0.0][name].scale)
    ]
    assert moved
    for name in moved:
        assert float(grids[0.05][name].scale / grids[0.0][name].scale) == pytest.approx(1, abs=0.7)


@pytest.mark.parametrize("more", [{"bf16": True}, {"fisher": True}, {"solver": "reference"}])
def test_every_way_to_learn_blocks_takes_quantized_activations(more):
    network, calibration = made("convolutions")
    variant, settings = Variant("brecq", 4.0, None, 4.0), {**fast("brecq"), **more}
    result, stored = compress(network, calibration, variant, 0, settings)
    assert torch.isfinite(result(calibration)).all()
    assert all(form.settled for form in inputs.forms(result).values())
    assert len(stored.inputs) == 5

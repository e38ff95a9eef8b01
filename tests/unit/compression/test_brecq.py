"""Blocks found from module structure, their reconstruction, and the Fisher diagonal."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptq_privacy.compression.brecq import MARGIN, fisher_diagonals
from ptq_privacy.compression.grid import QuantizedWeight, nearest, search
from ptq_privacy.compression.reconstruction import reconstruct
from ptq_privacy.compression.rounding import Schedule
from ptq_privacy.graph.blocks import find_blocks
from ptq_privacy.graph.layers import set_weight
from ptq_privacy.graph.lockstep import Lockstep
from ptq_privacy.graph.trace import evaluation_copy
from ptq_privacy.graph.walk import Walk
from tests.unit.graph.every_block import Network

SHORT = Schedule(iterations=60, learning_rate=0.1, batch=16)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return evaluation_copy(Network())


@pytest.fixture
def images() -> Tensor:
    return torch.randn(150, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def rounded(walk: Walk, levels: int = 3):
    def start(node) -> QuantizedWeight:
        weight = walk.full.modules[walk.layers[node]].weight.flatten(1)
        grid = search(weight, levels)
        return QuantizedWeight(nearest(weight, grid), grid)

    return start


def block_error(full: nn.Module, quantized: nn.Module, images: Tensor, name: str) -> float:
    """Squared error of one block's output after its activation, both networks run as they are."""
    walk = Walk(full, quantized, images)
    (output,) = (block.output for block in find_blocks(walk) if block.name == name)
    for node in walk.nodes:
        walk.run(node)
        if node is output:
            pairs = zip(walk.full.values(node), walk.quantized.values(node), strict=True)
            return sum(float((a - b).square().sum()) for a, b in pairs)
    raise AssertionError(name)


def reconstructed(network: nn.Module, images: Tensor, schedule: Schedule, **options):
    if "importance" in options:
        options["importance"] = [options["importance"]]
    walk = Lockstep([network], [evaluation_copy(network)], [images], [0])
    one = walk.walks[0]
    (layers,) = reconstruct(walk, find_blocks(one), rounded(one), MARGIN, schedule, **options)
    return one.quantized.network, layers


def test_reconstruction_lowers_the_errors_of_blocks_by_rounding_up_or_down(network, images):
    baseline = evaluation_copy(network)
    walk = Walk(network, None, images)
    for node, name in walk.layers.items():
        set_weight(baseline, name, rounded(walk)(node).values)
    learned, layers = reconstructed(network, images, SHORT)

    assert list(layers) == list(walk.layers.values())
    for name in ("body.0", "body.1", "head"):
        assert block_error(network, learned, images, name) < block_error(
            network, baseline, images, name
        )
    for name, layer in layers.items():
        weight = network.get_submodule(name).weight.flatten(1)
        distance = layer.codes - (
            weight / layer.grid.scale[:, None] + layer.grid.zero_point[:, None]
        )
        inside = (layer.codes > 0) & (layer.codes < layer.grid.levels - 1)
        assert (distance.abs()[inside] < 1).all()  # floor or ceil, nothing else


def test_a_block_whose_error_did_not_fall_keeps_its_codes(network, images):
    walk = Walk(network, evaluation_copy(network), images)
    start = rounded(walk)
    wild = Schedule(iterations=1, learning_rate=100.0, batch=1, penalty=0.0)
    before = [start(node).codes for node in walk.layers]
    learned, _ = reconstructed(network, images, wild)
    baseline = evaluation_copy(network)
    for (node, name), codes in zip(walk.layers.items(), before, strict=True):
        set_weight(baseline, name, QuantizedWeight(codes, start(node).grid).values)
    errors = [block_error(network, n, images, "stem.0") for n in (learned, baseline)]
    assert errors[0] <= errors[1]


def test_the_quantized_stream_ends_at_the_returned_networks_output(network, images):
    together = Lockstep([network], [evaluation_copy(network)], [images], [0])
    (walk,) = together.walks
    walk.free = lambda node: None
    reconstruct(together, find_blocks(walk), rounded(walk), MARGIN, SHORT)
    outputs = torch.cat(walk.quantized.values(walk.nodes[-1]))
    torch.testing.assert_close(outputs, walk.quantized.network(images))


class Sized(nn.Module):
    """A block that is told how many images there are, which a minibatch must not believe."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(36, 3)

    def forward(self, x: Tensor, count: int) -> Tensor:
        return self.layer(x.reshape(count, -1))


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Sized()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x.size(0))


def test_sizes_from_outside_a_block_are_those_of_the_minibatch(images):
    network = evaluation_copy(Outer())
    (block,) = find_blocks(Walk(network, None, images))
    assert [value.op for value in block.inputs] == ["placeholder"]
    learned, codes = reconstructed(network, images, SHORT)
    assert torch.equal(learned.inner.layer.weight, codes["inner.layer"].values)


def test_a_block_whose_rows_are_not_its_inputs_is_named(images):
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(18, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.reshape(-1, 18))

    class Outside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = Rows()

        def forward(self, x: Tensor) -> Tensor:
            return self.rows(x).reshape(x.shape[0], -1)

    with pytest.raises(ValueError, match=r"block 'rows': it makes \d+ rows of \d+ of 'x'"):
        reconstructed(evaluation_copy(Outside()), images, SHORT)


def test_fisher_diagonal_of_the_logits_is_that_of_some_drawn_label(network, images):
    walk = Walk(network, None, images, seed=0)
    diagonals = fisher_diagonals(walk, find_blocks(walk))
    probabilities = network(images).softmax(1)
    candidates = (torch.eye(5)[None] - probabilities[:, None]).square()  # [n, label, class]
    scale = candidates.gather(
        1, _closest(diagonals["head"], candidates)[:, None, None].expand(-1, 1, 5)
    )
    torch.testing.assert_close(diagonals["head"], scale[:, 0] / scale.mean())
    labels = _closest(diagonals["head"], candidates)
    assert len(labels.unique()) > 1

    # The same draw's gradient at a block's output, computed by splitting the network there.
    x = network.body[1](network.body[0](network.stem(images))).requires_grad_()
    left, right = network.fork(x)
    logits = network.head((left.tanh() * right).mean((2, 3)))
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), x)
    square = gradient.square()
    torch.testing.assert_close(diagonals["body.1"], square / square.mean(), atol=1e-4, rtol=1e-3)


def _closest(diagonal: Tensor, candidates: Tensor) -> Tensor:
    """The label whose squared gradients are proportional to each image's diagonal: [n]."""
    return F.cosine_similarity(candidates, diagonal[:, None], dim=2).argmax(1)


def test_fisher_weighting_is_part_of_the_error_that_decides(network, images):
    walk = Walk(network, evaluation_copy(network), images, seed=0)
    blocks = find_blocks(walk)
    diagonals = fisher_diagonals(walk, blocks)
    ones = {name: torch.ones_like(diagonal) for name, diagonal in diagonals.items()}
    nothing = {name: torch.zeros_like(diagonal) for name, diagonal in diagonals.items()}
    plain, _ = reconstructed(network, images, SHORT)
    same, _ = reconstructed(network, images, SHORT, importance=ones)
    _, layers = reconstructed(network, images, SHORT, importance=nothing)
    assert torch.equal(plain(images), same(images))
    start = rounded(walk)
    for node, name in walk.layers.items():  # no error falls below zero, so nothing may change
        assert torch.equal(layers[name].codes, start(node).codes)

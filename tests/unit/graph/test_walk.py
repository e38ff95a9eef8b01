"""The calibration walk: moments against slow unfolding, two streams, and networks it refuses."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptq_privacy.graph.layers import unravel
from ptq_privacy.graph.lockstep import Lockstep
from ptq_privacy.graph.trace import trace
from ptq_privacy.graph.walk import POSITIONS, Walk

LAYERS = {
    "plain": nn.Conv2d(4, 6, 3),
    "padded, strided": nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "dilated": nn.Conv2d(4, 6, 3, dilation=2, padding=(2, 1)),
    "same padding": nn.Conv2d(4, 6, (3, 5), padding="same"),
    "reflected": nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect", bias=False),
    "1x1": nn.Conv2d(4, 6, 1, stride=(1, 2)),
    "grouped": nn.Conv2d(4, 6, 3, groups=2),
    "depthwise": nn.Conv2d(4, 8, (1, 3), groups=4, padding=(0, 1)),
}


class Branches(nn.Module):
    """What real networks do besides convolving: sums, concatenations, sizes, in-place functions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.left = nn.Conv2d(4, 4, 3, padding=1)
        self.right = nn.Conv2d(4, 2, 1)
        self.head = nn.Linear(6 * 16, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(images)), inplace=True)
        left = self.left(x)
        left += x
        x = torch.cat([left, self.right(x)], 1)
        return self.head(F.max_pool2d(x, 2).view(x.size(0), -1))


def images(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def randomised(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(2)
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            tensor.data = torch.rand(tensor.shape, generator=generator) - 0.3
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.add_(0.5)
    return network.eval().requires_grad_(False)


def alone(full, quantized, calibration, seed=0, positions=POSITIONS) -> Lockstep:
    """One network walked by itself."""
    copies = None if quantized is None else [quantized]
    return Lockstep([full], copies, [calibration], [seed], positions)


def unfolded(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """All patches, [groups, positions, d], by torch's own unfolding of the padded image."""
    mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
    padded = F.pad(x, conv._reversed_padding_repeated_twice, mode=mode)
    columns = F.unfold(padded, conv.kernel_size, conv.dilation, stride=conv.stride)
    return columns.unflatten(1, (conv.groups, -1)).permute(1, 0, 3, 2).flatten(1, 2)


@pytest.mark.parametrize("name", LAYERS)
def test_moments_equal_those_of_all_unfolded_patches(name: str) -> None:
    conv = copy.deepcopy(LAYERS[name]).requires_grad_(False)
    full = nn.Sequential(nn.Conv2d(3, 4, 1), conv).requires_grad_(False)
    quantized = copy.deepcopy(full)
    quantized[0].weight.mul_(0.7)
    calibration = images(150, 3, 7, 8)  # more than one chunk
    *_, moments = alone(full, quantized, calibration, positions=10**6).each_layer()

    x = unfolded(conv, quantized[0](calibration))
    y = full(calibration) - (0 if conv.bias is None else conv.bias[:, None, None])
    y = y.movedim(1, -1).reshape(x.shape[1], conv.groups, -1).transpose(0, 1)
    assert moments.name == "1"
    torch.testing.assert_close(moments.weight.flatten(0, 1), conv.weight.flatten(1))
    torch.testing.assert_close(moments.second, x.mT @ x / x.shape[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(moments.cross, y.mT @ x / x.shape[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(moments.input_mean, x.mean(1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(moments.output_mean, y.mean(1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_samples_are_what_moments_average(name: str) -> None:
    conv = copy.deepcopy(LAYERS[name]).requires_grad_(False)
    full = nn.Sequential(nn.Conv2d(3, 4, 1), conv).requires_grad_(False)
    quantized = copy.deepcopy(full)
    quantized[0].weight.mul_(0.7)
    calibration = images(150, 3, 7, 8)

    def last(method: str):
        walk = alone(full, quantized, calibration, seed=5, positions=400)
        *_, found = (getattr(walk, method)(node) for node in walk.each_node())
        return found

    samples, moments = last("samples"), last("moments")
    x, y = samples.inputs, samples.outputs - samples.bias[:, None]
    bias = torch.zeros(len(conv.weight)) if conv.bias is None else conv.bias
    assert torch.equal(samples.bias.flatten(), bias)
    assert samples.name == moments.name
    assert torch.equal(samples.weight, moments.weight)
    torch.testing.assert_close(x.mT @ x / x.shape[1], moments.second, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(y.mT @ x / x.shape[1], moments.cross, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(200,), (40, 5), (10, 4, 5)])
def test_moments_of_a_linear_layer_on_rows_and_sequences(shape) -> None:
    network = nn.Sequential(nn.Linear(6, 3)).requires_grad_(False)
    x = images(*shape, 6)
    (moments,) = alone(network, None, x).each_layer()
    rows = x.reshape(-1, 6)
    torch.testing.assert_close(moments.second[0], rows.T @ rows / 200)
    torch.testing.assert_close(moments.cross[0], network[0].weight @ moments.second[0])


def test_sampled_positions_are_the_same_in_both_streams_and_follow_the_seed() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3)).requires_grad_(False)
    calibration = images(200, 3, 6, 6)

    def moments(seed: int) -> Tensor:
        walk = alone(network, copy.deepcopy(network), calibration, seed, positions=300)
        (layer,) = walk.each_layer()
        torch.testing.assert_close(layer.cross[0], layer.weight[0] @ layer.second[0])
        return layer.second

    assert torch.equal(moments(0), moments(0))
    assert not torch.equal(moments(0), moments(1))
    (one,) = alone(network, None, calibration, positions=1).each_layer()  # none in some chunk
    assert torch.linalg.matrix_rank(one.second[0]) == 1
    (everything,) = alone(network, None, calibration, positions=10**6).each_layer()
    assert (moments(0) - everything.second).abs().max() < 0.3


def test_both_streams_end_at_their_networks_outputs_and_nothing_is_left_behind() -> None:
    full = randomised(Branches())
    quantized = copy.deepcopy(full)
    quantized.left.weight.mul_(0.5)
    calibration = images(140, 3, 8, 8)
    walk = Walk(full, quantized, calibration)
    for node in walk.nodes:
        walk.run(node)
        if node.op == "output":
            for stream, network in ((walk.full, full), (walk.quantized, quantized)):
                outputs = torch.cat(stream.values(node))
                torch.testing.assert_close(outputs, network(calibration))
        walk.free(node)
    assert not any(walk.full.chunks + walk.quantized.chunks)
    assert list(walk.layers.values()) == ["stem", "left", "right", "head"]


def test_a_layer_sees_what_the_quantized_ones_before_it_output() -> None:
    full = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)).requires_grad_(False)
    quantized = copy.deepcopy(full)
    for moments in alone(full, quantized, images(5, 3, 4, 4)).each_layer():
        if moments.name == "0":
            quantized[0].weight.zero_()
    x = full[0].bias.relu()
    torch.testing.assert_close(moments.second[0], torch.outer(x, x))


class Wrapped(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(3, 3, 2),
        nn.Conv1d(3, 3, 2),
        nn.Conv3d(3, 3, 2),
        nn.EmbeddingBag(10, 3),
        nn.LSTM(3, 3),
        nn.Bilinear(3, 3, 3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_that_cannot_be_quantized_is_named(layer: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"layer 'layer': .* cannot be quantized; allowed: Conv2d"):
        trace(Wrapped(layer))


class Constant(Wrapped):
    """A tensor that it makes anew in each call, as torchvision's MaxViT does of its indices."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + torch.tensor([1.0, 2.0, 3.0])[:, None, None]


def test_a_tensor_that_a_network_makes_itself_is_the_graphs() -> None:
    network = Constant(nn.Conv2d(3, 3, 1)).eval().requires_grad_(False)
    before = {*vars(network)}
    x = images(4, 3, 5, 5)
    list(alone(network, copy.deepcopy(network), x).each_layer())
    walk = Walk(network, copy.deepcopy(network), x)
    for node in walk.nodes:
        walk.run(node)
    torch.testing.assert_close(walk.quantized.values(walk.nodes[-1])[0], network(x))
    assert {*vars(network)} == before


class Twice(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))


class Branching(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > 0 else x


class TwoInputs(Wrapped):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.layer(x) + y


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Twice, "layer 'layer': it is called more than once"),
        (Branching, "torch.fx cannot trace Branching"),
        (TwoInputs, "expected one input, the images, not 2"),
    ],
)
def test_a_network_that_cannot_be_followed_is_refused(kind: type, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trace(kind(nn.Conv2d(3, 3, 1)))


def test_values_that_are_not_finite_are_named() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)).requires_grad_(False)
    network[1].weight[0, 0] = torch.inf
    with pytest.raises(ValueError, match="layer '1': its weight has values that are not finite"):
        trace(network)
    network[1].weight[0, 0] = 0
    network[0].bias[0] = torch.nan
    with pytest.raises(ValueError, match="layer '0': its activations are not finite"):
        list(alone(network, None, images(2, 3, 4, 4)).each_layer())
    walk = alone(network, None, images(2, 3, 4, 4))
    with pytest.raises(ValueError, match="not finite"):
        [walk.samples(node) for node in walk.each_node()]


@pytest.mark.parametrize("shape", [(6,), (3, 5), (2, 3, 4)])
def test_places_are_those_of_flat_numbers(shape) -> None:
    numbers = torch.randperm(torch.Size(shape).numel())
    grid = torch.arange(len(numbers)).view(shape)
    assert torch.equal(grid[unravel(numbers, torch.Size(shape))], numbers)

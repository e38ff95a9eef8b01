"""The front door on a network trained on real digits, and on the shapes of the study's networks."""

import copy

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torchvision.models import DenseNet
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet, conv1x1

from ptq_privacy.compression import compress
from ptq_privacy.compression.grid import dequantize
from ptq_privacy.graph.blocks import activation_of
from ptq_privacy.graph.folding import fold, reestimate
from ptq_privacy.graph.lockstep import Lockstep
from ptq_privacy.graph.walk import POSITIONS
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant
from tests.unit.compression.fast import fast

METHODS = fragments.names("compressions")
LEARNING = [method for method in METHODS if method != "nearest"]


class SmallResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        downsample = nn.Sequential(conv1x1(8, 16, 2), nn.BatchNorm2d(16))
        self.stages = nn.Sequential(BasicBlock(8, 8), BasicBlock(8, 16, 2, downsample))
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.stages(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and test images [n, 1, 8, 8] and their labels, both halves in random order."""
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x = (torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8)[order] - 4.9) / 6
    y = torch.tensor(labels)[order]
    return x[:1000], y[:1000], x[1000:], y[1000:]


@pytest.fixture(scope="session")
def network(digits) -> nn.Module:
    torch.manual_seed(0)
    model = SmallResNet()
    images, labels, *_ = digits
    optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=160)
    for _ in range(160):
        batch = torch.randint(len(images), (64,))
        optimiser.zero_grad()
        F.cross_entropy(model(images[batch]), labels[batch]).backward()
        optimiser.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    return float((model(images).argmax(1) == labels).float().mean())


@torch.no_grad()
def divergence(full: nn.Module, model: nn.Module, images: Tensor) -> float:
    """Kullback-Leibler divergence of a model's predictions from the full-precision ones."""
    expected, got = (m(images).log_softmax(1) for m in (full, model))
    return float(F.kl_div(got, expected, log_target=True, reduction="batchmean"))


@pytest.fixture(scope="session")
def ternary(digits, network):
    """Every method's result at three levels: the compressed network and its codes."""

    def result(method: str):
        model, stored = compress(network, digits[0][:512], Variant(method, 1.58), seed=1)
        return model, stored.weights

    return {method: result(method) for method in METHODS}


@pytest.mark.slow
@pytest.mark.parametrize("method", LEARNING)
def test_methods_beat_nearest_rounding_at_three_levels(method, digits, network, ternary):
    _, _, images, labels = digits
    assert accuracy(network, images, labels) > 0.9
    nearest, learned = ternary["nearest"][0], ternary[method][0]
    assert accuracy(learned, images, labels) > accuracy(nearest, images, labels) + 0.1
    assert divergence(network, learned, images) < 0.5 * divergence(network, nearest, images)


def test_adaround_beats_nearest_rounding_on_each_layers_own_objective(digits, network, ternary):
    """The squared error of each layer's output, activated where it is, given those before it."""
    images = digits[0][:512]
    full = fold(network, images)
    walk = Lockstep([full], [copy.deepcopy(full)], [images], [0], positions=10**9)
    _, codes = ternary["adaround"]
    rounded = compress(full, images, Variant("nearest", 1.58), seed=0)[1].weights
    activated = 0
    for node in walk.each_node():
        samples = walk.samples(node)
        x, y, bias = samples.inputs[0], samples.outputs[0], samples.bias[0]
        found = activation_of(node, walk.modules)
        activated += found is not None
        f = found or (lambda z: z)
        ours, nearest = (
            float((f(x @ dequantize(layer.codes, layer.grid).T + bias) - f(y)).square().sum())
            for layer in (chosen[f"{samples.name}.weight"] for chosen in (codes, rounded))
        )
        assert ours <= nearest * (1 + 1e-6)
        walk.set_weight(samples.name, codes[f"{samples.name}.weight"].values)
    assert 0 < activated < len(codes)


@pytest.mark.parametrize("method", METHODS)
def test_weights_are_the_codes_bit_for_bit_on_few_levels(method, network, ternary):
    model, codes = ternary[method]
    assert not model.training
    names = [n for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert sorted(codes) == sorted(f"{name}.weight" for name in names)
    for name, layer in codes.items():
        weight = model.get_parameter(name)
        assert weight.dtype == torch.float32
        assert weight.is_contiguous()
        assert torch.equal(weight, dequantize(layer.codes, layer.grid).view_as(weight))
        assert layer.codes.max() <= layer.grid.levels - 1 == 2
        assert all(len(row.unique()) <= 3 for row in weight.flatten(1))


def test_which_methods_fold_and_which_keep_batch_normalisation(ternary, network):
    def norms(model: nn.Module) -> int:
        return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())

    kept = {method: norms(model) for method, (model, _) in ternary.items()}
    assert kept["nearest"] == kept["obc"] == norms(network) == 6
    assert kept["adaround"] == kept["brecq"] == kept["refit"] == 0
    same = torch.equal(ternary["nearest"][0].bn1.running_mean, network.bn1.running_mean)
    moved = torch.equal(
        ternary["obc"][0].stages[0].bn2.running_mean, network.stages[0].bn2.running_mean
    )
    assert same
    assert not moved


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bits_and_leaves_the_model_alone(method, digits, network):
    before = copy.deepcopy(network.state_dict())
    variant = Variant(method, 2.0)
    settings = {**fast(method), **({"fisher": True} if method == "brecq" else {})}
    images = digits[0][:400]  # more positions than moments are taken over
    assert images[:, 0].numel() > POSITIONS
    first, second, other = (
        compress(network, images, variant, seed, settings)[0] for seed in (3, 3, 4)
    )
    assert first.state_dict().keys() == second.state_dict().keys()
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])
    pairs = zip(first.state_dict().values(), other.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs) == (method == "nearest")
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize("method", ["adaround", "brecq"])
def test_the_published_procedures_run_and_beat_nearest_rounding(method, digits, network, ternary):
    settings = {"solver": "reference", "iterations": 60, "learning_rate": 0.03}
    images = digits[2]
    model, _ = compress(network, digits[0][:256], Variant(method, 1.58), 0, settings)
    assert divergence(network, model, images) < divergence(network, ternary["nearest"][0], images)


def test_at_eight_bits_both_streams_have_the_same_moments(digits, network):
    images = digits[0][:256]
    full = fold(network, images)
    for method in ("adaround", "nearest"):
        model, _ = compress(full, images, Variant(method, 8.0), seed=0)
        pairs = zip(
            Lockstep([full], None, [images], [0]).each_layer(),
            Lockstep([model], None, [images], [0]).each_layer(),
            strict=True,
        )
        for a, b in pairs:
            assert (a.second - b.second).norm() < 0.03 * a.second.norm()
            assert (a.cross - b.cross).norm() < 0.03 * a.cross.norm()


def test_head_bits_are_the_last_linear_layers_alone(digits, network):
    _, stored = compress(network, digits[0][:64], Variant.parse("obc-w1.58-head8"), seed=0)
    levels = {name: layer.grid.levels for name, layer in stored.weights.items()}
    assert levels.pop("fc.weight") == 256
    assert set(levels.values()) == {3}


def test_bad_input_is_named(digits, network):
    images = digits[0][:64]
    recipe = Variant("brecq", 4.0)
    with pytest.raises(ValueError, match="'full' is not a compression's recipe"):
        compress(network, images, Variant(), seed=0)
    with pytest.raises(ValueError, match="calibration: expected floating-point samples"):
        compress(network, images.to(torch.uint8), recipe, seed=0)
    with pytest.raises(ValueError, match="calibration: samples have values that are not finite"):
        compress(network, torch.full_like(images, torch.nan), recipe, seed=0)
    with pytest.raises(ValueError, match=r"4 images are fewer than one minibatch, brecq.batch: 8"):
        compress(network, images[:4], recipe, seed=0)
    broken = copy.deepcopy(network)
    broken.stages[1].conv1.weight.data[0] = torch.nan
    with pytest.raises(ValueError, match=r"layer 'stages.1.conv1': its weight has values"):
        compress(broken, images, recipe, seed=0)
    broken = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ConvTranspose2d(2, 2, 2))
    with pytest.raises(ValueError, match="layer '1': ConvTranspose2d cannot be quantized"):
        compress(broken, images, recipe, seed=0)
    with pytest.raises(
        ValueError, match=r"adaround.solver: 'exact' is not allowed; allowed: moments, reference"
    ):
        compress(network, images, Variant("adaround", 4.0), 0, {"solver": "exact"})
    with pytest.raises(ValueError, match=r"compressions: unknown name 'awq'; allowed: adaround"):
        compress(network, images, Variant("awq", 4.0), seed=0)


class Mixed(nn.Module):
    """Groups, a depthwise convolution, dilation, strides, dead inputs and Linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(4, 8, 3, padding=1, groups=2)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.pointwise = nn.Conv2d(12, 6, 1, stride=2)
        self.tokens = nn.Linear(6, 6)
        self.fc = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = torch.cat([images, torch.zeros_like(images), images, images[:, :1] * 0], 1)[:, :4]
        x = F.relu(self.grouped(x))
        x = torch.cat([x, F.relu(self.norm(self.depthwise(x)))[:, :4]], 1)
        x = self.pointwise(x).flatten(2).transpose(1, 2)  # [N, positions, 6]
        return self.fc(F.relu(self.tokens(x)).mean(1))


@pytest.mark.parametrize("method", METHODS)
def test_groups_dead_inputs_and_sequences(method):
    torch.manual_seed(0)
    images = torch.randn(32, 1, 8, 8)
    model = reestimate(Mixed(), images)
    result, stored = compress(model, images, Variant(method, 8.0), 0, fast(method, 20))
    assert torch.isfinite(result(images)).all()
    assert stored.weights["depthwise.weight"].codes.shape == (8, 9)
    expected = model(images)
    assert (result(images) - expected).norm() < 0.5 * (expected - expected.mean(0)).norm()


class Narrow(ResNet):
    """A torchvision ResNet with a sixteenth of the channels after the stem, and a shortcut more.

    Eight at least: with fewer, the gradient of a strided 1x1 convolution overruns memory in torch's
    own CPU kernels (oneDNN 3.12, channels-last images).
    """

    def __init__(self, block, layers: list[int]) -> None:
        super().__init__(block, layers, num_classes=10)
        self.fc = nn.Linear(32 * block.expansion, 10)

    def _make_layer(self, block, planes: int, *arguments, **options) -> nn.Sequential:
        return super()._make_layer(block, max(8, planes // 16), *arguments, **options)


STUDIED = {
    "resnet18": lambda: Narrow(BasicBlock, [2, 2, 2, 2]),
    "resnet50": lambda: Narrow(Bottleneck, [3, 4, 6, 3]),
    "densenet121": lambda: DenseNet(4, (6, 12, 24, 16), 8, bn_size=2, num_classes=10),
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", STUDIED)
def test_the_studys_networks_pass_at_three_levels(name, method):
    torch.manual_seed(0)
    model = STUDIED[name]().eval()
    images = torch.randn(16, 3, 32, 32)
    result, stored = compress(model, images, Variant(method, 1.58), 0, fast(method))
    codes = stored.weights
    assert len(codes) == {"resnet18": 22, "resnet50": 54, "densenet121": 121}[name]
    assert all(layer.grid.levels == 3 for layer in codes.values())
    assert torch.isfinite(result(images)).all()


@pytest.mark.parametrize("method", LEARNING)
def test_progress_is_logged_a_layer_or_a_block_at_a_time(method, caplog):
    torch.manual_seed(0)
    model = SmallResNet().eval()
    with caplog.at_level("INFO", logger="ptq_privacy"):
        compress(model, torch.randn(32, 1, 8, 8), Variant(method, 2.0), 0, fast(method))
    lines = [message.split() for message in caplog.messages if " s left" in message]
    of = lines[0][1].split("/")[1]
    assert {line[0] for line in lines} == {"block" if method == "brecq" else "layer"}
    assert [line[1] for line in lines] == [f"{k}/{of}" for k in range(1, int(of) + 1)]
    assert lines[-1][-3:] == ["0", "s", "left"]
    assert int(of) == (4 if method == "brecq" else 7)

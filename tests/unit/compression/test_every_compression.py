"""What every compression promises, whichever it is: each that has a fragment is put through this.

A method that is added is tested here by its fragment alone; tests of what only it does belong in a
file of its own.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptq_privacy.compression import Stored, compress, packing
from ptq_privacy.compression.grid import dequantize
from ptq_privacy.networks import small_resnets
from ptq_privacy.networks.structure import difference, restore
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant, levels
from tests.unit.compression.fast import fast

METHODS = fragments.names("compressions")
SAMPLES = 24


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return request.param


class Convolutions(nn.Module):
    """Grouped, depthwise and 1x1 convolutions, normalised before or after, and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8, momentum=None)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.after = nn.BatchNorm2d(8, momentum=None)
        self.pointwise = nn.Conv2d(8, 12, 1, stride=2)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        x = F.relu(self.after(self.depthwise(F.silu(self.grouped(x)))) + x)
        return self.head(self.pointwise(x).mean((2, 3)))


class Added(nn.Module):
    """A matrix of its own that no layer holds, as embeddings of positions are."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 3, stride=3)
        self.positions = nn.Parameter(torch.randn(4, 8))
        self.mix = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        return self.head((self.norm(F.gelu(self.mix(x))) + x).mean(1))


class Attending(nn.Module):
    """Attention whose weights torch keeps in parameters of its own, and a table of positions."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 3, stride=3)
        self.positions = nn.Embedding(4, 8)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, dropout=0, batch_first=True, norm_first=True),
            num_layers=2,
            enable_nested_tensor=False,
        )
        self.head = nn.Linear(8, 5)
        self.register_buffer("numbers", torch.arange(4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions(self.numbers)
        return self.head(self.encoder(x).mean(1))


IMAGES = (3, 6, 6)
NETWORKS = {
    "convolutions": (Convolutions, IMAGES),
    "linear": (
        lambda: nn.Sequential(
            nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 12, bias=False), nn.Linear(12, 5)
        ),
        (10,),
    ),
    "no normalisation": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(32, 5)
        ),
        IMAGES,
    ),
    "normalised rows": (
        lambda: nn.Sequential(
            nn.Linear(10, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5), nn.BatchNorm1d(5)
        ),
        (10,),
    ),
    "group normalisation": (
        lambda: small_resnets.build(5, 3, [4, 8], normalisation="group"),
        IMAGES,
    ),
    "own matrix": (Added, IMAGES),
    "attention": (Attending, IMAGES),
}


def made(name: str) -> tuple[nn.Module, Tensor]:
    """A network whose normalisations have seen data, left in training mode, and calibration."""
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    network = build().train()
    for _ in range(3):
        network(torch.randn(50, *shape))
    return network, torch.randn(SAMPLES, *shape)


def compressed(
    method: str,
    network: nn.Module,
    calibration: Tensor,
    bits: float = 2.0,
    head_bits: float | None = None,
    seed: int = 0,
    **settings: Any,
) -> tuple[nn.Module, Stored]:
    variant = Variant(method, bits, head_bits)
    return compress(network, calibration, variant, seed, {**fast(method), **settings})


def quantized_in(network: nn.Module) -> dict[str, Tensor]:
    """The weights that should be quantized, by parameter name."""
    layers = {
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding)
    }
    return {
        name: parameter
        for name, parameter in network.named_parameters()
        if (name.rpartition(".")[0] in layers and parameter.ndim > 1)
        or name.endswith("in_proj_weight")
    }


def bits_stored(stored: Stored, network: nn.Module) -> float:
    """Bits a weight, counted anew: whole bytes a row, and its scale and zero point in 40 bits."""
    bits = 0
    weights = {name: p for name, p in network.named_parameters() if p.ndim > 1}
    for name, weight in weights.items():
        if name not in stored.weights:
            bits += 32 * weight.numel()
            continue
        count = next(n for n in range(8, 0, -1) if stored.weights[name].grid.levels ** n <= 256)
        bits += len(weight) * (8 * -(-weight[0].numel() // count) + 40)
    return bits / sum(weight.numel() for weight in weights.values())


def check(
    network: nn.Module, calibration: Tensor, result: nn.Module, stored: Stored, count: int
) -> None:
    """All that holds of a result, whatever the method, the network and the bit width.

    Args:
        count: levels of every layer.
    """
    weights = quantized_in(network)
    assert list(stored.weights) == list(weights)
    for name, weight in weights.items():
        codes, grid = stored.weights[name].codes, stored.weights[name].grid
        out = len(weight)
        assert codes.dtype == torch.uint8
        assert codes.shape == (out, weight[0].numel())
        assert grid.levels == count
        assert int(codes.max()) < count  # 256 itself is no uint8
        assert grid.scale.dtype == torch.float32
        assert grid.scale.shape == grid.zero_point.shape == (out,)
        assert torch.isfinite(grid.scale).all()
        assert (grid.scale > 0).all()
        assert grid.zero_point.dtype == torch.int32
        assert grid.zero_point.min() >= 0
        assert grid.zero_point.max() < count
        found = result.get_parameter(name)
        assert found.is_contiguous()
        assert torch.equal(found, dequantize(codes, grid).view_as(found))
    assert not any(module.training for module in result.modules())
    state = result.state_dict()
    assert all(v.dtype == torch.float32 for v in state.values() if v.is_floating_point())
    assert all(torch.isfinite(value).all() for value in state.values())

    assert stored.bits_per_weight == pytest.approx(bits_stored(stored, result))
    weights = [p for p in result.parameters() if p.ndim > 1]
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    assert stored.zero_fraction == zeros / sum(weight.numel() for weight in weights)

    answers = result(calibration.float())
    assert torch.isfinite(answers).all()
    changes = difference(network, result)
    read = packing.decode(packing.encode(state, stored.weights))
    restored = restore(copy.deepcopy(network).float(), changes, read).requires_grad_(False)
    assert torch.equal(restored(calibration.float()), answers)


def same(first: tuple[nn.Module, Stored], other: tuple[nn.Module, Stored]) -> bool:
    """Whether two results are equal bit for bit."""
    states = first[0].state_dict(), other[0].state_dict()
    weights = first[1].weights, other[1].weights
    return (
        states[0].keys() == states[1].keys()
        and weights[0].keys() == weights[1].keys()
        and all(torch.equal(value, states[1][name]) for name, value in states[0].items())
        and all(
            torch.equal(one.codes, two.codes)
            and torch.equal(one.grid.scale, two.grid.scale)
            and torch.equal(one.grid.zero_point, two.grid.zero_point)
            for one, two in zip(weights[0].values(), weights[1].values(), strict=True)
        )
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_network_gets_weights_that_are_their_codes(method, name):
    network, calibration = made(name)
    check(network, calibration, *compressed(method, network, calibration), count=4)


@pytest.mark.parametrize("bits", [1, 1.58, 4, 8])
def test_every_bit_width_gets_its_levels(method, bits):
    network, calibration = made("convolutions")
    result, stored = compressed(method, network, calibration, bits)
    check(network, calibration, result, stored, count={1: 2, 1.58: 3, 4: 16, 8: 256}[bits])


@torch.no_grad()
def test_answers_come_closer_with_more_bits_and_at_eight_are_the_networks(method):
    network, calibration = made("convolutions")
    expected = copy.deepcopy(network).eval()(calibration)
    few, some, many = (
        float((compressed(method, network, calibration, bits)[0](calibration) - expected).norm())
        for bits in (1, 4, 8)
    )
    assert few > some > many
    assert many < 0.15 * (expected - expected.mean(0)).norm()


@pytest.mark.parametrize(("bits", "head_bits"), [(1.58, 8), (4, 1)])
@pytest.mark.parametrize("name", ["convolutions", "linear"])
def test_head_bits_are_the_last_layers_alone(method, name, bits, head_bits):
    network, calibration = made(name)
    _, stored = compressed(method, network, calibration, bits, head_bits)
    *body, head = (weight.grid.levels for weight in stored.weights.values())
    assert set(body) == {levels(bits)}
    assert head == levels(head_bits)


def test_the_head_may_be_a_convolution(method):
    """The last weight layer to run, whatever the order in which a module lists its own."""
    torch.manual_seed(0)

    class Squeezed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = nn.Conv2d(4, 5, 1)
            self.stem = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.classifier(self.stem(x).relu()).mean((2, 3))

    _, stored = compressed(method, Squeezed().eval(), made("convolutions")[1], 1.58, 8)
    found = {name: weight.grid.levels for name, weight in stored.weights.items()}
    assert found == {"stem.weight": 3, "classifier.weight": 256}


def test_model_and_calibration_are_left_untouched(method):
    network, calibration = made("convolutions")
    network.stem.weight.requires_grad_(False)
    network.after.eval()
    state, samples = copy.deepcopy(network.state_dict()), calibration.clone()
    modes = [module.training for module in network.modules()]
    learned = [parameter.requires_grad for parameter in network.parameters()]
    numbers = torch.random.get_rng_state()
    result, _ = compressed(method, network, calibration)
    assert torch.equal(calibration, samples)
    assert network.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert [parameter.requires_grad for parameter in network.parameters()] == learned
    assert all(parameter.grad is None for parameter in network.parameters())
    own = {tensor.data_ptr() for tensor in network.state_dict().values()}
    assert not own & {tensor.data_ptr() for tensor in result.state_dict().values()}
    assert torch.equal(torch.random.get_rng_state(), numbers)


@pytest.mark.parametrize("name", ["convolutions", "own matrix"])
def test_the_same_seed_gives_the_same_bits(method, name):
    network, calibration = made(name)
    first = compressed(method, network, calibration, seed=2**63 - 1)
    torch.rand(7)  # what others draw does not count
    assert same(first, compressed(method, network, calibration, seed=2**63 - 1))


@pytest.mark.parametrize("name", ["convolutions", "linear"])
def test_float64_models_and_samples_are_taken_as_float32(method, name):
    network, calibration = made(name)
    expected = compressed(method, network, calibration)
    assert same(expected, compressed(method, network, calibration.double()))
    assert same(expected, compressed(method, network.double(), calibration))
    assert all(parameter.dtype == torch.float64 for parameter in network.parameters())
    check(network, calibration.double(), *expected, count=4)


def test_a_callers_gradient_mode_changes_nothing(method):
    network, calibration = made("convolutions")
    expected = compressed(method, network, calibration)
    with torch.no_grad():
        assert same(expected, compressed(method, network, calibration))


def test_samples_in_another_memory_order_give_the_same_bits(method):
    network, calibration = made("convolutions")
    last = calibration.contiguous(memory_format=torch.channels_last)
    every_second = torch.stack([calibration, -calibration], 1).flatten(0, 1)[::2]
    expected = compressed(method, network, calibration)
    assert same(expected, compressed(method, network, last))
    assert same(expected, compressed(method, network, every_second))


def test_one_sample_is_enough(method):
    network, calibration = made("convolutions")
    single = {"batch": 1} if "batch" in fast(method) else {}
    result, stored = compressed(method, network, calibration[:1], **single)
    check(network, calibration, result, stored, count=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: (x * 50).to(torch.uint8), r"expected floating-point samples .*not torch.uint8"),
        (lambda x: x > 0, r"expected floating-point samples .*not torch.bool"),
        (lambda x: x[:0], r"expected floating-point samples .*\[0, 3, 6, 6\]"),
        (lambda x: x[:, 0, 0, 0], r"expected floating-point samples .*\[24\]"),
        (lambda x: x.clone().index_fill_(0, torch.tensor([23]), torch.nan), "are not finite"),
        (lambda x: x.clone().index_fill_(0, torch.tensor([23]), torch.inf), "are not finite"),
        (lambda x: x.double() * 1e300, "are not finite"),  # as float32
    ],
    ids=["uint8", "bool", "empty", "one-dimensional", "nan", "infinite", "overflowing"],
)
def test_bad_calibration_is_refused(method, change, message):
    network, calibration = made("convolutions")
    with pytest.raises(ValueError, match=f"^calibration: .*{message}"):
        compressed(method, network, change(calibration))


def test_networks_that_it_cannot_take_are_refused(method):
    network, calibration = made("convolutions")
    broken = copy.deepcopy(network)
    broken.pointwise.weight.data[3] = torch.nan
    for bad, message in (
        (broken, "layer 'pointwise': its weight has values that are not finite"),
        (nn.Sequential(network.stem, nn.ConvTranspose2d(8, 5, 2)), "layer '1': ConvTranspose2d"),
        (nn.Sequential(nn.ReLU(), nn.Flatten()), "model: no Conv2d or Linear layer"),
        (nn.Sequential(nn.BatchNorm2d(3), nn.Flatten()), "model: no Conv2d or Linear layer"),
    ):
        with pytest.raises(ValueError, match=message):
            compressed(method, bad, calibration)


def test_a_matrix_of_the_networks_own_stays_at_32_bits(method):
    network, calibration = made("own matrix")
    result, stored = compressed(method, network, calibration, bits=8)
    assert torch.equal(result.positions, network.positions)
    weights = sum(weight.numel() for weight in quantized_in(network).values())
    rows = sum(len(weight) for weight in quantized_in(network).values())
    assert stored.bits_per_weight == (8 * weights + 40 * rows + 32 * 32) / (weights + 32)


def test_dead_inputs_and_constant_channels_stay_finite(method):
    network, calibration = made("convolutions")
    with torch.no_grad():
        calibration[:, 0], calibration[:, 1] = 0, 0.7
        network.stem.weight[0] = 0  # says nothing, so its variance is none
        network.norm.running_mean[0], network.norm.running_var[0] = 0, 0
        network.norm.bias[1] = -100  # never active
        network.grouped.weight[2] = 0.3  # all weights the same
        network.grouped.weight[3] *= 1e-30
        network.depthwise.weight[4] = 0
        network.head.weight[:, 5] = 0
    for bits in (1, 1.58, 8):
        result, stored = compressed(method, network, calibration, bits)
        check(network, calibration, result, stored, count=levels(bits))
        assert torch.isfinite(result(torch.randn(50, *IMAGES))).all()


@pytest.mark.parametrize("name", ["convolutions", "linear", "no normalisation"])
def test_samples_that_are_all_alike_stay_finite(method, name):
    network, calibration = made(name)
    for samples in (torch.zeros_like(calibration), torch.full_like(calibration, 0.5)):
        check(network, samples, *compressed(method, network, samples), count=4)


def test_what_says_that_it_is_free_of_data_does_not_see_its_calibration(method):
    """On it rests that what was promised of a training holds of what is made of it."""
    if fragments.get("compressions", method).more.get("data_free", False):
        network, calibration = made("convolutions")
        first, _ = compressed(method, network, calibration, seed=1)
        other, _ = compressed(method, network, 3 * calibration.flip(0) + 1, seed=2)
        assert all(
            torch.equal(one, two)
            for one, two in zip(
                first.state_dict().values(), other.state_dict().values(), strict=True
            )
        )


def settings_of(method: str) -> Mapping[str, Mapping[str, Any]]:
    return fragments.get("compressions", method).properties


CHOICES = [
    (method, key, value)
    for method in METHODS
    for key, part in settings_of(method).items()
    for value in part.get("enum", [False, True] if part.get("type") == "boolean" else [])
]


@pytest.mark.parametrize(("method", "key", "value"), CHOICES)
def test_every_choice_of_a_setting_works(method, key, value):
    network, calibration = made("convolutions")
    result, stored = compressed(method, network, calibration, **{key: value})
    check(network, calibration, result, stored, count=4)


def outside(part: Mapping[str, Any]) -> Iterator[Any]:
    """Values that a setting's own JSON schema does not let through."""
    wrong: dict[str, list[Any]] = {
        "integer": ["3", 1.5, 2.0, True, None, [3]],
        "number": ["0.1", True, None, [0.1], float("nan"), float("inf")],
        "boolean": ["true", 1, 0.0, None],
        "string": [3, True, None, ["text"]],
        "array": ["text", 3, None],
        "object": ["text", 3, None],
    }
    if "type" in part:
        yield from wrong[part["type"]]
    if "enum" in part:
        yield from ("no such choice", None, [*part["enum"]])
    for limit, step in (("minimum", -1), ("maximum", 1)):
        if limit in part:
            yield part[limit] + step
    for limit in ("exclusiveMinimum", "exclusiveMaximum"):
        if limit in part:
            yield part[limit]


@pytest.mark.parametrize(
    ("method", "key"), [(method, key) for method in METHODS for key in settings_of(method)]
)
def test_settings_out_of_range_are_refused_by_name(method, key):
    network, calibration = made("linear")
    values = list(outside(settings_of(method)[key]))
    assert values, "a setting that lets everything through"
    for value in values:
        with pytest.raises(ValueError, match=f"^{method}.{key}: ") as caught:
            compressed(method, network, calibration, **{key: value})
        assert f"{value!r} is not allowed; allowed: " in str(caught.value)


def test_a_setting_that_it_does_not_have_is_refused_by_name(method):
    network, calibration = made("linear")
    known = ", ".join(settings_of(method)) or "none"
    for key in ("no_such_setting", "seed", "levels", "model"):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            compress(network, calibration, Variant(method, 2), 0, {key: 1})
        assert str(caught.value) == f"{method}: unknown setting {key!r}; allowed: {known}"

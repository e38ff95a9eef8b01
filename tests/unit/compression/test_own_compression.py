"""Your own compression by import path: what it is given, what is kept, and what is refused."""

import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ptq_privacy.compression import Stored, own
from ptq_privacy.networks.structure import difference
from ptq_privacy.study.variants import Variant

HEADER = """
import torch
from torch import nn

seen = {}

def layers(network):
    return [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
"""

HALVES = """
def compress(network, inputs, bits, head_bits, seed, step=0.5, **others):
    training = any(m.training for m in network.modules())
    seen.update(inputs=inputs, bits=bits, head_bits=head_bits, seed=seed, step=step, others=others,
                training=training, network=network)
    for layer in layers(network):
        layer.weight.copy_((layer.weight / step).round() * step)
    return network, bits + 0.25
"""

SUBCLASS = """
class Coded(torch.Tensor):
    def dequantize(self):
        return self.as_subclass(torch.Tensor) * 0.5

def compress(network, inputs, bits, head_bits, seed):
    for layer in layers(network):
        codes = (layer.weight / 0.5).round()
        layer.weight = nn.Parameter(codes.detach().as_subclass(Coded), requires_grad=False)
    assert type(network[0].weight) is Coded
    return network, 4
"""


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(24, 5)
    )
    for layer in (0, 4):
        nn.init.normal_(network[layer].weight)
    return network.train()


@pytest.fixture
def calibration() -> Tensor:
    return torch.randn(7, 2, 4, 4, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes a module `mine` into the folder from which Snakemake would run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def write(text: str) -> None:
        (tmp_path / "mine.py").write_text(HEADER + text)

    yield write
    sys.modules.pop("mine", None)


def compressed(
    network: nn.Module,
    calibration: Tensor,
    reference: str = "mine:compress",
    head_bits: float | None = None,
    **settings: Any,
) -> tuple[nn.Module, Stored]:
    return own.compress(
        reference, network, calibration, Variant("halves", 3.0, head_bits), 11, settings
    )


def test_a_function_of_ones_own_is_given_the_variant_and_its_network_kept(
    network, calibration, written
):
    written(HALVES)
    before = copy.deepcopy(network.state_dict())
    result, stored = compressed(network, calibration)
    seen = sys.modules["mine"].seen
    assert (seen["bits"], seen["head_bits"], seen["seed"]) == (3.0, None, 11)
    assert seen["step"] == 0.5
    assert not seen["training"]
    assert torch.equal(seen["inputs"], calibration)
    assert seen["network"] is not network
    assert seen["network"] is not result

    assert stored.weights == {}
    assert stored.bits_per_weight == 3.25
    weights = [network[0].weight, network[4].weight]
    rounded = [(weight / 0.5).round() * 0.5 for weight in weights]
    assert torch.equal(result[0].weight, rounded[0])
    assert torch.equal(result[4].weight, rounded[1])
    zeros = sum(int((weight == 0).sum()) for weight in rounded)
    assert 0 < stored.zero_fraction == zeros / sum(weight.numel() for weight in rounded) < 1
    assert not any(module.training for module in result.modules())
    assert difference(network, result) == difference(network, network)
    assert result(calibration).shape == (7, 5)

    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_settings_and_head_bits_are_passed_on(network, calibration, written):
    written(HALVES)
    result, stored = compressed(network, calibration, head_bits=8.0, step=0.25, rounds=[1, 2])
    seen = sys.modules["mine"].seen
    assert (seen["bits"], seen["head_bits"]) == (3.0, 8.0)
    assert (seen["step"], seen["others"]) == (0.25, {"rounds": [1, 2]})
    assert torch.equal(result[0].weight, (network[0].weight / 0.25).round() * 0.25)
    assert stored.bits_per_weight == 3.25


def test_float64_models_and_samples_reach_it_as_float32(network, calibration, written):
    written(HALVES)
    expected, _ = compressed(network, calibration)
    result, _ = compressed(network.double(), calibration.double())
    seen = sys.modules["mine"].seen
    assert seen["inputs"].dtype == torch.float32
    assert torch.equal(seen["inputs"], calibration)
    for name, value in result.state_dict().items():
        assert torch.equal(value, expected.state_dict()[name])
        assert value.dtype == expected.state_dict()[name].dtype


def test_weights_that_are_subclasses_of_tensors_are_stored_dequantized(
    network, calibration, written
):
    written(SUBCLASS)
    result, stored = compressed(network, calibration)
    for layer in (0, 4):
        assert type(result[layer].weight) is nn.Parameter
        assert torch.equal(result[layer].weight, (network[layer].weight / 0.5).round() * 0.5)
    assert stored.bits_per_weight == 4
    assert stored.zero_fraction > 0


def test_buffers_biases_and_precision_may_change_too(network, calibration, written):
    written(
        """
def compress(network, inputs, bits, head_bits, seed):
    network.train()(inputs)
    network[4].bias.add_(1)
    return network.half(), 16.0
"""
    )
    result, stored = compressed(network, calibration)
    assert not result.training
    assert all(p.dtype == torch.float32 for p in result.parameters())
    assert torch.equal(result[0].weight, network[0].weight.half().float())
    assert torch.equal(result[4].bias, (network[4].bias + 1).half().float())
    assert result[1].num_batches_tracked == 1
    assert not torch.equal(result[1].running_mean, network[1].running_mean)
    assert stored.bits_per_weight == 16


class Shared(nn.Module):
    """A weight in two places, a buffer that no state holds, and no matrix but these."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
        self.other.weight = self.first.weight
        self.register_buffer("table", torch.arange(4.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.other(self.first(x + self.table))


def test_shared_weights_and_buffers_that_are_not_stored_are_no_obstacle(written):
    written(HALVES)
    network, samples = Shared(), torch.randn(5, 4)
    result, _ = compressed(network, samples)
    assert torch.equal(result.first.weight, (network.first.weight / 0.5).round() * 0.5)
    assert torch.equal(result.other.weight, result.first.weight)
    assert torch.equal(result.table, network.table)


RETURNS = "def compress(network, inputs, bits, head_bits, seed):\n    {}\n    return network, 3\n"

BAD = {
    "raises": (
        RETURNS.format("raise KeyError('no scale', 3)"),
        r"failed: KeyError: \('no scale', 3\)",
    ),
    "raises in several lines": (
        RETURNS.format(r"raise ValueError('no scale\nfor layer 3')"),
        "failed: ValueError: no scale for layer 3",
    ),
    "takes no seed": (
        "def compress(network, inputs, bits, head_bits):\n    return network, 3\n",
        r"failed: TypeError: compress\(\) takes 4 positional arguments but 5 were given",
    ),
    "returns no tuple": (
        RETURNS.format("return network"),
        "returns a Sequential; allowed: a torch.nn.Module and its bits a weight",
    ),
    "returns nothing": (RETURNS.format("return"), "returns a NoneType; allowed: a torch.nn.Module"),
    "returns three": (RETURNS.format("return network, 3, {}"), "returns a tuple; allowed: a torch"),
    "returns no network": (
        RETURNS.format("return network.state_dict(), 3"),
        "returns a tuple; allowed: a torch.nn.Module and its bits",
    ),
    "other names": (
        RETURNS.format("network = nn.Sequential(network)"),
        r"the network that it returns lacks '0\.bias'",
    ),
    "one more": (
        RETURNS.format("network[0].register_buffer('scale', torch.ones(6))"),
        r"the network that it returns has '0\.scale'",
    ),
    "one less": (
        RETURNS.format("network[4].bias = None"),
        r"the network that it returns lacks '4\.bias'",
    ),
    "folded": (
        RETURNS.format("network[1] = nn.Identity()"),
        r"the network that it returns lacks '1\.bias'",
    ),
    "other shapes": (
        RETURNS.format("network[4] = nn.Linear(24, 6)"),
        r"'4\.weight' has shape \[6, 24\], should have \[5, 24\]",
    ),
    "transposed": (
        RETURNS.format("network[4].weight = nn.Parameter(network[4].weight.T)"),
        r"'4\.weight' has shape \[24, 5\], should have \[5, 24\]",
    ),
    "nan": (
        RETURNS.format("network[4].weight[0, 3] = float('nan')"),
        r"'4\.weight' has values that are not finite",
    ),
    "infinite as float32": (
        RETURNS.format("network.double()[4].bias[2] = 1e300"),
        r"'4\.bias' has values that are not finite",
    ),
    "infinite buffer": (
        RETURNS.format("network[1].running_var.fill_(float('inf'))"),
        r"'1\.running_var' has values that are not finite",
    ),
    **{
        f"{bits} bits": (
            RETURNS.format(f"return network, {bits}"),
            r"says .* bits a weight; allowed: a number above 0, to 64",
        )
        for bits in ("0", "-2", "65", "float('nan')", "float('inf')", "'4'", "None", "True", "[4]")
    },
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_stand_for_the_network_is_refused(name, network, calibration, written):
    text, message = BAD[name]
    written(text)
    place = r"compression\.methods: halves: mine:compress"
    with pytest.raises(ValueError, match=f"^{place}:? {message}") as caught:
        compressed(network, calibration)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reference", "message"),
    [
        (
            "",
            "absent:compress",
            "module 'absent' of .* cannot be imported from /.*: ModuleNotFound",
        ),
        ("", "mine:absent", r"/.*mine\.py has no function 'absent'"),
        ("constant = 3\n", "mine:constant", r"/.*mine\.py has no function 'constant'"),
        (
            "1 / 0\n",
            "mine:compress",
            "module 'mine' of .* cannot be imported .*: ZeroDivisionError",
        ),
        ("raise ValueError('a\\nb')\n", "mine:compress", "cannot be imported .*: ValueError: a b"),
        (
            "def compress(:\n",
            "mine:compress",
            "module 'mine' .* cannot be imported .*: SyntaxError",
        ),
        ("", "json:dumps", "a module 'json' is installed already, at /.*; rename your own"),
    ],
    ids=["module", "function", "constant", "fails", "fails in lines", "no Python", "installed"],
)
def test_a_function_that_cannot_be_had_is_refused(
    text, reference, message, network, calibration, written
):
    written(text)
    with pytest.raises(ValueError, match=message) as caught:
        compressed(network, calibration, reference)
    said = str(caught.value)
    assert said.startswith("compression.methods: halves: ")
    assert repr(reference) in said
    assert "\n" not in said


def test_bad_calibration_is_refused_before_anything_is_imported(network, calibration, written):
    written("raise RuntimeError\n")
    for bad in (calibration[:0], (calibration > 0).to(torch.uint8), calibration / 0):
        with pytest.raises(ValueError, match="^calibration: "):
            compressed(network, bad)

"""What goes into the layers of a network with activation bits lies on grids, by every method."""

import copy

import pytest
import torch
from torch import Tensor, nn

from ptq_privacy.compression import (
    activations,
    compress,
    compress_all,
    own,
    packing,
    quantized_inputs,
)
from ptq_privacy.compression.grid import Grid
from ptq_privacy.compression.quantized_inputs import OnGrid, QuantizedInput, grid_of
from ptq_privacy.graph import inputs
from ptq_privacy.graph.attention import put_back
from ptq_privacy.graph.trace import WeightLayer
from ptq_privacy.graph.walk import Walk
from ptq_privacy.study.variants import Variant, levels
from tests.unit.compression.fast import fast
from tests.unit.compression.test_every_compression import METHODS, made, same
from tests.unit.compression.test_together import several


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def _few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searching ranges on thousands of values would take most of the time."""
    monkeypatch.setattr(quantized_inputs, "SAMPLED", 500)


def fed(network: nn.Module, samples: Tensor) -> dict[str, Tensor]:
    """What each convolution and linear layer really computes with, by name, in graph order."""
    seen: dict[str, Tensor] = {}

    def watched(name: str, layer: nn.Module) -> None:
        forward = layer.forward

        def record(x: Tensor) -> Tensor:
            seen[name] = x.detach().clone()
            return forward(x)

        layer.forward = record

    network = copy.deepcopy(network)
    for name, module in network.named_modules():
        if isinstance(module, WeightLayer):
            watched(name, module)
    network(samples)
    return seen


@torch.no_grad()
@pytest.mark.parametrize(
    "name", ["convolutions", pytest.param("attention", marks=pytest.mark.slow)]
)
def test_what_every_layer_is_fed_lies_on_its_grid(method, name):
    network, calibration = made(name)
    variant = Variant(method, 3.0, None, 2.0)
    result, stored = compress(network, calibration, variant, 0, fast(method))
    others = torch.randn(40, *calibration.shape[1:])  # other samples are clipped to the same range
    seen = fed(result, others)
    assert stored.inputs.keys() == seen.keys()
    first, *middle, last = seen
    for layer, x in seen.items():
        grid = stored.inputs[layer]
        assert grid.levels == (256 if layer in (first, last) else 4)
        codes = x / grid.scale + grid.zero_point
        assert (codes - codes.round()).abs().max() < 1e-3
        assert 0 <= codes.round().min() <= codes.round().max() < grid.levels
        assert len(x.unique()) <= grid.levels
    assert len(middle) > 2
    plain = compress(network, calibration, Variant(method, 3.0), 0, fast(method))[1]
    assert stored.bits_per_weight == plain.bits_per_weight
    assert not plain.inputs


@torch.no_grad()
def test_more_activation_bits_bring_answers_closer_and_eight_cost_little(method):
    network, calibration = made("convolutions")
    expected = copy.deepcopy(network).eval()(calibration)
    spread = (expected - expected.mean(0)).norm()
    gaps = [
        float(
            (compress(network, calibration, v, 0, fast(method))[0](calibration) - expected).norm()
        )
        for v in (Variant(method, 8.0, None, a) for a in (1.0, 3.0, 8.0))
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.15 * spread


@pytest.mark.parametrize(
    "name", ["convolutions", pytest.param("attention", marks=pytest.mark.slow)]
)
def test_side_by_side_each_model_gets_the_bits_that_it_gets_alone(method, name):
    networks, samples = several(name)
    variant, seeds, settings = Variant(method, 2.0, 8.0, 4.0), [3, 4, 5], fast(method)
    together = compress_all(networks, samples, variant, seeds, settings)
    alone = compress(networks[2], samples[2], variant, seeds[2], settings)
    assert same(alone, together[2])
    grids = alone[1].inputs, together[2][1].inputs
    assert grids[0].keys() == grids[1].keys()
    assert all(same_grid(grid, grids[1][layer]) for layer, grid in grids[0].items())


def same_grid(one: Grid, other: Grid) -> bool:
    parts = one.scale.equal(other.scale), one.zero_point.equal(other.zero_point)
    return all(parts) and one.levels == other.levels


def test_what_is_stored_of_grids_comes_back_bit_for_bit():
    network, calibration = made("attention")
    result, stored = compress(network, calibration, Variant("nearest", 4.0, None, 1.58), 0)
    plain, _ = put_back(copy.deepcopy(result))
    tensors = packing.encode(plain.state_dict(), stored.weights, stored.inputs)
    assert packing.decode(tensors).keys() == network.state_dict().keys()
    found = packing.decode_inputs(tensors)
    assert list(found) == list(stored.inputs)
    assert all(same_grid(grid, stored.inputs[layer]) for layer, grid in found.items())
    del tensors["head.input.scale"]
    with pytest.raises(ValueError, match="the grid of what layer 'head' is fed is damaged"):
        packing.decode_inputs(tensors)


def slow_range(values: list[float], count: int) -> tuple[float, int]:
    """Scale and zero point with the least L2.4 error, candidate by candidate, value by value."""
    low, high = min(0.0, *values), max(0.0, *values)
    best = None
    for step in range(80):
        shrink = 1 - step / 100
        scale = shrink * (high - low) / (count - 1)
        zero = min(max(round(-shrink * low / scale), 0), count - 1)
        error = 0.0
        for value in values:
            code = min(max(round(value / scale) + zero, 0), count - 1)
            error += abs(scale * (code - zero) - value) ** 2.4
        if best is None or error < best[0]:
            best = error, scale, zero
    return best[1:]


@pytest.mark.parametrize("count", [3, 4, 16])
def test_a_range_has_the_least_error_of_all_candidates(count):
    generator = torch.Generator().manual_seed(count)
    values = torch.randn(3, 60, generator=generator) * torch.tensor([[1.0], [2.0], [0.3]])
    for chunks in ([*values], [*values.relu()]):
        form = QuantizedInput(count)
        form.settle(chunks, generator)
        # The extreme values stand there once more, as whatever is drawn they would.
        every = torch.cat(chunks)
        scale, zero = slow_range([*every.tolist(), float(every.min()), float(every.max())], count)
        assert float(form.grid.scale) == pytest.approx(scale, rel=1e-5)
        assert int(form.grid.zero_point) == zero


def test_of_many_values_some_are_drawn_and_the_extreme_ones_always():
    generator = torch.Generator().manual_seed(0)
    chunks = [torch.rand(700, 100), torch.rand(300, 100)]
    chunks[1][17, 3], chunks[0][600, 99] = 9.0, -7.0
    drawn = quantized_inputs._sampled(chunks, generator)
    assert len(drawn) == quantized_inputs.SAMPLED + 2
    assert (drawn.min(), drawn.max()) == (-7, 9)
    assert torch.isin(drawn, torch.cat(chunks)).all()
    assert 0.45 < drawn[2:].clamp(0, 1).mean() < 0.55
    chunks[0][0, 0] = torch.nan
    with pytest.raises(ValueError, match="activations are not finite"):
        quantized_inputs._sampled(chunks, generator)


def test_weights_are_calibrated_on_quantized_inputs():
    """Whichever layer a walk has come to, its inputs are those that it will be fed."""
    network, calibration = made("convolutions")
    full, quantized = copy.deepcopy(network).eval(), copy.deepcopy(network).eval()
    activations.prepare(quantized, activations.input_levels(quantized, 2.0))
    walk = Walk(full, quantized, calibration)
    for node in walk.nodes:
        if node in walk.layers and walk.layers[node] == "pointwise":
            x = torch.cat(walk.quantized.values(node.all_input_nodes[0]))
            moments = walk.moments(node)
            grid = grid_of(quantized.pointwise)
            codes = (x / grid.scale).round() + grid.zero_point
            on_grid = (codes.clamp(0, 3) - grid.zero_point) * grid.scale
            rows = on_grid[:, :, ::2, ::2].permute(0, 2, 3, 1).reshape(-1, x.shape[1])
            assert torch.allclose(moments.second[0], rows.T @ rows / len(rows), rtol=1e-4)
            assert torch.allclose(moments.input_mean[0], rows.mean(0), rtol=1e-4)
        walk.run(node)
        walk.free(node)
    assert all(form.settled for form in inputs.forms(quantized).values())
    assert not inputs.forms(full)


def test_the_gradient_through_rounding_is_that_of_the_straight_through_estimator():
    """Against automatic differentiation with rounding's own gradient set to 1 (LSQ's eq. 3)."""
    generator = torch.Generator().manual_seed(0)
    grid = Grid(torch.tensor([0.3]), torch.tensor([2], dtype=torch.int32), 6)
    x = torch.randn(500, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn(500, generator=generator, dtype=torch.float64)
    scale = grid.scale.double().requires_grad_()
    steps = x / scale
    code = steps.round().detach()
    passed = torch.where((code >= -2) & (code <= 3), steps, 0)
    slow = (passed + (code.clamp(-2, 3) - passed).detach()) * scale
    fast = OnGrid.apply(x, scale, grid)
    assert torch.allclose(fast, slow)
    expected = torch.autograd.grad((slow * weight).sum(), [x, scale])
    found = torch.autograd.grad((fast * weight).sum(), [x, scale])
    assert all(map(torch.allclose, found, expected))
    assert 0 < int((found[0] == 0).sum()) < 250


def test_only_what_no_layer_comes_before_is_the_networks_own_input():
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
            self.words, self.mix = nn.Embedding(9, 4), nn.Linear(4, 4)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            both = self.one(x) + self.other(x * 2)
            return self.head(both + self.mix(self.words(x.long())))

    expected = {"one": 256, "other": 256, "mix": levels(3), "head": 256}
    assert activations.input_levels(Branching(), 3.0) == expected


def test_a_method_of_ones_own_is_refused():
    network, calibration = made("linear")
    with pytest.raises(ValueError, match="compression.methods: mine: activation bits need a built"):
        own.compress("m:f", network, calibration, Variant("mine", 4.0, None, 8.0), 0, {})

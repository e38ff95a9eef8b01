"""Several models compressed side by side: what becomes of each is what becomes of it alone."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from ptq_privacy.compression import compress, compress_all, elimination, layerwise
from ptq_privacy.graph import walk
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant
from tests.unit.compression.fast import fast
from tests.unit.compression.test_every_compression import METHODS, NETWORKS, SAMPLES, made, same

MODELS = 3


def several(name: str) -> tuple[list[nn.Module], list[torch.Tensor]]:
    """Networks of one architecture and other weights, each with samples of its own."""
    first, _ = made(name)
    networks = [copy.deepcopy(first).eval() for _ in range(MODELS)]
    generator = torch.Generator().manual_seed(0)
    for network in networks[1:]:
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data += 0.3 * parameter.std(correction=0) * noise
    shape = SAMPLES, *NETWORKS[name][1]
    samples = [torch.randn(shape, generator=generator) for _ in networks]
    samples[1][:, 0] = 0  # dead inputs of one model alone
    return networks, samples


# The learned methods take longest; one network shows each of them.
QUICK = ("nearest", "obc", "gptq")


@pytest.mark.parametrize(
    ("method", "name"),
    [
        pytest.param(
            method,
            name,
            marks=[] if method in QUICK or name == "convolutions" else [pytest.mark.slow],
        )
        for method in METHODS
        for name in NETWORKS
    ],
)
def test_side_by_side_each_model_gets_the_bits_that_it_gets_alone(method, name):
    networks, samples = several(name)
    recipe = Variant(method, 1.58, 8.0), [3, 4, 5], fast(method)
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    together = compress_all(networks, samples, *recipe)
    for index, found in enumerate(together):
        variant, seeds, settings = recipe
        alone = compress(networks[index], samples[index], variant, seeds[index], settings)
        assert same(alone, found)
        state = networks[index].state_dict()
        assert all(torch.equal(state[key], value) for key, value in before[index].items())
    assert not same(*together[:2])


def test_more_positions_than_are_drawn_and_many_rows_change_nothing(monkeypatch):
    """Batches of rows and of tries hold several models' rows, cut anywhere."""
    monkeypatch.setattr(elimination, "BATCH", 700)
    monkeypatch.setattr(layerwise, "TRIED_AT_ONCE", 300)
    monkeypatch.setattr(walk, "CHUNK", 10)
    networks, samples = several("convolutions")
    for method in ("adaround", "obc", "refit"):
        recipe = Variant(method, 2.0), [3, 4, 5], fast(method)
        together = compress_all(networks, samples, *recipe)
        alone = compress(networks[2], samples[2], recipe[0], 5, recipe[2])
        assert same(alone, together[2])


def test_a_method_that_knows_one_model_is_called_for_each(monkeypatch):
    networks, samples = several("linear")
    recipe = Variant("nearest", 2.0), [3, 4, 5]
    expected = compress_all(networks, samples, *recipe)
    fragment = fragments.get("compressions", "nearest")
    rounding, seeds = fragment.find(), []

    def one(model, inputs, levels, seed):
        seeds.append(seed)
        return rounding([model], [inputs], levels, [seed])[0]

    simple = replace(fragment, more={})
    monkeypatch.setattr(fragments.Fragment, "find", lambda _: one)
    monkeypatch.setattr(fragments, "get", lambda kind, name: simple)
    found = compress_all(networks, samples, *recipe)
    assert seeds == [3, 4, 5]
    assert all(map(same, found, expected))


def test_models_that_differ_are_refused():
    networks, samples = several("linear")
    variant = Variant("nearest", 2.0)
    with pytest.raises(ValueError, match=r"calibrations: expected samples of one shape"):
        compress_all(networks, [samples[0], *samples[1:-1], samples[2][:5]], variant, [0, 1, 2])
    networks[2][0] = nn.Linear(10, 16, bias=False)
    with pytest.raises(ValueError, match="models: number 2 is not of the first one's architecture"):
        compress_all(networks, samples, variant, [0, 1, 2])
    networks[2] = networks[1]
    networks[1] = copy.deepcopy(networks[1])
    networks[1][0].weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="layer '0': its weight has values that are not finite"):
        compress_all(networks, samples, variant, [0, 1, 2])

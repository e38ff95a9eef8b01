import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ptq_privacy.compression import compress, grid, packing
from ptq_privacy.compression.grid import QuantizedWeight
from ptq_privacy.networks.structure import difference, restore
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant
from tests.unit.compression.fast import fast
from tests.unit.networks.by_name import build


def random_codes(levels, shape, seed):
    codes = np.random.default_rng(seed).integers(0, levels, shape)
    return torch.from_numpy(codes.astype(np.uint8))


@given(
    st.integers(2, 256),
    st.tuples(st.integers(1, 5), st.integers(1, 23)),
    st.integers(0, 2**32 - 1),
)
def test_codes_survive_packing(levels, shape, seed):
    codes = random_codes(levels, shape, seed)
    packed = packing.pack(codes, levels)
    assert packed.shape == (shape[0], -(-shape[1] // packing.digits_per_byte(levels)))
    assert torch.equal(packing.unpack(packed, levels, shape[1]), codes)


def test_as_many_codes_a_byte_as_fit():
    assert {n: packing.digits_per_byte(n) for n in (2, 3, 4, 16, 17, 256)} == {
        2: 8, 3: 5, 4: 4, 16: 2, 17: 1, 256: 1,
    }  # fmt: skip


def test_a_byte_is_read_as_base_three_digits():
    # 1 + 0*3 + 2*9 + 2*27 + 1*81
    assert packing.pack(torch.tensor([[1, 0, 2, 2, 1]], dtype=torch.uint8), 3).tolist() == [[154]]


def test_codes_off_the_grid_are_refused():
    with pytest.raises(ValueError, match="code 3 on a grid of 3 levels"):
        packing.pack(torch.tensor([[3]], dtype=torch.uint8), 3)
    with pytest.raises(ValueError, match="byte 243 holds a code outside 3 levels"):
        packing.unpack(torch.tensor([[243]], dtype=torch.uint8), 3, 5)
    with pytest.raises(ValueError, match="do not hold 6 columns"):
        packing.unpack(torch.tensor([[0]], dtype=torch.uint8), 3, 6)


@pytest.mark.parametrize("levels", [3, 4, 16, 256])
def test_a_decoded_weight_is_the_quantizers_bit_for_bit(levels):
    weight = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(levels))
    found = grid.search(weight.flatten(1), levels)
    codes = grid.nearest(weight.flatten(1), found)
    quantized = {"conv.weight": QuantizedWeight(codes, found)}
    expected = grid.dequantize(codes, found).view_as(weight)
    state = {"conv.weight": expected, "conv.bias": torch.arange(6.0)}
    decoded = packing.decode(packing.encode(state, quantized))
    assert decoded.keys() == state.keys()
    assert all(torch.equal(decoded[name], state[name]) for name in state)
    assert all(len(row.unique()) <= levels for row in decoded["conv.weight"].flatten(1))


def test_storage_counts_what_the_file_holds():
    codes = torch.tensor([[0, 1, 2, 1, 1, 1], [1, 1, 1, 1, 1, 0]], dtype=torch.uint8)
    weight = QuantizedWeight(codes, grid.Grid(torch.ones(2), torch.ones(2, dtype=torch.int32), 3))
    network = nn.ParameterDict({"w": weight.values})
    bits, zeros = packing.stored_bits(network, {"w": weight})
    assert bits == (2 * 2 * 8 + 2 * 40) / 12
    assert zeros == 9 / 12
    network["more"] = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])  # kept in float32
    network["vector"] = torch.zeros(100)  # no weight
    bits, zeros = packing.stored_bits(network, {"w": weight})
    assert bits == (2 * 2 * 8 + 2 * 40 + 4 * 32) / 16
    assert zeros == 12 / 16


@pytest.mark.parametrize("part", ["codes", "scale", "zero_point"])
def test_a_weight_without_one_of_its_parts_is_named(part):
    codes = random_codes(3, (2, 7), 0)
    weight = QuantizedWeight(codes, grid.Grid(torch.ones(2), torch.ones(2, dtype=torch.int32), 3))
    tensors = packing.encode({"fc.weight": torch.zeros(2, 7)}, {"fc.weight": weight})
    del tensors[f"fc.weight.{part}"]
    with pytest.raises(ValueError, match=r"quantized weight 'fc\.weight' is damaged"):
        packing.decode(tensors)


@pytest.mark.parametrize("method", fragments.names("compressions"))
def test_a_restored_network_answers_as_the_quantized_one(method):
    torch.manual_seed(0)
    network = build("resnet6", 10, 1)
    images = torch.randn(64, 1, 8, 8)
    network(images)  # gives batch normalisation statistics of its own
    quantized, stored = compress(network, images, Variant(method, 1.58), 0, fast(method))
    state = packing.decode(packing.encode(quantized.state_dict(), stored.weights))
    changes = difference(network, quantized)
    restored = restore(build("resnet6", 10, 1), changes, state)
    assert torch.equal(restored(images), quantized(images))

"""Attention taken apart computes what the whole does, and is whole again afterwards."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.swin_transformer import ShiftedWindowAttention, SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

from ptq_privacy.graph.attention import Attention, WindowAttention, put_back, taken_apart
from ptq_privacy.graph.trace import evaluation_copy, quantized_layers
from ptq_privacy.graph.uses import check_uses
from ptq_privacy.networks.structure import difference

N, LENGTH, WIDTH = 3, 5, 8


class Attending(nn.Module):
    """nn.MultiheadAttention with given keywords, on sequences [N, LENGTH, WIDTH]."""

    def __init__(self, batch_first=True, kdim=None, mask=None, padding=None, **options) -> None:
        super().__init__()
        options |= {"kdim": kdim, "vdim": kdim, "batch_first": batch_first}
        self.attention = nn.MultiheadAttention(WIDTH, 2, **options)
        self.first, self.kdim, self.mask, self.padding = batch_first, kdim, mask, padding

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.first else x.transpose(0, 1)
        other = x if self.kdim is None else x[..., : self.kdim].flip(1)
        masks = {"attn_mask": self.mask, "key_padding_mask": self.padding}
        out, _ = self.attention(x, other, other, need_weights=False, **masks)
        return out if self.first else out.transpose(0, 1)


CAUSAL = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1)
PADDING = torch.arange(LENGTH) >= torch.tensor([[5], [3], [4]])
BY_HEAD = torch.randn(N * 2, LENGTH, LENGTH, generator=torch.Generator().manual_seed(1))
LAYER = {"d_model": WIDTH, "nhead": 2, "dim_feedforward": 12}

SEQUENCES = {
    "usual": lambda: Attending(),
    "length first": lambda: Attending(batch_first=False),
    "no bias": lambda: Attending(bias=False),
    "other keys": lambda: Attending(kdim=6),
    "other keys, length first": lambda: Attending(kdim=6, batch_first=False),
    "boolean mask": lambda: Attending(mask=CAUSAL),
    "mask by head": lambda: Attending(mask=BY_HEAD),
    "padding": lambda: Attending(padding=PADDING),
    "both masks": lambda: Attending(mask=CAUSAL, padding=PADDING),
    "encoder layer": lambda: nn.Sequential(nn.TransformerEncoderLayer(**LAYER, batch_first=True)),
    "norm first": lambda: nn.Sequential(
        nn.TransformerEncoderLayer(**LAYER, batch_first=True, norm_first=True, activation="gelu")
    ),
    "encoder": lambda: nn.Sequential(
        nn.TransformerEncoder(nn.TransformerEncoderLayer(**LAYER, batch_first=True), 2)
    ),
    "encoder and norm, length first": lambda: nn.Sequential(
        nn.TransformerEncoder(nn.TransformerEncoderLayer(**LAYER), 2, nn.LayerNorm(WIDTH))
    ),
}


def randomised(network: nn.Module) -> nn.Module:
    """Biases too, which torch begins with zeros."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        spread = 1 / math.sqrt(parameter.shape[-1])
        parameter.data = torch.randn(parameter.shape, generator=generator) * spread
    return evaluation_copy(network)


def doubled(network: nn.Module) -> nn.Module:
    """Every layer's weight and bias changed, as quantizing and refitting do."""
    for name in quantized_layers(network):
        layer = network.get_submodule(name)
        layer.weight.mul_(1.5)
        if layer.bias is not None:
            layer.bias.add_(0.25)
    return network


def check(network: nn.Module, sample: Tensor, layers: int) -> nn.Module:
    """Apart the same, nothing left out, the original untouched, whole again afterwards."""
    before = copy.deepcopy(network.state_dict())
    apart = taken_apart(network, sample)
    with torch.no_grad():
        torch.testing.assert_close(apart(sample), network(sample), rtol=1e-4, atol=1e-5)
        check_uses(apart, sample)
        assert len(quantized_layers(apart)) == layers
        changed = doubled(copy.deepcopy(apart))
        whole, rows = put_back(copy.deepcopy(changed))
        torch.testing.assert_close(whole(sample), changed(sample), rtol=1e-4, atol=1e-5)
    unchanged, _ = put_back(apart)
    assert unchanged.state_dict().keys() == before.keys()
    for found in (unchanged, network):
        for name, value in found.state_dict().items():
            assert torch.equal(value, before[name]), name
    told = difference(network, whole)
    assert (told.folded, told.biased) == ((), ())
    for parameter, names in rows.items():
        stacked = torch.cat([changed.get_submodule(name).weight for name in names])
        assert torch.equal(whole.get_parameter(parameter), stacked)
    return whole


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences(name):
    torch.manual_seed(0)
    x = torch.randn(N, LENGTH, WIDTH)
    layers = {"encoder": 12, "encoder and norm, length first": 12}.get(name, 4)
    check(randomised(SEQUENCES[name]()), x, layers + 2 * ("layer" in name or "norm first" in name))


def test_a_vision_transformer():
    network = VisionTransformer(12, 4, 2, 2, 8, 16, num_classes=5)
    check(randomised(network), torch.randn(2, 3, 12, 12), 1 + 2 * 6 + 1)


@pytest.mark.parametrize("size", [(32, 32), (20, 28), (12, 12)])
def test_windows_padded_shifted_and_larger_than_the_image(size):
    network = SwinTransformer([2, 2], 12, [2, 2], [2, 4], [3, 3], num_classes=5)
    whole = check(randomised(network), torch.randn(2, 3, *size), 1 + 2 * 4 + 1 + 2 * 4 + 1)
    assert type(whole.features[1][1].attn) is ShiftedWindowAttention


def test_a_network_without_attention_is_itself():
    network = nn.Sequential(nn.Linear(3, 2))
    assert taken_apart(network, torch.randn(2, 3)) is network


def test_what_cannot_be_taken_apart_is_named():
    x = torch.randn(N, LENGTH, WIDTH)

    class Weights(Attending):
        def forward(self, x: Tensor) -> Tensor:
            return self.attention(x, x, x)[1].sum(1)

    hooked = randomised(Attending())
    hooked.attention.register_forward_hook(lambda module, inputs, output: (output[0] * 2, None))
    for network, reason in (
        (randomised(Attending(add_bias_kv=True)), "add_bias_kv or add_zero_attn"),
        (randomised(Attending(add_zero_attn=True)), "add_bias_kv or add_zero_attn"),
        (randomised(Weights()), "it is another one (AttributeError"),
        (hooked, "it is another one (its logits differ by"),
    ):
        with pytest.raises(ValueError, match="^layer 'attention': ") as caught:
            taken_apart(network, x)
        assert reason.replace("it is ", "the network is ") in str(caught.value)


def test_the_parts_stand_for_modules_of_their_own_kind():
    assert isinstance(
        taken_apart(randomised(Attending()), torch.randn(N, 5, 8)).attention, Attention
    )
    swin = randomised(SwinTransformer([2, 2], 12, [2], [2], [3, 3], num_classes=5))
    assert isinstance(
        taken_apart(swin, torch.randn(1, 3, 8, 8)).features[1][0].attn, WindowAttention
    )

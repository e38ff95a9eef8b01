"""The transformer: its attention is torch's own, padding means nothing, and it is quantized."""

import pytest
import torch
from torch import nn

from ptq_privacy.compression import compress
from ptq_privacy.graph.trace import quantized_layers
from ptq_privacy.networks import factories
from ptq_privacy.networks.transformer import MASKED, SelfAttention
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant
from tests.unit.compression.fast import fast

FRAGMENT = fragments.get("networks", "transformer")
SMALL = {**FRAGMENT.defaults, "width": 8, "hidden": 12, "heads": 2}


def built(**settings):
    torch.manual_seed(0)
    sizes = {"vocabulary": 30, "length": 10}
    return factories.build(FRAGMENT.function, 5, sizes, {**SMALL, **settings}).eval()


def texts(count=64, longest=7):
    """Tokens as float32 [count, 10], 0 after each text's end."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 30, (count, 10), generator=generator)
    lengths = torch.randint(1, longest + 1, (count, 1), generator=generator)
    return (tokens * (torch.arange(10) < lengths)).float()


def test_attention_is_torchs_own_on_the_same_weights():
    ours, theirs = SelfAttention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    maps = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([m.weight for m in maps]))
        theirs.in_proj_bias.copy_(torch.cat([m.bias for m in maps]))
        theirs.out_proj.load_state_dict(ours.out_proj.state_dict())
    x = torch.randn(6, 9, 12)
    padding = torch.arange(9) >= torch.tensor([[9], [1], [4], [8], [2], [5]])
    expected, _ = theirs(x, x, x, key_padding_mask=padding)
    torch.testing.assert_close(ours(x, padding * MASKED), expected)


def test_padding_means_nothing_and_tokens_and_places_do():
    network, tokens = built(), texts()
    with torch.no_grad():
        logits = network(tokens)
        short = network.get_submodule("tokens").weight[0].clone()
        network.get_submodule("tokens").weight[0] += 5  # that of padding
        torch.testing.assert_close(network(tokens), logits)
        network.get_submodule("tokens").weight[0] = short
        turned = tokens.clone()
        turned[:, :2] = tokens[:, :2].flip(1)
        changed = (turned[:, 1] > 0) & (turned[:, 0] > 0) & (turned[:, 0] != turned[:, 1])
    assert ((network(turned) - logits).abs().amax(1) > 1e-6)[changed].all()


def test_all_of_its_matrices_are_quantized():
    network = built(depth=1)
    matrices = {
        name.removesuffix(".weight") for name, p in network.named_parameters() if p.ndim > 1
    }
    assert set(quantized_layers(network)) == matrices
    assert {"tokens", "positions", "blocks.0.attention.query", "fc"} <= matrices


@pytest.mark.parametrize("method", fragments.names("compressions"))
def test_every_compression_works_on_it(method):
    network, tokens = built(), texts()
    compressed, stored = compress(network, tokens, Variant(method, 4.0), 0, fast(method))
    assert 4 < stored.bits_per_weight < 14  # rows of eight weights have a scale each
    for name, weight in stored.weights.items():
        assert torch.equal(weight.values.view(-1), compressed.get_parameter(name).view(-1))
        assert torch.unique(weight.codes).numel() <= 16
    agreement = (compressed(tokens).argmax(1) == network(tokens).argmax(1)).double().mean()
    assert agreement > 0.6


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="width: 8 is no multiple of heads, 3"):
        built(heads=3)

"""The MLP: its layers, and that its quantization is that of the same network on 1x1 images."""

import copy

import pytest
import torch
from torch import nn

from ptq_privacy.compression import compress
from ptq_privacy.networks import factories
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant
from tests.unit.compression.fast import fast

MLP = fragments.get("networks", "mlp")


def built(**settings):
    return factories.build(MLP.function, 5, {"features": 12}, {**MLP.defaults, **settings})


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("widths", [[], [9], [16, 8]])
def test_it_has_a_linear_layer_a_width_and_a_classifier(widths, batch_norm):
    network = built(widths=widths, batch_norm=batch_norm)
    linear = [module for module in network if isinstance(module, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == list(
        zip([12, *widths], [*widths, 5], strict=True)
    )
    normalised = [m.num_features for m in network if isinstance(m, nn.BatchNorm1d)]
    assert normalised == (widths if batch_norm else [])
    assert network(torch.randn(4, 12)).shape == (4, 5)


def as_convolutions(network):
    """The same network for rows as 1x1 images: each linear layer a 1x1 convolution."""
    layers = []
    for module in copy.deepcopy(network):
        if isinstance(module, nn.Linear):
            convolution = nn.Conv2d(module.in_features, module.out_features, 1)
            convolution.weight.data.copy_(module.weight[:, :, None, None])
            if module.bias is None:
                convolution.bias = None
            else:
                convolution.bias.data.copy_(module.bias)
            layers.append(convolution)
        elif isinstance(module, nn.BatchNorm1d):
            norm = nn.BatchNorm2d(module.num_features)
            norm.load_state_dict(module.state_dict())
            layers.append(norm)
        else:
            layers.append(module)
    return nn.Sequential(*layers, nn.Flatten()).eval()


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("method", fragments.names("compressions"))
def test_its_quantization_is_that_of_one_by_one_convolutions(method, batch_norm):
    torch.manual_seed(1)
    network = built(widths=[10, 8], batch_norm=batch_norm, activation="relu")
    rows = torch.randn(96, 12)
    network(rows)  # running statistics that are not 0 and 1
    network.eval()
    variant = Variant(method, 2.0)
    ours, stored = compress(network, rows, variant, 3, fast(method))
    theirs, expected = compress(
        as_convolutions(network), rows[:, :, None, None], variant, 3, fast(method)
    )
    assert stored.weights.keys() == expected.weights.keys()
    for name, weight in expected.weights.items():
        codes = stored.weights[name].codes
        assert (codes == weight.codes.view_as(codes)).double().mean() > 0.99, name
    assert stored.bits_per_weight == expected.bits_per_weight
    torch.testing.assert_close(ours(rows), theirs(rows[:, :, None, None]), rtol=1e-3, atol=1e-3)

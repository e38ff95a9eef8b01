"""Blocks found from module structure, and the activation that follows a layer."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import densenet121, resnet18, resnet50

from ptq_privacy.graph.blocks import activation_of, find_blocks
from ptq_privacy.graph.folding import fold
from ptq_privacy.graph.trace import evaluation_copy
from ptq_privacy.graph.walk import Walk
from tests.unit.graph.every_block import Network


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return evaluation_copy(Network())


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 1, 6, 6)


def test_blocks_are_modules_outside_containers_with_the_activation_that_follows(network, images):
    blocks = find_blocks(Walk(network, None, images))
    assert [block.name for block in blocks] == [
        "stem.0",
        "body.0",
        "body.1",
        "fork.left",
        "fork.right",
        "head",
    ]
    assert [len(block.layers) for block in blocks] == [1, 2, 2, 1, 1, 1]
    outputs = [str(block.output.target) for block in blocks]
    assert outputs[0] == "stem.1"
    assert "relu" in outputs[1]
    assert outputs[3:] == ["tanh", "fork.right", "head"]
    assert [value.name for value in blocks[2].inputs] == [blocks[1].output.name]


def test_blocks_of_single_layers_are_adarounds(network, images):
    walk = Walk(network, None, images)
    blocks = find_blocks(walk, single_layers=True)
    assert [block.name for block in blocks] == list(walk.layers.values())
    assert blocks[1].output.op == "call_function"  # the relu inside the residual block
    assert blocks[2].output.target == "body.0.conv2"  # whose activation comes after a sum


@pytest.mark.parametrize(
    ("build", "count", "some"),
    [
        (resnet18, 1 + 8 + 1, ["conv1", "layer1.0", "layer4.1", "fc"]),
        (resnet50, 1 + 16 + 1, ["conv1", "layer1.0", "layer3.5", "fc"]),
        (
            densenet121,
            1 + 58 + 3 + 1,
            ["features.conv0", "features.denseblock4.denselayer16", "features.transition3.conv"],
        ),
    ],
)
def test_blocks_of_torchvisions_networks(build, count, some):
    walk = Walk(fold(build(), torch.zeros(1, 3, 32, 32)), None, torch.zeros(1, 3, 32, 32))
    blocks = find_blocks(walk)
    names = [block.name for block in blocks]
    assert len(names) == count
    assert set(some) <= set(names)
    layers = [layer for block in blocks for layer in block.layers]
    assert layers == list(walk.layers)
    assert blocks[0].output.name == ("features_relu0" if "features.conv0" in names else "relu")


def activations(network: nn.Module, channels: int = 1):
    walk = Walk(evaluation_copy(network), None, torch.zeros(1, channels, 32, 32))
    return {name: activation_of(node, walk.full.modules) for node, name in walk.layers.items()}


def test_the_activation_of_a_layer_is_what_its_output_goes_through(network):
    found = activations(network)
    z = torch.randn(5, 4)
    before = z.clone()
    for name, function in (
        ("stem.0", torch.relu),
        ("body.0.conv1", torch.relu),
        ("fork.left", torch.tanh),
    ):
        torch.testing.assert_close(found[name](z), function(z))
    assert torch.equal(z, before)  # the stem's works in place
    assert [name for name, f in found.items() if f is None] == [
        "body.0.conv2",
        "body.1.conv2",
        "fork.right",
        "head",
    ]


@pytest.mark.parametrize(
    ("after", "activated"),
    [
        ([nn.Identity(), nn.SiLU()], True),
        ([nn.Identity()], False),
        ([nn.BatchNorm2d(4), nn.ReLU()], False),
        ([nn.PReLU(4)], False),
        ([nn.MaxPool2d(2), nn.ReLU()], False),
    ],
)
def test_only_functions_of_single_values_count(after, activated):
    found = activations(nn.Sequential(nn.Conv2d(1, 4, 3), *after))["0"]
    assert (found is not None) == activated


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "count"), [(resnet18, 1 + 8), (resnet50, 1 + 2 * 16), (densenet121, 1 + 58)]
)
def test_which_layers_of_torchvisions_networks_are_activated(build, count):
    found = activations(fold(evaluation_copy(build()), torch.zeros(1, 3, 32, 32)), channels=3)
    assert sum(f is not None for f in found.values()) == count

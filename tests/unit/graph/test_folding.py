"""Folding leaves outputs unchanged; re-estimation agrees with one training-mode pass."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import DenseNet
from torchvision.models.resnet import BasicBlock, Bottleneck, conv1x1

from ptq_privacy.graph.folding import fold, reestimate


def random_statistics(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                if tensor is not None:
                    tensor.data.copy_(torch.rand(tensor.shape, generator=generator) + 0.2)
    return network.eval().requires_grad_(False)


class Shared(nn.Module):
    """A convolution whose output is used before its normalisation too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y


NETWORKS = {
    "no bias": (nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)), 1),
    "bias, groups": (nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.BatchNorm2d(6, eps=0.1)), 1),
    "no affine": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)), 1),
    "batch statistics": (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
        0,
    ),
    "before": (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3)), 0),
    "shared": (Shared(), 0),
    "basic block": (
        BasicBlock(3, 6, 2, nn.Sequential(conv1x1(3, 6, 2), nn.BatchNorm2d(6))),
        3,
    ),
    "bottleneck": (
        Bottleneck(3, 2, 1, nn.Sequential(conv1x1(3, 8), nn.BatchNorm2d(8))),
        4,
    ),
    "densenet": (DenseNet(4, (2, 2), 8, num_classes=5), 5),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_folding_leaves_outputs_unchanged(name: str) -> None:
    network, foldable = NETWORKS[name]
    network = random_statistics(copy.deepcopy(network))
    before = copy.deepcopy(network.state_dict())
    x = torch.randn(4, 3, 32, 32)

    folded = fold(network, x)

    torch.testing.assert_close(folded(x), network(x), atol=1e-5, rtol=1e-4)
    norms = [isinstance(module, nn.BatchNorm2d) for module in network.modules()]
    left = [isinstance(module, nn.BatchNorm2d) for module in folded.modules()]
    assert sum(norms) - sum(left) == foldable
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_the_folded_network_is_a_copy_in_eval_mode_with_identities() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    folded = fold(network, torch.zeros(1, 3, 8, 8))
    assert network.training
    assert not folded.training
    assert isinstance(folded[1], nn.Identity)
    assert isinstance(network[1], nn.BatchNorm2d)


def test_reestimated_statistics_are_those_of_all_images_at_once() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        BasicBlock(4, 4),
        nn.Flatten(),
        nn.BatchNorm1d(4 * 36),
    )
    x = torch.randn(300, 3, 8, 8) + 1  # more than two chunks
    expected = copy.deepcopy(network).train()
    for module in expected.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0  # so a pass in training mode leaves its batch's own statistics
    expected(x)

    reestimate(network, x)

    assert not network.training
    for key, value in network.state_dict().items():
        if "running" in key:
            torch.testing.assert_close(value, expected.state_dict()[key], atol=1e-5, rtol=1e-4)

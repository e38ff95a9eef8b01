"""The networks of the study: torchvision's, with the stem that small images need, and small ones.

For 32x32 and 64x64 images the usual ImageNet stem (7x7 convolution of stride 2, then max-pooling)
throws away most of the picture, so it is replaced by one 3x3 convolution of stride 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.models import densenet121, resnet18, resnet50
from torchvision.models.resnet import BasicBlock, conv1x1

SMALL_RESNETS = {
    "resnet6": (8, 16),
    "resnet8-thin": (8, 16, 32),
    "resnet8": (16, 32, 64),
}
"""Stage widths by name; the digit counts weight layers on the main path."""

TORCHVISION = {"resnet18": resnet18, "resnet50": resnet50, "densenet121": densenet121}


class SmallResNet(nn.Module):
    """One torchvision BasicBlock a stage, each stage after the first halving the image."""

    def __init__(self, widths: tuple[int, ...], classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.stages = nn.Sequential(
            *(
                _stage(before, width, stride=1 if index == 0 else 2)
                for index, (before, width) in enumerate(
                    zip((widths[0], *widths), widths, strict=False)
                )
            )
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        features = self.relu(self.bn1(self.conv1(images)))
        features = self.stages(features)  # [N, widths[-1], H / 2^(stages-1), W / 2^(stages-1)]
        return self.fc(self.avgpool(features).flatten(1))  # [N, classes]


def _stage(before: int, width: int, stride: int) -> BasicBlock:
    downsample = None
    if stride != 1 or before != width:
        downsample = nn.Sequential(conv1x1(before, width, stride), nn.BatchNorm2d(width))
    return BasicBlock(before, width, stride, downsample)


def build(name: str, classes: int, channels: int) -> nn.Module:
    """A network with fresh random weights for images [N, channels, H, W].

    Raises:
        ValueError: the name is none of the known architectures.
    """
    if name in SMALL_RESNETS:
        return SmallResNet(SMALL_RESNETS[name], classes, channels)
    if name not in TORCHVISION:
        known = ", ".join([*SMALL_RESNETS, *TORCHVISION])
        raise ValueError(f"architectures: unknown architecture {name!r}; allowed: {known}")
    network = TORCHVISION[name](weights=None, num_classes=classes)
    stem = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    if name == "densenet121":
        network.features.conv0, network.features.pool0 = stem, nn.Identity()
    else:
        network.conv1, network.maxpool = stem, nn.Identity()
    return network


def restore(network: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """Give a network the weights of a checkpoint, which may have batch normalisation folded away.

    Folding leaves its trace in the state: the normalisation's tensors are gone, and the
    convolution before it has a bias. The network is changed to match and returned in eval mode.

    Raises:
        ValueError: the state is not that of this architecture.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d) and f"{name}.weight" not in state:
            network.set_submodule(name, nn.Identity())
        elif isinstance(module, nn.Conv2d) and module.bias is None and f"{name}.bias" in state:
            module.bias = nn.Parameter(torch.empty(module.out_channels))
    try:
        network.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise ValueError(f"the weights do not fit the architecture: {error}") from error
    return network.eval()

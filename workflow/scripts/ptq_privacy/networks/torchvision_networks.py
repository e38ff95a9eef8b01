"""torchvision's networks with the stem that small images need.

For 32x32 and 64x64 images the usual ImageNet stem (7x7 convolution of stride 2, then max-pooling)
throws away most of the picture, so it is replaced by one 3x3 convolution of stride 1.
"""

from __future__ import annotations

from torch import nn


def resnet18(classes: int, channels: int) -> nn.Module:
    """ResNet-18 (He et al. 2016) for images [N, channels, H, W]."""
    return _resnet("resnet18", classes, channels)


def resnet50(classes: int, channels: int) -> nn.Module:
    """ResNet-50 (He et al. 2016) for images [N, channels, H, W]."""
    return _resnet("resnet50", classes, channels)


def densenet121(classes: int, channels: int) -> nn.Module:
    """DenseNet-121 (Huang et al. 2017) for images [N, channels, H, W]."""
    network = _published("densenet121", classes)
    network.set_submodule("features.conv0", _stem(channels))
    network.set_submodule("features.pool0", nn.Identity())
    return network


def _resnet(name: str, classes: int, channels: int) -> nn.Module:
    network = _published(name, classes)
    network.conv1, network.maxpool = _stem(channels), nn.Identity()
    return network


def _published(name: str, classes: int) -> nn.Module:
    # Not at the top: it takes as long to import as torch itself, which each job would pay.
    from torchvision import models

    return models.get_model(name, weights=None, num_classes=classes)


def _stem(channels: int) -> nn.Conv2d:
    stem = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    return stem

"""torchvision's networks: the study's with the stem that small images need, others as they are.

For 32x32 and 64x64 images the usual ImageNet stem (7x7 convolution of stride 2, then max-pooling)
throws away most of the picture, so in the study's networks it is replaced by one 3x3 convolution of
stride 1.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

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


def as_published(
    classes: int, channels: int, model: str, arguments: Mapping[str, Any] | None = None
) -> nn.Module:
    """Any of torchvision's classification networks, without changes but in size.

    Args:
        classes, channels: of the data set; the first convolution is a new one where it does not
            take as many channels.
        model: its name there, such as "mobilenet_v2".
        arguments: of its own, such as image_size for a vision transformer. Auxiliary classifiers,
            which answer in training only, are left out.

    Raises:
        ValueError: torchvision has no such network.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if model not in known:
        raise ValueError(f"model: {model!r}; allowed: {', '.join(known)}")
    usual: dict[str, Any] = {"weights": None, "num_classes": classes}
    if model in ("googlenet", "inception_v3"):
        usual |= {"aux_logits": False, "init_weights": True}
    network: nn.Module = models.get_model(model, **usual, **(arguments or {}))
    name, first = next((n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d))
    if first.in_channels != channels:
        network.set_submodule(name, _with_channels(first, channels))
    return network


def _with_channels(layer: nn.Conv2d, channels: int) -> nn.Conv2d:
    """A fresh convolution like another that takes other channels."""
    names = list(inspect.signature(nn.Conv2d).parameters)
    options = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    options |= {"in_channels": channels, "bias": layer.bias is not None}
    return nn.Conv2d(**options)

"""The networks of the study: torchvision's, with the stem that small images need, and small ones.

For 32x32 and 64x64 images the usual ImageNet stem (7x7 convolution of stride 2, then max-pooling)
throws away most of the picture, so it is replaced by one 3x3 convolution of stride 1.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ptq_privacy.models import own

SMALL_RESNETS = {
    "resnet6": (8, 16),
    "resnet8-thin": (8, 16, 32),
    "resnet8": (16, 32, 64),
}
"""Stage widths by name; the digit counts weight layers on the main path."""

TORCHVISION = ("resnet18", "resnet50", "densenet121")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016), its parts named as torchvision's."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        downsample: nn.Module = nn.Identity()
        if stride != 1 or before != width:
            shortcut = nn.Conv2d(before, width, 1, stride, bias=False)
            downsample = nn.Sequential(shortcut, nn.BatchNorm2d(width))
        self.conv1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, features: Tensor) -> Tensor:
        change = self.relu(self.bn1(self.conv1(features)))
        return self.relu(self.bn2(self.conv2(change)) + self.downsample(features))


class SmallResNet(nn.Module):
    """One basic block a stage, each stage after the first halving the image."""

    def __init__(self, widths: tuple[int, ...], classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.stages = nn.Sequential(
            *(
                BasicBlock(before, width, stride=1 if index == 0 else 2)
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


def build(name: str, classes: int, channels: int) -> nn.Module:
    """A network with fresh random weights for images [N, channels, H, W].

    `name` is one of the known architectures, or the `package.module:factory` of your own.

    Raises:
        ValueError: the name is none of the known architectures; or as `own.build`.
    """
    if ":" in name:
        return own.build(name, classes, channels)
    if name in SMALL_RESNETS:
        return SmallResNet(SMALL_RESNETS[name], classes, channels)
    if name not in TORCHVISION:
        known = ", ".join([*SMALL_RESNETS, *TORCHVISION])
        raise ValueError(
            f"architectures: unknown architecture {name!r}; allowed: {known}, "
            "or your own's MODULE:FACTORY"
        )
    # Not at the top: it takes as long to import as torch itself, which each job would pay.
    from torchvision import models

    network = models.get_model(name, weights=None, num_classes=classes)
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
    folded, biased = [], 0
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d) and f"{name}.weight" not in state:
            folded.append(name)
            network.set_submodule(name, nn.Identity())
        elif isinstance(module, nn.Conv2d) and f"{name}.bias" in state:
            biased += 1
            if module.bias is None:
                module.bias = nn.Parameter(module.weight.new_empty(module.out_channels))
    if len(folded) > biased:
        raise ValueError(
            f"the weights do not fit the architecture: normalisations {', '.join(folded)} are "
            f"missing, and {biased} convolutions have the bias that folding leaves"
        )
    try:
        network.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the weights do not fit the architecture: {reason}") from error
    return network.eval()

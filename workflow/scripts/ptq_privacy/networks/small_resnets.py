"""Small residual networks: one basic block a stage, for images of some ten to thirty pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

GROUP = 8  # channels


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016), its parts named as torchvision's."""

    def __init__(
        self, before: int, width: int, stride: int, normalise: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        downsample: nn.Module = nn.Identity()
        if stride != 1 or before != width:
            shortcut = nn.Conv2d(before, width, 1, stride, bias=False)
            downsample = nn.Sequential(shortcut, normalise(width))
        self.conv1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
        self.bn1 = normalise(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = normalise(width)
        self.downsample = downsample

    def forward(self, features: Tensor) -> Tensor:
        change = self.relu(self.bn1(self.conv1(features)))
        return self.relu(self.bn2(self.conv2(change)) + self.downsample(features))


class SmallResNet(nn.Module):
    """One basic block a stage, each stage after the first halving the image."""

    def __init__(
        self,
        widths: Sequence[int],
        classes: int,
        channels: int,
        normalise: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = normalise(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.stages = nn.Sequential(
            *(
                BasicBlock(before, width, 1 if index == 0 else 2, normalise)
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


def in_groups(width: int) -> nn.Module:
    """Group normalisation (Wu and He 2018) of `GROUP` channels a group, or somewhat more.

    A group of one channel would have one value where the image has shrunk to one pixel, and a
    single value less its own mean is nothing.

    Raises:
        ValueError: there is one channel.
    """
    if width == 1:
        raise ValueError("normalisation: group needs two channels in every stage, and one has 1")
    groups = (n for n in range(1, width + 1) if width % n == 0 and width // n >= min(GROUP, width))
    return nn.GroupNorm(max(groups), width)


NORMALISATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": in_groups,
}


def build(
    classes: int,
    channels: int,
    widths: Sequence[int],
    multiple: float = 1,
    normalisation: str = "batch",
) -> nn.Module:
    """A network with fresh random weights for images [N, channels, H, W].

    Args:
        classes: logits of each image.
        channels: of the images.
        widths: channels of each stage.
        multiple: of these that there are, rounded, and one at least.
        normalisation: a key of `NORMALISATIONS`.

    Raises:
        ValueError: group normalisation of a single channel.
    """
    wide = [max(1, round(multiple * width)) for width in widths]
    return SmallResNet(wide, classes, channels, NORMALISATIONS[normalisation])

"""Networks of one's own, and a compression, as a config would name them, for tests."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models
from torchvision.models.resnet import BasicBlock


class Own(nn.Module):
    """Parts that none of the built-in networks has: groups, biases, a scale and a constant."""

    def __init__(self, classes: int, channels: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.grouped = nn.Conv2d(width, 2 * width, 3, stride=2, groups=2)
        self.late = nn.BatchNorm2d(2 * width)
        self.scale = nn.Parameter(torch.rand(2 * width, 1, 1) + 0.5)
        self.register_buffer("shift", torch.rand(1))
        self.hidden = nn.Linear(2 * width, width, bias=False)
        self.layer_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm(self.first(images)))
        x = self.late(F.relu(self.grouped(x))) * self.scale + self.shift
        return self.head(self.dropout(F.gelu(self.layer_norm(self.hidden(x.mean((2, 3)))))))


def own(classes: int, channels: int, width: int) -> nn.Module:
    return Own(classes, channels, width)


class Narrow(models.ResNet):
    """A torchvision ResNet with an eighth of the channels after the stem."""

    def _make_layer(self, block, planes: int, *arguments, **options) -> nn.Sequential:
        return super()._make_layer(block, planes // 8, *arguments, **options)


def narrow_resnet18(classes: int, channels: int) -> nn.Module:
    network = Narrow(BasicBlock, [2, 2, 2, 2])
    network.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    network.fc = nn.Linear(64, classes)
    return network


def thin_densenet121(classes: int, channels: int) -> nn.Module:
    network = models.DenseNet(4, (6, 12, 24, 16), 8, bn_size=2, num_classes=classes)
    network.features.conv0 = nn.Conv2d(channels, 8, 3, padding=1, bias=False)
    network.features.pool0 = nn.Identity()
    return network


def mnasnet(classes: int, channels: int) -> nn.Module:
    """It reads its state by its module's version."""
    network = models.mnasnet0_5(num_classes=classes)
    network.layers[0] = nn.Conv2d(channels, 16, 3, padding=1, stride=2, bias=False)
    return network


def halved(network, inputs, bits, head_bits, seed, share):
    """A compression: the smallest weights of each layer are zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            size = module.weight.abs()
            module.weight[size < size.flatten().quantile(share)] = 0
    return network, bits


def small_vit(classes: int, channels: int) -> nn.Module:
    """torchvision's vision transformer, whose attention torch keeps as one layer."""
    assert channels == 3
    return models.VisionTransformer(8, 4, 1, 2, 8, 16, num_classes=classes)


class Attending(nn.Module):
    """Four patches of an image, attending to each other."""

    def __init__(self, classes, channels):
        super().__init__()
        self.patches = nn.Conv2d(channels, 8, 4, 4)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 12, dropout=0, batch_first=True)
        self.head = nn.Linear(8, classes)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        return self.head(self.encoder(x).mean(1))


def attending(classes, channels):
    return Attending(classes, channels)

"""Every family of torchvision's classification networks: all methods pass, or say what they cannot.

The blocks are torchvision's own, at a small width and depth, on small images.
"""

from functools import partial

import pytest
import torch
from torch import nn
from torchvision.models import (
    ConvNeXt,
    EfficientNet,
    MNASNet,
    ShuffleNetV2,
    SwinTransformer,
    VisionTransformer,
    alexnet,
    mobilenet_v2,
    mobilenet_v3_small,
    squeezenet1_1,
)
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import FusedMBConvConfig, MBConvConfig
from torchvision.models.googlenet import BasicConv2d, Inception
from torchvision.models.inception import InceptionC
from torchvision.models.maxvit import MaxVit
from torchvision.models.regnet import BlockParams, RegNet
from torchvision.models.resnet import Bottleneck
from torchvision.models.swin_transformer import SwinTransformerBlockV2
from torchvision.models.vgg import VGG, make_layers

from ptq_privacy.compression import Stored, compress
from ptq_privacy.graph.folding import reestimate
from ptq_privacy.graph.trace import evaluation_copy
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant
from tests.unit.compression.fast import fast

METHODS = fragments.names("compressions")
CLASSES = 5
IMAGES = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def efficientnet() -> nn.Module:
    blocks = [MBConvConfig(2, 3, 2, 8, 8, 2, 1.0, 1.0), MBConvConfig(2, 5, 1, 8, 16, 1, 1.0, 1.0)]
    return EfficientNet(blocks, 0.1, last_channel=32, num_classes=CLASSES)


def efficientnet_v2() -> nn.Module:
    blocks = [FusedMBConvConfig(2, 3, 2, 8, 8, 2), MBConvConfig(2, 3, 2, 8, 16, 1, 1.0, 1.0)]
    return EfficientNet(blocks, 0.1, last_channel=32, num_classes=CLASSES)


def regnet(se_ratio: float | None) -> nn.Module:
    known = {"depth": 4, "w_0": 16, "w_a": 8.0, "w_m": 2.0, "group_width": 8, "se_ratio": se_ratio}
    return RegNet(BlockParams.from_init_params(**known), num_classes=CLASSES)


def vgg() -> nn.Module:
    """With a classifier of a small width: the published one takes 25,088 inputs."""
    network = VGG(make_layers([8, "M", 16, "M"], batch_norm=True), num_classes=CLASSES)
    network.classifier = nn.Sequential(
        nn.Linear(16 * 49, 24), nn.ReLU(True), nn.Dropout(), nn.Linear(24, CLASSES)
    )
    return network


def alex() -> nn.Module:
    network = alexnet(num_classes=CLASSES)
    network.features = nn.Sequential(*network.features[:3], nn.Conv2d(64, 16, 3))
    network.classifier = nn.Sequential(nn.Dropout(), nn.Linear(16 * 36, CLASSES))
    return network


def ended(*blocks: nn.Module, width: int) -> nn.Module:
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*blocks, pool, nn.Linear(width, CLASSES))


def googlenet() -> nn.Module:
    stem = BasicConv2d(3, 8, kernel_size=7, stride=2, padding=3)
    return ended(stem, Inception(8, 4, 4, 6, 2, 4, 4), Inception(18, 4, 4, 6, 2, 4, 4), width=18)


def inception() -> nn.Module:
    stem = BasicConv2d(3, 8, kernel_size=3, stride=2)
    return ended(stem, InceptionC(8, 4), width=768)


def resnext() -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    blocks = (Bottleneck(16, 4, groups=2), Bottleneck(16, 4, groups=4))
    return ended(stem, *blocks, width=16)


def swin(**more) -> nn.Module:
    return SwinTransformer([2, 2], 12, [2, 2], [2, 4], [3, 3], num_classes=CLASSES, **more)


FAMILIES = {
    "MobileNetV2": partial(mobilenet_v2, num_classes=CLASSES, width_mult=0.1),
    "MobileNetV3": partial(mobilenet_v3_small, num_classes=CLASSES, width_mult=0.1),
    "EfficientNet": efficientnet,
    "EfficientNetV2": efficientnet_v2,
    "RegNetX": partial(regnet, None),
    "RegNetY": partial(regnet, 0.25),
    "ResNeXt": resnext,
    "ShuffleNetV2": partial(ShuffleNetV2, [1, 2, 1], [8, 16, 24, 32, 48], CLASSES),
    "SqueezeNet": partial(squeezenet1_1, num_classes=CLASSES),
    "VGG": vgg,
    "AlexNet": alex,
    "GoogLeNet": googlenet,
    "Inception": inception,
    "ConvNeXt": lambda: ConvNeXt(
        [CNBlockConfig(8, 16, 2), CNBlockConfig(16, None, 1)], num_classes=CLASSES
    ),
    "MNASNet": partial(MNASNet, 0.1, CLASSES),
    "ViT": lambda: VisionTransformer(32, 8, 2, 2, 16, 24, num_classes=CLASSES),
    "Swin": swin,
    "MaxViT": lambda: MaxVit((32, 32), 8, 2, [8, 16], [1, 2], 4, 0.1, num_classes=CLASSES),
}


def made(name: str) -> nn.Module:
    """A network as after training: its normalisations know its inputs."""
    torch.manual_seed(0)
    network = evaluation_copy(FAMILIES[name]())
    return reestimate(network, IMAGES) if name not in ("ViT", "Swin") else network


def check(network: nn.Module, result: nn.Module, stored: Stored) -> None:
    """No matrix stays at 32 bits but those that enter no product; the last layer is the head."""
    kept = {
        name: parameter.numel()
        for name, parameter in network.named_parameters()
        if parameter.ndim > 1 and name not in stored.weights
    }
    parts = ("position", "class_token", "layer_scale", "pos_embedding")
    assert all(any(part in name for part in parts) for name in kept)
    found = [weight.grid.levels for weight in stored.weights.values()]
    assert sorted(found) == [3] * (len(found) - 1) + [256]
    for name, weight in stored.weights.items():
        own = result.get_parameter(name)
        assert torch.equal(own, weight.values.view_as(own))
    with torch.no_grad():
        assert torch.isfinite(result(IMAGES)).all()


def compressed(name: str, method: str) -> tuple[nn.Module, nn.Module, Stored]:
    network = made(name)
    settings = fast(method, iterations=2, batch=4)
    return network, *compress(network, IMAGES, Variant(method, 1.58, 8.0), 0, settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_quantized_whole(name):
    check(*compressed(name, "nearest"))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["brecq", "obc", "refit"])  # BRECQ begins with AdaRound
@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_passes_every_method(name, method):
    check(*compressed(name, method))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "Swin"])
def test_the_published_adaround_learns_layers_that_see_windows_and_channels(name):
    network = made(name)
    settings = {**fast("adaround", iterations=2, batch=4), "solver": "reference"}
    check(network, *compress(network, IMAGES, Variant("adaround", 1.58, 8.0), 0, settings))


@pytest.mark.parametrize("method", METHODS)
def test_what_no_method_can_take_is_refused_by_name(method):
    network = evaluation_copy(swin(block=SwinTransformerBlockV2))
    message = r"^parameter 'features.1.0.attn.qkv.weight': it enters a matrix product"
    with pytest.raises(ValueError, match=message):
        compress(network, IMAGES, Variant(method, 2.0), 0, fast(method))

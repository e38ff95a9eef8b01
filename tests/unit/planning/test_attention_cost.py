"""The plan of a network with attention counts its linear maps, which torch hides in one module."""

from torch import nn
from torchvision.models.vision_transformer import VisionTransformer

from ptq_privacy.networks.factories import Factory
from ptq_privacy.planning.network_cost import measure

WIDTH, HIDDEN, TOKENS = 16, 24, 17


def small(classes: int, channels: int) -> nn.Module:
    return VisionTransformer(32, 8, 2, 2, WIDTH, HIDDEN, num_classes=classes)


def test_maps_of_attention_are_layers_of_the_plan():
    found = measure(Factory(f"{__name__}:small", {}, 5, (3, 32, 32), {"channels": 3}))
    assert len(found.layers) == 1 + 2 * 6 + 1
    block = 4 * WIDTH * WIDTH + 2 * WIDTH * HIDDEN
    assert found.weights == 3 * 64 * WIDTH + 2 * block + 5 * WIDTH
    maps = [layer for layer in found.layers if layer.name.endswith(("query", "key", "value"))]
    assert {(la.out, la.d, la.positions) for la in maps} == {(WIDTH, WIDTH, TOKENS)}
    products = 2 * 2 * TOKENS * TOKENS * WIDTH * 2  # of queries and keys, and with values
    flops = 2 * (TOKENS - 1) * 3 * 64 * WIDTH + 2 * (2 * TOKENS * block) + products + 2 * 5 * WIDTH
    assert found.flops == flops

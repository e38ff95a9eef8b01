"""No weight stays in float32 without a word: a matrix product's is a layer's, or is named."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.swin_transformer import SwinTransformer, SwinTransformerBlockV2

from ptq_privacy.compression import compress, quantizable
from ptq_privacy.graph.trace import evaluation_copy
from ptq_privacy.study.variants import Variant

WIDTH, COUNT = 6, 2
SAMPLE = torch.randn(COUNT, WIDTH, generator=torch.Generator().manual_seed(0))
RECIPE = Variant("nearest", 2.0)


class Hidden(nn.Module):
    """A Linear layer, and another weight that is used in a way of its own."""

    def __init__(self, use, *shape: int) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH)
        self.weight = nn.Parameter(torch.randn(*(shape or (WIDTH, WIDTH))))
        self.use = use

    def forward(self, x: Tensor) -> Tensor:
        return self.use(self.first(x), self.weight)


PRODUCTS = {
    "by @": (lambda x, w: x @ w, "mm"),
    "through linear()": (lambda x, w: F.linear(x, w), "mm"),
    "through addmm()": (lambda x, w: torch.addmm(x, x, w), "addmm"),
    "transposed and scaled": (lambda x, w: x @ (w * 0.5).t(), "mm"),
    "normalised": (lambda x, w: F.linear(x, w / w.norm(dim=1, keepdim=True)), "mm"),
    "through einsum()": (lambda x, w: torch.einsum("ni,oi->no", x, w), "bmm"),
    "by cosine": (lambda x, w: F.normalize(x) @ F.normalize(w).T, "mm"),
    "by distances": (lambda x, w: -torch.cdist(x, w), "_cdist_forward"),
    "low rank": (lambda x, w: x @ (w[:, :2] @ w[:2]), "mm"),
    "through conv1d()": (lambda x, w: F.conv1d(x[:, None], w[:, None])[:, :, 0], "convolution"),
    "as queries": (
        lambda x, w: F.scaled_dot_product_attention(w[None], x[None], x[None])[0],
        "_scaled_dot_product_flash_attention_for_cpu",
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_weight_in_a_matrix_product_of_its_own_is_refused_by_name(name):
    use, operation = PRODUCTS[name]
    network = Hidden(use).eval()
    with pytest.raises(ValueError, match=r"^parameter 'weight': .* \(" + operation) as caught:
        compress(network, SAMPLE, RECIPE, seed=0)
    assert "\n" not in str(caught.value)
    assert "Conv2d, Linear, Embedding and MultiheadAttention" in str(caught.value)


def test_a_vector_in_a_matrix_product_too():
    with pytest.raises(ValueError, match="^parameter 'weight': "):
        quantizable(Hidden(lambda x, w: x + (x @ w)[:, None], WIDTH).eval(), SAMPLE, [RECIPE])


ELEMENTWISE = {
    "added": lambda x, w: x + w[:COUNT],
    "multiplied": lambda x, w: x * w.sum(0),
    "indexed": lambda x, w: x + w[torch.arange(COUNT)],
    "through embedding()": lambda x, w: x + F.embedding(torch.arange(COUNT), w),
    "concatenated": lambda x, w: torch.cat([w[:1].expand(COUNT, -1), x], 1)[:, :WIDTH],
    "as a mask of attention": lambda x, w: F.scaled_dot_product_attention(
        x[None], x[None], x[None], attn_mask=w[:COUNT, :COUNT][None]
    )[0],
    "beside a product": lambda x, w: torch.addmm(w[:COUNT], x, x.T @ x),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_parameter_that_is_no_factor_stays_and_is_counted_at_32_bits(name):
    network = Hidden(ELEMENTWISE[name]).eval()
    result, stored = compress(network, SAMPLE, RECIPE, seed=0)
    assert torch.equal(result.weight, network.weight)
    assert list(stored.weights) == ["first.weight"]
    packed = WIDTH * (8 * 2 + 32 + 8)  # six codes of two bits in two bytes; scale and zero point
    expected = (packed + 32 * WIDTH * WIDTH) / (2 * WIDTH * WIDTH)
    assert stored.bits_per_weight == pytest.approx(expected)


def test_a_layers_output_may_meet_others_in_products():
    """Attention of one's own: the weights are the layers', the products are of activations."""

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
            self.learned = nn.Parameter(torch.randn(3, WIDTH))

        def forward(self, x: Tensor) -> Tensor:
            return (self.query(self.learned) @ self.key(x).T).T

    _, stored = compress(Own().eval(), SAMPLE, RECIPE, seed=0)
    assert list(stored.weights) == ["query.weight", "key.weight"]
    assert stored.bits_per_weight > 32 * 18 / (2 * 36 + 18)


class Linears(nn.Module):
    def __init__(self, forward) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.calls = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.calls(self, x)


def test_a_layer_that_is_never_called_is_named():
    network = Linears(lambda own, x: own.one(x)).eval()
    with pytest.raises(ValueError, match="^layer 'two': it is never called"):
        compress(network, SAMPLE, RECIPE, seed=0)


def test_a_layer_whose_weight_is_used_beside_its_call_is_named():
    network = Linears(lambda own, x: own.two(own.one(x)) @ own.one.weight).eval()
    with pytest.raises(ValueError, match=r"^parameter 'one.weight': it enters a matrix product"):
        compress(network, SAMPLE, RECIPE, seed=0)


def test_layers_that_share_a_weight_are_named():
    network = Linears(lambda own, x: own.two(own.one(x))).eval()
    network.two.weight = network.one.weight
    with pytest.raises(ValueError, match=r"'one.weight' and 'two.weight' are one"):
        compress(network, SAMPLE, RECIPE, seed=0)


def test_one_layer_by_two_names_is_one_layer():
    network = Linears(lambda own, x: own.two(own.one(x))).eval()
    network.again = network.one
    _, stored = compress(network, SAMPLE, RECIPE, seed=0)
    assert list(stored.weights) == ["one.weight", "two.weight"]


@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_weight_that_a_hook_computes_is_named(norm):
    network = nn.Sequential(norm(nn.Linear(WIDTH, 3))).eval()
    with pytest.raises(ValueError, match="layer '0': its weight is computed"):
        quantizable(network, SAMPLE, [RECIPE])
    with pytest.raises(ValueError, match="its weight is computed|Sequential cannot be copied"):
        compress(network, SAMPLE, RECIPE, seed=0)


def test_swin_of_the_second_version_is_refused_by_name():
    known = {"num_classes": 5, "block": SwinTransformerBlockV2}
    network = SwinTransformer([2, 2], 12, [2], [2], [3, 3], **known).eval()
    with pytest.raises(ValueError, match=r"^parameter 'features.1.0.attn.qkv.weight'"):
        quantizable(evaluation_copy(network), torch.randn(1, 3, 12, 12), [RECIPE])


def test_a_stored_constant_is_counted():
    class Blurred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kernel", torch.eye(WIDTH))
            self.first = nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            return self.first(x @ self.kernel)

    _, stored = compress(Blurred().eval(), SAMPLE, RECIPE, seed=0)
    assert stored.bits_per_weight > 16


def test_wide_layers_are_refused_where_second_moments_would_be_too_large():
    network = nn.Sequential(nn.Linear(20_000, 2)).eval()
    for method in ("obc", "refit"):
        with pytest.raises(ValueError, match=f"layer '0': 20,000 inputs .* {method}; .* 16,384"):
            quantizable(network, torch.zeros(2, 20_000), [Variant(method, 2.0)])
    quantizable(network, torch.zeros(2, 20_000), [Variant("adaround", 2.0)])

"""Attention taken apart into its linear maps, so that these are quantized like other layers.

torch's nn.MultiheadAttention keeps weights in parameters of its own and uses them through a
function, and torchvision's Swin passes its layers' weights to one: no graph shows these as layers.
Here each such module is replaced by one that computes the same through Linear layers, and is put
back in its place once they are quantized.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from ptq_privacy.graph.windows import merge, partition, shift_within, window_mask

fx.wrap("partition")  # leaves of a graph, in this module too
fx.wrap("merge")

Rows = Mapping[str, list[str]]
"""A parameter's name, and the layers whose weights stand in it one below the other."""


class Attention(nn.Module):
    """What nn.MultiheadAttention computes in eval mode, by four Linear layers.

    It returns no attention weights: None stands in their place.
    """

    in_proj_bias = None  # asked for by nn.TransformerEncoderLayer, which then takes no short cut

    def __init__(self, whole: nn.MultiheadAttention) -> None:
        super().__init__()
        self.kept = (whole,)  # in a tuple it is no submodule
        self.heads, self.batch_first = whole.num_heads, whole.batch_first
        if whole.in_proj_weight is not None:
            weights = list(whole.in_proj_weight.chunk(3))
        else:
            weights = [whole.q_proj_weight, whole.k_proj_weight, whole.v_proj_weight]
        biases = [None] * 3 if whole.in_proj_bias is None else list(whole.in_proj_bias.chunk(3))
        maps = [_linear(*known) for known in zip(weights, biases, strict=True)]
        self.query, self.key, self.value = maps
        self.out_proj = whole.out_proj

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        maps = self.query(query), self.key(key), self.value(value)
        mixed = attend(*maps, self.heads, self.batch_first, key_padding_mask, attn_mask)
        return self.out_proj(mixed), None

    def put_back(self) -> tuple[nn.Module, Rows]:
        """The module that this one stands for, with the weights of today."""
        whole = copy.deepcopy(self.kept[0])
        maps = {"q": self.query, "k": self.key, "v": self.value}
        with torch.no_grad():
            if whole.in_proj_weight is not None:
                whole.in_proj_weight.copy_(torch.cat([m.weight for m in maps.values()]))
                rows = {"in_proj_weight": ["query", "key", "value"]}
            else:
                names = {f"{letter}_proj_weight": part for letter, part in maps.items()}
                for name, part in names.items():
                    getattr(whole, name).copy_(part.weight)
                rows = dict(zip(names, (["query"], ["key"], ["value"]), strict=True))
            if whole.in_proj_bias is not None:
                whole.in_proj_bias.copy_(torch.cat([m.bias for m in maps.values()]))
        whole.out_proj = self.out_proj
        return whole, rows


class EncoderStack(nn.Module):
    """nn.TransformerEncoder without its switches, of which a graph could hold none."""

    def __init__(self, whole: nn.TransformerEncoder) -> None:
        super().__init__()
        self.kept = (whole,)
        self.layers, self.norm = whole.layers, whole.norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask)
        return src if self.norm is None else self.norm(src)

    def put_back(self) -> tuple[nn.Module, Rows]:
        """The module that this one stands for, with the layers of today."""
        whole = copy.deepcopy(self.kept[0])
        whole.layers, whole.norm = self.layers, self.norm
        return whole, {}


class WindowAttention(nn.Module):
    """torchvision's ShiftedWindowAttention (Liu et al. 2021) in eval mode, by calls of its layers.

    From [N, H, W, channels] to the same.
    """

    def __init__(self, whole: Any) -> None:
        super().__init__()
        self.kept = (whole,)
        self.window, self.shift, self.heads = whole.window_size, whole.shift_size, whole.num_heads
        self.qkv, self.proj = whole.qkv, whole.proj
        self.relative_position_bias_table = whole.relative_position_bias_table
        self.register_buffer("relative_position_index", whole.relative_position_index)

    def forward(self, x: Tensor) -> Tensor:
        table = self.relative_position_bias_table[self.relative_position_index]
        qkv = self.qkv(partition(x, self.window, self.shift))
        mixed = attend_in_windows(qkv, table, x, self.window, self.shift, self.heads)
        return merge(self.proj(mixed), x, self.window, self.shift)

    def put_back(self) -> tuple[nn.Module, Rows]:
        """The module that this one stands for, with the layers of today."""
        whole = copy.deepcopy(self.kept[0])
        whole.qkv, whole.proj = self.qkv, self.proj
        return whole, {}


@fx.wrap
def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    batch_first: bool,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
) -> Tensor:
    """Scaled dot products, head by head; masks as nn.MultiheadAttention takes them.

    Args:
        query, key, value: [N, length, width], or [length, N, width] if not `batch_first`.
    """

    def split(x: Tensor) -> Tensor:
        x = x if batch_first else x.transpose(0, 1)
        return x.unflatten(2, (heads, -1)).transpose(1, 2)  # [N, heads, length, width / heads]

    mask = torch.zeros((), dtype=query.dtype, device=query.device)
    if attn_mask is not None:
        added = _additive(attn_mask, query)
        mask = mask + (added.unflatten(0, (-1, heads)) if added.ndim == 3 else added)
    if key_padding_mask is not None:
        mask = mask + _additive(key_padding_mask, query)[:, None, None]
    mixed = F.scaled_dot_product_attention(
        split(query), split(key), split(value), mask if mask.ndim else None
    )
    mixed = mixed.transpose(1, 2).flatten(2)
    return mixed if batch_first else mixed.transpose(0, 1)


def _additive(mask: Tensor, like: Tensor) -> Tensor:
    """A mask whose True says "leave out" as one that is added to the products."""
    if mask.dtype != torch.bool:
        return mask.to(like)
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(
        mask, -torch.inf
    )


@fx.wrap
def attend_in_windows(
    qkv: Tensor, table: Tensor, x: Tensor, window: list[int], shift: list[int], heads: int
) -> Tensor:
    """The same within each window: section 3.2 of Liu et al. (2021).

    Args:
        qkv: queries, keys and values side by side, [windows, positions, 3 channels].
        table: the bias of each pair of positions, [positions * positions, heads].
        x: what was cut into windows, [N, H, W, channels].
    """
    positions = qkv.shape[1]
    query, key, value = qkv.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    bias = table.view(positions, positions, heads).permute(2, 0, 1)[None]
    shifted = shift_within(x, window, shift)
    if any(shifted):
        mask = window_mask(x, window, shifted)  # [windows of an image, positions, positions]
        bias = bias + mask.repeat(len(qkv) // len(mask), 1, 1)[:, None]
    return F.scaled_dot_product_attention(query, key, value, bias).transpose(1, 2).flatten(2)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A Linear layer of given values."""
    layer = nn.Linear(weight.shape[1], len(weight), bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return layer.eval()


TAKEN_APART = {
    ("torch.nn.modules.transformer", "TransformerEncoder"): EncoderStack,
    ("torch.nn.modules.activation", "MultiheadAttention"): Attention,
    ("torchvision.models.swin_transformer", "ShiftedWindowAttention"): WindowAttention,
}
"""By module and class: torchvision takes as long to import as torch, and few need it."""


def taken_apart(network: nn.Module, sample: Tensor | None) -> nn.Module:
    """A network whose attention consists of Linear layers, in eval mode; the network itself if it
    has none.

    Args:
        network: in eval mode; left untouched.
        sample: some inputs, on which the two must agree; None: they are known to.

    Raises:
        ValueError: a module cannot be taken apart; names it.
    """
    if not any(_kind(module) in TAKEN_APART for module in network.modules()):
        return network
    apart = copy.deepcopy(network)
    found = []
    for kind, replacement in TAKEN_APART.items():
        for name, module in list(apart.named_modules()):
            if _kind(module) == kind and name:
                _check_whole(name, module)
                apart.set_submodule(name, replacement(module))
                found.append(name)
    apart.eval()  # new modules begin in training mode
    if sample is None:
        return apart
    with torch.no_grad():
        expected = network(sample)
        try:
            reached = apart(sample)
        except Exception as error:  # whatever the network does with what it gets
            raise _differs(found[0], f"{type(error).__name__}: {error}") from error
        if not torch.allclose(
            reached, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())
        ):
            gap = float((reached - expected).abs().max())
            raise _differs(found[0], f"its logits differ by {gap:.2g}")
    return apart


def _kind(module: nn.Module) -> tuple[str, str]:
    return type(module).__module__, type(module).__name__


def _check_whole(name: str, module: nn.Module) -> None:
    if isinstance(module, nn.MultiheadAttention) and (
        module.bias_k is not None or module.add_zero_attn
    ):
        raise ValueError(
            f"layer {name!r}: MultiheadAttention with add_bias_kv or add_zero_attn cannot be "
            "quantized; allowed: without these"
        )


def _differs(name: str, reason: str) -> ValueError:
    return ValueError(
        f"layer {name!r}: computed through Linear layers the network is another one ({reason}); "
        "attention is supported whose weights are not returned and that has no hooks"
    )


def put_back(network: nn.Module) -> tuple[nn.Module, dict[str, list[str]]]:
    """The network as it was before `taken_apart`, with the weights of today.

    Returns:
        It, and for each parameter in which several layers' weights stand the layers, in the order
        of their rows. All other layers' weights are `{layer}.weight`, as ever.
    """
    rows: dict[str, list[str]] = {}
    for name, module in list(network.named_modules()):
        if isinstance(module, Attention | EncoderStack | WindowAttention):
            whole, own = module.put_back()
            network.set_submodule(name, whole)
            rows |= {
                f"{name}.{parameter}": [f"{name}.{layer}" for layer in layers]
                for parameter, layers in own.items()
            }
    return network, rows

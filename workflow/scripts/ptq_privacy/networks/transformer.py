"""A small transformer encoder for tokens (Vaswani et al. 2017): pre-norm, mean pooling, one logit a
class.

Attention has a linear layer each for queries, keys, values and what comes out, so all of them are
seen as layers. Places in the text have an embedding of their own, which is quantized row by row as
that of the tokens is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MASKED = -1e9
"""What padding adds to an attention's products. It is a number, not a truth value, since methods
that learn block by block keep what a block is given as activations."""


class SelfAttention(nn.Module):
    """Attention with several heads over the tokens of a text, padding left out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """From [N, length, width] to the same; `mask` [N, length] is 0 or, at padding, `MASKED`."""
        maps = (self.query(features), self.key(features), self.value(features))
        query, key, value = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in maps)
        products = query @ key.transpose(2, 3) * query.shape[3] ** -0.5  # [N, heads, L, L]
        weights = (products + mask[:, None, None]).softmax(3)
        return self.out_proj((weights @ value).transpose(1, 2).flatten(2))


class EncoderBlock(nn.Module):
    """Attention, then two linear layers, each on what a normalisation gives it and beside it."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.gelu = nn.GELU()
        self.linear2 = nn.Linear(hidden, width)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        features = features + self.attention(self.norm1(features), mask)
        return features + self.linear2(self.gelu(self.linear1(self.norm2(features))))


class Transformer(nn.Module):
    """Embeddings of tokens and places, blocks, and the mean over a text's tokens."""

    places: Tensor

    def __init__(
        self, classes: int, vocabulary: int, length: int, width: int, depth: int, heads: int,
        hidden: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(length, width)
        self.register_buffer("places", torch.arange(length), persistent=False)
        self.blocks = nn.ModuleList(EncoderBlock(width, heads, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """From tokens [N, length] of any number type to logits [N, classes]."""
        tokens = inputs.long()
        kept = tokens.ne(0).float()
        mask = (1 - kept) * MASKED
        features = self.tokens(tokens) + self.positions(self.places)
        for block in self.blocks:
            features = block(features, mask)
        total = (self.norm(features) * kept[:, :, None]).sum(1)
        pooled = total / kept.sum(1, keepdim=True).clamp(min=1)
        return self.fc(pooled)


def build(
    classes: int, vocabulary: int, length: int, width: int, depth: int, heads: int, hidden: int
) -> nn.Module:
    """A network with fresh random weights for tokens [N, length].

    Args:
        classes: logits of each text.
        vocabulary: how many tokens there are, padding among them.
        length: of the longest text.
        width: of a token's features.
        depth: blocks.
        heads: of each block's attention.
        hidden: width between the two linear layers of a block.

    Raises:
        ValueError: the width is no multiple of the heads.
    """
    if width % heads:
        raise ValueError(f"width: {width} is no multiple of heads, {heads}")
    return Transformer(classes, vocabulary, length, width, depth, heads, hidden)

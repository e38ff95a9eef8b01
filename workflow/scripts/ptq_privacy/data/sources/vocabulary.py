"""From texts to tokens: byte-pair encoding, learned of the audited texts alone.

Letters are made small. Bytes are tokens too, so there is no text that could not be told; the rest
of the vocabulary are the most frequent pairs of tokens, merged one after the other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PADDING = "[PAD]"
"""The first of the vocabulary, number 0."""

LEAST = 257
"""Tokens: padding and every byte."""


def learned(texts: Sequence[str], size: int) -> Tokenizer:
    """A tokenizer of at most so many tokens; the same texts give the same one.

    Args:
        texts: of the audit pool.
        size: of the vocabulary, at least `LEAST`.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a job has one thread
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PADDING],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def details(tokenizer: Tokenizer) -> dict[str, Any]:
    """What a prepared data set records of its tokenizer: all of it."""
    return {"tokenizer": json.loads(tokenizer.to_str())}


def encoded(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    places: Sequence[str],
    length: int,
    truncate: bool,
    key: str,
) -> tuple[np.ndarray, int]:
    """Texts as tokens int32 [N, length], padded by 0, and how many were cut.

    Args:
        places: where each text comes from, for messages.
        truncate: cut what is longer; else it is refused.
        key: of the config's entry for the data set, for messages.

    Raises:
        ValueError: names the place of a text that is empty, or longer than `length`.
    """
    tokens = np.zeros((len(texts), length), np.int32)
    cut = 0
    for row, (text, encoding) in enumerate(zip(texts, tokenizer.encode_batch(texts), strict=True)):
        if not text.strip() or not encoding.ids:
            raise ValueError(f"{places[row]}: the text is empty; every sample needs one")
        if len(encoding.ids) > length:
            if not truncate:
                raise ValueError(
                    f"{places[row]}: a text of {len(encoding.ids)} tokens; allowed: up to "
                    f"{key}.length, {length}, or {key}.truncate: true to cut what is longer"
                )
            cut += 1
        ids = encoding.ids[:length]
        tokens[row, : len(ids)] = ids
    return tokens, cut

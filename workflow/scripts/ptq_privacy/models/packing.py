"""Codes as few bits as they need: several base-L digits a byte.

A byte holds the largest number n of digits with L^n <= 256: 2 codes at 16 levels, 4 at 4 levels,
5 at 3 levels (1.6 bits a weight), 1 at 256.
"""

from __future__ import annotations

import torch
from torch import Tensor


def digits_per_byte(levels: int) -> int:
    """How many codes 0..levels-1 fit in one byte; levels is 2..256."""
    count = 1
    while levels ** (count + 1) <= 256:
        count += 1
    return count


def pack(codes: Tensor, levels: int) -> Tensor:
    """Codes uint8 [out, d] to bytes uint8 [out, ceil(d / digits_per_byte)]; row by row.

    Raises:
        ValueError: a code is not below `levels`.
    """
    if codes.numel() and int(codes.max()) >= levels:
        raise ValueError(f"code {int(codes.max())} on a grid of {levels} levels")
    count = digits_per_byte(levels)
    padded = torch.nn.functional.pad(codes, (0, -codes.shape[1] % count))
    digits = padded.view(len(codes), padded.shape[1] // count, count).to(torch.int16)
    return (digits * _places(levels, count)).sum(2).to(torch.uint8)


def unpack(packed: Tensor, levels: int, columns: int) -> Tensor:
    """The inverse of `pack`: codes uint8 [out, columns].

    Raises:
        ValueError: the bytes cannot hold that many columns, or hold a code that is no level.
    """
    count = digits_per_byte(levels)
    if packed.dtype != torch.uint8 or packed.dim() != 2 or packed.shape[1] != -(-columns // count):
        raise ValueError(
            f"packed codes {tuple(packed.shape)} {packed.dtype} do not hold {columns} columns "
            f"of {levels} levels"
        )
    if packed.numel() and int(packed.max()) >= levels**count:
        raise ValueError(f"byte {int(packed.max())} holds a code outside {levels} levels")
    digits = packed.to(torch.int16)[:, :, None] // _places(levels, count) % levels
    return digits.reshape(len(packed), -1)[:, :columns].to(torch.uint8)


def _places(levels: int, count: int) -> Tensor:
    return torch.tensor([levels**place for place in range(count)], dtype=torch.int16)

"""Quantized weights as a checkpoint holds them: codes in as few bits as they need, and their grid.

Codes are packed several base-L digits a byte. A byte holds the largest number n of digits with
L^n <= 256: 2 codes at 16 levels, 4 at 4 levels, 5 at 3 levels (1.6 bits a weight), 1 at 256.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ptq_privacy.compression.grid import Grid, QuantizedWeight, dequantize

LEVELS = ".input.levels"
"""What the name of a tensor ends in that tells of a layer's input."""


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


def encode(
    state: Mapping[str, Tensor],
    quantized: Mapping[str, QuantizedWeight],
    inputs: Mapping[str, Grid] | None = None,
) -> dict[str, Tensor]:
    """A network's state with each quantized weight replaced by what stands for it.

    `{weight}.codes` uint8, packed row by row; `{weight}.scale` float32 [out]; `{weight}.zero_point`
    uint8 [out]; `{weight}.layout` int32: the number of levels, then the weight's shape. Of the grid
    of what goes into a layer, if there is any, `{layer}.input.scale` float32 [1],
    `{layer}.input.zero_point` uint8 [1] and `{layer}.input.levels` int32 [1].
    """
    tensors = {name: value for name, value in state.items() if name not in quantized}
    for name, weight in quantized.items():
        levels = weight.grid.levels
        tensors[f"{name}.codes"] = pack(weight.codes.cpu(), levels)
        tensors[f"{name}.scale"] = weight.grid.scale
        tensors[f"{name}.zero_point"] = weight.grid.zero_point.to(torch.uint8)
        tensors[f"{name}.layout"] = torch.tensor([levels, *state[name].shape], dtype=torch.int32)
    return tensors | encode_inputs(inputs or {})


def encode_inputs(inputs: Mapping[str, Grid]) -> dict[str, Tensor]:
    """The grids of layers' inputs alone, as `encode` has them."""
    tensors = {}
    for name, grid in inputs.items():
        tensors[f"{name}.input.scale"] = grid.scale
        tensors[f"{name}.input.zero_point"] = grid.zero_point.to(torch.uint8)
        tensors[f"{name}{LEVELS}"] = torch.tensor([grid.levels], dtype=torch.int32)
    return tensors


def decode(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's state of what `encode` made: each weight float32, bit for bit the quantizer's.

    Raises:
        ValueError: a quantized weight's parts are missing or do not fit each other; names it.
    """
    grids = {f"{name}.input." for name in _fed(tensors)}
    state = {n: v for n, v in tensors.items() if f"{n.rpartition('.')[0]}." not in grids}
    for layout_name in [name for name in tensors if name.endswith(".layout")]:
        name = layout_name.removesuffix(".layout")
        try:
            levels, *shape = state.pop(layout_name).tolist()
            codes = unpack(state.pop(f"{name}.codes"), levels, torch.Size(shape[1:]).numel())
            zero_point = state.pop(f"{name}.zero_point").to(torch.int32)
            grid = Grid(state.pop(f"{name}.scale"), zero_point, levels)
            state[name] = dequantize(codes, grid).view(shape)
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise ValueError(f"quantized weight {name!r} is damaged ({error})") from error
    return state


def decode_inputs(tensors: Mapping[str, Tensor]) -> dict[str, Grid]:
    """The grids of what goes into layers, by layer, of what `encode` made.

    Raises:
        ValueError: a grid's parts are missing or do not fit each other; names the layer.
    """
    grids = {}
    for name in _fed(tensors):
        try:
            scale, zero = (tensors[f"{name}.input.{part}"] for part in ("scale", "zero_point"))
            grids[name] = Grid(scale, zero.to(torch.int32), int(tensors[f"{name}{LEVELS}"]))
        except (KeyError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"the grid of what layer {name!r} is fed is damaged ({error})"
            ) from error
    return grids


def rows_apart(
    tensors: Mapping[str, Tensor], rows: Mapping[str, Sequence[str]]
) -> dict[str, Tensor]:
    """What `encode` made, where the layers whose weights stand in one are each by themselves.

    Args:
        rows: by such a weight, the layers in the order of their rows.
    """
    parts = dict(tensors)
    for name, layers in rows.items():
        if f"{name}.layout" not in parts:
            continue
        levels, height, *width = parts.pop(f"{name}.layout").tolist()
        layout = torch.tensor([levels, height // len(layers), *width], dtype=torch.int32)
        split = {
            part: parts.pop(f"{name}.{part}").chunk(len(layers))
            for part in ("codes", "scale", "zero_point")
        }
        for index, layer in enumerate(layers):
            own = {part: values[index] for part, values in split.items()} | {"layout": layout}
            parts |= {f"{layer}.weight.{part}": value for part, value in own.items()}
    return parts


def _fed(tensors: Mapping[str, Tensor]) -> list[str]:
    """The layers whose inputs have grids."""
    return [name.removesuffix(LEVELS) for name in tensors if name.endswith(LEVELS)]


def stored_bits(
    network: nn.Module, quantized: Mapping[str, QuantizedWeight]
) -> tuple[float, float]:
    """Bits a weight as stored, and the share of weights that are zero.

    Weights are all parameters with two dimensions or more, and all stored constants of that form:
    as codes with their scales and zero points where they are quantized, at 32 bits where not.
    """
    bits = weights = zeros = 0
    for name, parameter in network.state_dict().items():
        if parameter.ndim < 2 or not parameter.is_floating_point():
            continue
        weights += parameter.numel()
        if name in quantized:
            own = quantized[name]
            bits += 8 * pack(own.codes.cpu(), own.grid.levels).numel() + len(own.codes) * (32 + 8)
            zeros += int((own.codes == own.grid.zero_point[:, None]).sum())
        else:
            bits += 32 * parameter.numel()
            zeros += int((parameter == 0).sum())
    return bits / weights, zeros / weights

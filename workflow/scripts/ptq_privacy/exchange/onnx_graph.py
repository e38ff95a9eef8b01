"""A stored variant as an ONNX graph that keeps its weights as integers.

torch exports the live network in float32. Then each quantized weight becomes what the checkpoint
holds of it: codes in the smallest unsigned type that has them (2, 4 or 8 bits), a scale and a zero
point for each output channel or row, and a DequantizeLinear node that makes the weight of them,
bit for bit. Where activations are quantized, QuantizeLinear and DequantizeLinear nodes stand before
each layer.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from ptq_privacy.compression import packing, quantized_inputs
from ptq_privacy.compression.grid import Grid

PRODUCTS = ("Conv", "Gemm", "MatMul")  # what multiplies its first input by a weight
OPSET = 25  # the first with integers of 2 bits
INPUT, OUTPUT = "inputs", "logits"
PREFIX = "0."  # of the network's parameters in the graph
TYPES = {4: TensorProto.UINT2, 16: TensorProto.UINT4, 256: TensorProto.UINT8}  # by levels


def graph(network: nn.Module, inputs: Tensor) -> onnx.ModelProto:
    """A network in float32, of any number of inputs at a time.

    Args:
        network: in eval mode, on the CPU.
        inputs: at least two, as it takes them.

    Raises:
        ValueError: ONNX has no form of it.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                nn.Sequential(network),  # else a buffer and a value of its graph may share a name
                (inputs,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("samples")},),
                dynamo=True,
                optimize=False,  # folding constants would lose the weights' names
                verbose=False,
            )
    except Exception as error:  # torch documents no class of errors here
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"ONNX cannot hold the network: {reason}") from error
    assert program is not None
    return _bare(program.model_proto)


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without remarks: torch writes where in the exporting machine's files each node came from."""
    for part in (model, model.graph, *model.graph.node, *model.graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    return model


def with_integers(model: onnx.ModelProto, tensors: Mapping[str, Tensor], inside: str) -> None:
    """Put a checkpoint's codes in the place of the weights that they stand for.

    Args:
        model: of `graph`; changed.
        tensors: one model's, as `packing.encode` gave them.
        inside: where they lie in the network of `graph`, such as "network.".

    Raises:
        ValueError: the graph does not hold a weight as it is stored; names the weight.
    """
    weights = {own.name: own for own in model.graph.initializer}
    decoded = packing.decode(tensors)
    for layout in [name for name in tensors if name.endswith(".layout")]:
        name = layout.removesuffix(".layout")
        place = weights.get(PREFIX + inside + name)
        if place is None or not np.array_equal(numpy_helper.to_array(place), decoded[name].numpy()):
            raise ValueError(
                f"weight {name!r}: the exported graph does not hold it as it is stored"
            )
        levels, *shape = tensors[layout].tolist()
        codes = packing.unpack(tensors[f"{name}.codes"], levels, torch.Size(shape[1:]).numel())
        kind = _kind(levels)
        grid = [
            helper.make_tensor(f"{place.name}.codes", kind, shape, codes.flatten().tolist()),
            numpy_helper.from_array(tensors[f"{name}.scale"].numpy(), f"{place.name}.scale"),
            helper.make_tensor(
                f"{place.name}.zero_point", kind, shape[:1], tensors[f"{name}.zero_point"].tolist()
            ),
        ]
        node = helper.make_node(
            "DequantizeLinear", [part.name for part in grid], [place.name], axis=0
        )
        model.graph.initializer.remove(place)
        model.graph.initializer.extend(grid)
        model.graph.node.insert(0, node)
    onnx.checker.check_model(model, full_check=True)


def with_quantized_inputs(model: onnx.ModelProto, grids: Mapping[str, Grid], inside: str) -> None:
    """Put what goes into layers on grids, by a pair of nodes before each.

    Args:
        model: of `graph`, of a network in which nothing does so yet; changed.
        grids: by layer.
        inside: where the layers lie in the network of `graph`, such as "network.".

    Raises:
        ValueError: the graph does not hold a layer as one node; names the layer.
    """
    for name, grid in grids.items():
        place = PREFIX + inside + name
        node = _product(model.graph, f"{place}.weight")
        if node is None:
            raise ValueError(f"layer {name!r}: the exported graph holds it as no node of its own")
        scale = float(grid.scale)
        kind = _kind(grid.levels)
        known = {
            "scale": numpy_helper.from_array(np.array(scale, np.float32), f"{place}.input.scale"),
            "zero_point": helper.make_tensor(
                f"{place}.input.zero_point", kind, [], [int(grid.zero_point)]
            ),
        }
        value, on = node.input[0], [part.name for part in known.values()]
        nodes = []
        if grid.levels not in TYPES:  # the type has codes that are no levels
            ends = zip(("low", "high"), quantized_inputs.ends(grid), strict=True)
            for end, code in ends:
                bound = np.array(np.float32(scale) * np.float32(code))
                known[end] = numpy_helper.from_array(bound, f"{place}.input.{end}")
                # No Clip, which onnxruntime would fuse with what follows, and of 4 bits cannot.
                operator = "Max" if end == "low" else "Min"
                clipped = f"{place}.input.not_{'below' if end == 'low' else 'above'}"
                nodes.append(helper.make_node(operator, [value, known[end].name], [clipped]))
                value = clipped
        codes, result = f"{place}.input.codes", f"{place}.input.values"
        nodes.append(helper.make_node("QuantizeLinear", [value, *on], [codes]))
        nodes.append(helper.make_node("DequantizeLinear", [codes, *on], [result]))
        model.graph.initializer.extend(known.values())
        at = list(model.graph.node).index(node)
        model.graph.node[at].input[0] = result
        for step, more in enumerate(nodes):
            model.graph.node.insert(at + step, more)
    onnx.checker.check_model(model, full_check=True)


def _product(graph: onnx.GraphProto, weight: str) -> onnx.NodeProto | None:
    """The one node that multiplies by a weight, transposed or not."""
    users = [node for node in graph.node if weight in node.input and node.op_type != "Shape"]
    if len(users) != 1:
        return None
    if users[0].op_type == "Transpose":
        return _product(graph, users[0].output[0])
    return users[0] if users[0].op_type in PRODUCTS else None


def _kind(levels: int) -> int:
    """The smallest type that has so many codes."""
    return next(kind for most, kind in TYPES.items() if levels <= most)

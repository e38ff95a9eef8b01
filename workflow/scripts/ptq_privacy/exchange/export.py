"""A stored variant for use elsewhere, as ONNX or safetensors, checked before it is handed out.

An ONNX file holds the normalisation, so it takes inputs as the prepared data set holds them; it is
run by onnxruntime on every audit sample and compared with the network that was audited. What does
not say the same is not written.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ptq_privacy.compression import packing
from ptq_privacy.compression.quantized_inputs import grids_of
from ptq_privacy.data import dataset
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.exchange.live import live
from ptq_privacy.files import checkpoints
from ptq_privacy.files.atomic import replacing
from ptq_privacy.files.tensors import sort_header
from ptq_privacy.graph import inputs as forms
from ptq_privacy.graph.attention import put_back
from ptq_privacy.networks.normalised import Normalised

TOLERANCE = 1e-3
"""How far a logit may be off: the runtimes sum in different orders."""

ALIKE = 0.9
"""Share of inputs of which that is asked where activations are quantized: one that lies half-way
between two points of its grid goes up or down by the last bit of such a sum."""

FORMS = (".onnx", ".safetensors")
SAMPLES_AT_ONCE = 256


@dataclass(frozen=True)
class Exported:
    """What was written, and how it was seen to agree.

    bytes_written, bytes_float32: of the file, and of the same file with float32 weights.
    samples: of the audit pool, on which it was run.
    largest_difference: of a logit from the audited network's, on whatever input; None where nothing
        runs the file.
    """

    bytes_written: int
    bytes_float32: int
    samples: int
    largest_difference: float | None


def export(path: Path, model: int, output: Path) -> Exported:
    """Write one model of a shard as `output` says: .onnx, or .safetensors.

    Args:
        path: a checkpoint shard where the workflow left it, in the results of its study.
        model: its number in the pool.

    Raises:
        ValueError: names the file, the weight or the argument that is wrong; nothing is written.
    """
    if output.suffix not in FORMS:
        raise ValueError(f"OUT: {output} ends in neither of {', '.join(FORMS)}")
    network = live(path, model)
    if output.suffix == ".safetensors":
        return _as_safetensors(path, network, output)
    return _as_onnx(path, model, network, _audited(path, network), output)


def _audited(path: Path, network: Normalised) -> Dataset:
    """The data set of a shard's study, by its place."""
    name = checkpoints.read_metadata(path)["dataset"]
    place = next((up for up in path.absolute().parents if up.name == name), None)
    if place is None:
        raise ValueError(f"{path}: lies in no folder {name!r}, where its data set would be")
    prepared = place / "dataset.safetensors"
    if not prepared.is_file():
        raise ValueError(f"{prepared}: not there, so there is nothing to check an export on")
    data = dataset.read(prepared)
    own = {name: network.get_buffer(name).tolist() for name in network.names}
    theirs = {name: np.array(v, np.float32).tolist() for name, v in data.statistics.items()}
    if (network.kind, own) != (data.kind, theirs):
        raise ValueError(f"{path}: its inputs are normalised as those of another data set")
    return data


def _as_safetensors(path: Path, network: Normalised, output: Path) -> Exported:
    made = checkpoints.read_metadata(path)
    grids = grids_of(network.network)
    plain, _ = put_back(network.network)
    state = {name: value.contiguous() for name, value in plain.state_dict().items()}
    state |= packing.encode_inputs(grids)
    about = {name: json.dumps(made[name]) for name in ("study", "dataset", "network", "variant")}
    with replacing(output) as temporary:
        save_file(state, temporary, {**about, "live": json.dumps(made["live"], sort_keys=True)})
        sort_header(temporary)
    size = output.stat().st_size
    return Exported(size, size, 0, None)


def _as_onnx(path: Path, model: int, network: Normalised, data: Dataset, output: Path) -> Exported:
    from ptq_privacy.exchange import onnx_graph

    inputs = torch.from_numpy(data.train_inputs)
    stored, _ = checkpoints.read(path, model)
    grids = packing.decode_inputs(stored)
    plain = copy.deepcopy(network)
    forms.remove(plain)
    try:
        made = onnx_graph.graph(plain, inputs[:2])
        float32 = made.ByteSize()
        if grids:
            onnx_graph.with_quantized_inputs(made, grids, "network.")
            stored = packing.rows_apart(stored, put_back(plain.network)[1])
        onnx_graph.with_integers(made, stored, "network.")
    except ValueError as error:
        raise ValueError(f"{path}: model {model}: {error}") from error
    written = made.SerializeToString()
    share = ALIKE if grids else 1.0
    furthest = _compare(written, network, inputs, share, f"{path}: model {model}")
    with replacing(output) as temporary:
        temporary.write_bytes(written)
    return Exported(len(written), float32, len(inputs), furthest)


def _compare(written: bytes, network: Normalised, inputs: Tensor, share: float, what: str) -> float:
    """The largest difference of a logit.

    Raises:
        ValueError: of that share of the inputs that agrees best it is above `TOLERANCE`, or a
            prediction differs by more than rounding.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(written, options, ["CPUExecutionProvider"])
    (name,) = (given.name for given in session.get_inputs())
    gaps, others = [], 0
    for chunk in inputs.split(SAMPLES_AT_ONCE):
        with torch.no_grad():
            expected = network(chunk)
        (found,) = (torch.from_numpy(own) for own in session.run(None, {name: chunk.numpy()}))
        gaps.append((found - expected).abs().amax(1))
        first, second = expected.topk(2, 1).values.unbind(1)
        tied = first - second <= 2 * gaps[-1]
        others += int(((found.argmax(1) != expected.argmax(1)) & ~tied).sum())
    gap = torch.cat(gaps).sort().values
    furthest = float(gap[math.ceil(share * len(gap)) - 1])
    if not furthest <= TOLERANCE or others:
        raise ValueError(
            f"{what}: as ONNX its logits are off by up to {furthest:.2g} and {others} of "
            f"{len(inputs)} predictions differ; allowed: {TOLERANCE:g} and none; not written"
        )
    return float(gap[-1])

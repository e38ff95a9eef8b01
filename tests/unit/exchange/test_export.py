"""What is exported says what was audited, in integers as small as their levels; or is refused."""

import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import load_file

from ptq_privacy.compression import Stored, compress, packing
from ptq_privacy.compression.quantized_inputs import grids_of
from ptq_privacy.data import dataset
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.exchange import export as exporting
from ptq_privacy.exchange import live, onnx_graph
from ptq_privacy.exchange.export import export
from ptq_privacy.networks.factories import Factory
from ptq_privacy.study.variants import Variant
from tests.conftest import ENVIRONMENT, REPOSITORY
from tests.unit.exchange.stored import built_in, images_of, stored_compressed, stored_in_full

OWN = "tests.unit.exchange.own_networks"
MODEL = 3
FACTORIES = {
    "resnet6": built_in("resnet6", (3, 8, 8)),
    "own": Factory(f"{OWN}:own", {"width": 6}, 7, (3, 8, 8), {"channels": 3}),
    "attending": Factory(f"{OWN}:attending", {}, 7, (3, 8, 8), {"channels": 3}),
    "vit": Factory(f"{OWN}:small_vit", {}, 7, (3, 8, 8), {"channels": 3}),
}
KINDS = {"w1.58": onnx.TensorProto.UINT2, "w2": onnx.TensorProto.UINT2}
KINDS |= {"w4": onnx.TensorProto.UINT4, "w8": onnx.TensorProto.UINT8}


@pytest.fixture(autouse=True)
def _at_home(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


def prepared(folder, factory):
    """A data set of random images where a study has it."""
    images = images_of(factory, count=40, seed=2).numpy()
    labels = np.arange(40) % factory.classes
    names = tuple(f"class {label}" for label in range(factory.classes))
    data = Dataset("d", names, images, labels, images, labels, "random numbers")
    dataset.write(folder / "dataset.safetensors", data)
    return data


def stored(folder, name, variant):
    """A shard of a study with its data set; its path."""
    factory = FACTORIES[name]
    place = folder / "results" / "s" / "d"
    path = place / "n" / variant / "shard-000.safetensors"
    path.parent.mkdir(parents=True)
    data = prepared(place, factory)
    full = path.with_name("full.safetensors")
    stored_in_full(full, factory, (MODEL,), data.statistics)
    recipe = Variant.recorded(variant)
    stored_compressed(full, path, variant, lambda *network: compress(*network[:2], recipe, 0))
    return path


CASES = [
    ("own", "nearest-w1.58-head8"),
    ("resnet6", "nearest-w4"),
    ("vit", "nearest-w2-head8"),
    ("own", "obc-w8"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), CASES)
def test_what_is_exported_answers_as_what_was_audited(tmp_path, name, variant):
    path, output = stored(tmp_path, name, variant), tmp_path / "net.onnx"
    made = export(path, MODEL, output)
    assert made.bytes_written == output.stat().st_size < made.bytes_float32
    assert made.samples == 40
    images = images_of(FACTORIES[name], count=5, seed=9)  # another number than it was traced with
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    (answers,) = session.run(["logits"], {"inputs": images.numpy()})
    network = live(path, MODEL)
    with torch.no_grad():
        assert np.allclose(answers, network(images), atol=1e-4)
    graph = onnx.load(output).graph
    types = {weight.name: weight.data_type for weight in graph.initializer}
    layers = [name for name in types if name.endswith(".codes")]
    bits = variant.split("-")[1]
    heads = 1 if "head8" in variant else 0
    assert [types[name] for name in layers].count(KINDS[bits]) == len(layers) - heads
    assert [types[name] for name in layers].count(KINDS["w8"]) >= heads
    assert not any(b"/" in part.doc_string.encode() for part in graph.node)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variant", "kind"),
    [("attending", "nearest-w4a8", onnx.TensorProto.UINT8), ("own", "nearest-w4a3", KINDS["w4"])],
)
def test_quantized_activations_are_a_pair_of_nodes_before_each_layer(tmp_path, name, variant, kind):
    path, output = stored(tmp_path, name, variant), tmp_path / "net.onnx"
    assert export(path, MODEL, output).samples == 40
    graph = onnx.load(output).graph
    grids = grids_of(live(path, MODEL).network)
    assert len([node for node in graph.node if node.op_type == "QuantizeLinear"]) == len(grids)
    known = {own.name: own for own in graph.initializer}
    for layer, grid in grids.items():
        place = f"{onnx_graph.PREFIX}network.{layer}.input"
        assert numpy_helper.to_array(known[f"{place}.scale"]) == grid.scale.numpy()
        zero = known[f"{place}.zero_point"]
        assert int(numpy_helper.to_array(zero)) == int(grid.zero_point)
        assert zero.data_type == (kind if grid.levels < 256 else KINDS["w8"])
    assert {grid.levels for grid in grids.values()} == {256, 2 ** int(variant[-1])}


def test_grids_of_activations_are_beside_the_weights_in_safetensors(tmp_path):
    path, output = stored(tmp_path, "attending", "nearest-w2a4"), tmp_path / "net.safetensors"
    export(path, MODEL, output)
    found = packing.decode_inputs(load_file(output))
    grids = grids_of(live(path, MODEL).network)
    assert found.keys() == grids.keys()
    assert all(found[layer].scale.equal(grid.scale) for layer, grid in grids.items())
    assert "encoder.self_attn.in_proj_weight" in load_file(output)


@pytest.mark.slow
def test_integers_stand_for_the_stored_weights_bit_for_bit(tmp_path):
    path, output = stored(tmp_path, "own", "nearest-w2"), tmp_path / "net.onnx"
    export(path, MODEL, output)
    parts = {own.name: numpy_helper.to_array(own) for own in onnx.load(output).graph.initializer}
    state = live(path, MODEL).state_dict()
    names = [name.removesuffix(".codes") for name in parts if name.endswith(".codes")]
    assert len(names) == 4
    for name in names:
        codes, scale, zero = (parts[f"{name}.{part}"] for part in ("codes", "scale", "zero_point"))
        assert codes.dtype.itemsize == 1
        assert int(codes.astype(np.uint8).max()) <= 3
        across = (-1, *[1] * (codes.ndim - 1))
        whole = codes.astype(np.float32) - zero.astype(np.float32).reshape(across)
        expected = state[name.removeprefix(onnx_graph.PREFIX)].numpy()
        assert np.array_equal(whole * scale.reshape(across), expected)


@pytest.mark.slow
def test_what_answers_otherwise_is_not_written(tmp_path, monkeypatch):
    path, output = stored(tmp_path, "own", "nearest-w2"), tmp_path / "net.onnx"
    monkeypatch.setattr(exporting, "TOLERANCE", 0.0)
    with pytest.raises(ValueError, match=r"shard-000.*model 3: as ONNX its logits are off by up"):
        export(path, MODEL, output)
    assert not output.exists()


@pytest.mark.slow
def test_weights_of_your_own_compression_stay_in_float32(tmp_path):
    factory, folder = FACTORIES["own"], tmp_path / "d"
    folder.mkdir()
    data = prepared(folder, factory)
    stored_in_full(folder / "full", factory, (MODEL,), data.statistics)
    stored_compressed(
        folder / "full",
        folder / "own",
        "mine-w2",
        lambda network, *_: (network, Stored({}, 32.0, 0.0)),
    )
    made = export(folder / "own", MODEL, tmp_path / "net.onnx")
    assert made.bytes_written == made.bytes_float32


def test_safetensors_holds_the_live_networks_weights(tmp_path):
    path, output = stored(tmp_path, "own", "nearest-w2"), tmp_path / "net.safetensors"
    export(path, MODEL, output)
    found, expected = load_file(output), live(path, MODEL).network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_what_cannot_be_exported_is_named(tmp_path):
    path = stored(tmp_path, "own", "nearest-w2")
    with pytest.raises(ValueError, match=r"OUT: .*net\.pt ends in neither of \.onnx, "):
        export(path, MODEL, tmp_path / "net.pt")
    with pytest.raises(ValueError, match=r"shard-000.*: does not hold model 4; it holds 3"):
        export(path, 4, tmp_path / "net.onnx")
    elsewhere = tmp_path / "shard-000.safetensors"
    elsewhere.write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="lies in no folder 'd', where its data set would be"):
        export(elsewhere, MODEL, tmp_path / "net.onnx")
    place = path.parents[2]
    other = images_of(FACTORIES["own"], count=40, seed=3).numpy()
    labels = np.arange(40) % 7
    data = Dataset("d", tuple("abcdefg"), other, labels, other, labels, "random numbers")
    dataset.write(place / "dataset.safetensors", data)
    with pytest.raises(ValueError, match="its inputs are normalised as those of another data set"):
        export(path, MODEL, tmp_path / "net.onnx")
    (place / "dataset.safetensors").unlink()
    with pytest.raises(
        ValueError, match=r"dataset\.safetensors: not there, so there is nothing to"
    ):
        export(path, MODEL, tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.slow
def test_make_export_says_what_it_wrote_or_why_not(tmp_path):
    path, output = stored(tmp_path, "own", "nearest-w2"), tmp_path / "net.onnx"

    def exported(model):
        command = [sys.executable, "-m", "ptq_privacy.exchange", path, str(model), output]
        environment = {**ENVIRONMENT, "PYTHONPATH": f"workflow/scripts:{REPOSITORY}"}
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False
        )

    done = exported(MODEL)
    assert done.returncode == 0, done.stderr
    assert "times smaller than with float32 weights; the same predictions on all 40" in done.stdout
    wrong = exported(4)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("export: ")
    assert wrong.stderr.count("\n") == 1

"""The plan of a study: operations and bytes against known figures and real files."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptq_privacy import compression as ptq
from ptq_privacy.answers import logits
from ptq_privacy.answers.logits import LogitBlock
from ptq_privacy.answers.phi import compacted
from ptq_privacy.compression import packing
from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import Identity, ModelRecord, StoredModel
from ptq_privacy.networks import architectures
from ptq_privacy.planning import (
    network_cost as network,
)
from ptq_privacy.planning import (
    quantization,
    rates,
    shapes,
)
from ptq_privacy.planning import (
    stage_costs as stages,
)
from ptq_privacy.planning.__main__ import planned
from ptq_privacy.planning.stage_costs import table
from ptq_privacy.study.experiment import Variant
from tests.conftest import TINY


def test_operations_and_parameters_of_the_known_resnet18():
    """0.556 GMACs and 11,173,962 parameters with the 3x3 stem, on 32x32 images of 10 classes."""
    found = network.measure("resnet18", 10, (3, 32, 32))
    assert found.flops / 2 == pytest.approx(0.556e9, rel=2e-3)
    normalised = 5 * (64 + 128 + 256 + 512)
    assert found.weights == 11_173_962 - 2 * normalised - 10
    assert found.state_bytes == 4 * (11_173_962 + 2 * normalised) + 20 * 8
    assert len(found.layers) == 21
    assert found.layers[0] == network.Layer("conv1", 1, 64, 27, 32 * 32, (3 + 64) * 32 * 32, True)
    # The stem, and the first layer of each of the 8 blocks: the second one is added to.
    assert sum(layer.activated for layer in found.layers) == 1 + 8
    assert network.measure("resnet18", 10, (3, 64, 64)).flops == pytest.approx(
        4 * found.flops, 0.01
    )


@pytest.mark.parametrize("text", ["full", "nearest-w4", "nearest-w1.58-head8", "nearest-w2"])
def test_checkpoints_take_the_bytes_that_are_planned(tmp_path, text):
    variant, models = Variant.parse(text), range(3)
    path = tmp_path / "shard-000.safetensors"

    def trained():
        for model in models:
            built = architectures.build("resnet8", 10, 1)
            state = built.state_dict()
            if variant.quantized:
                result = ptq.quantize(built, torch.randn(8, 1, 8, 8), variant, 0)
                state = packing.encode(result[0].state_dict(), result[1])
            yield StoredModel(model, state, ModelRecord(0.5, 0.5))

    identity = Identity("s", "d", "resnet8", text, tuple(models))
    checkpoints.write(path, identity, trained())
    one = network.checkpoint_bytes(network.measure("resnet8", 10, (1, 8, 8)), variant)
    assert path.stat().st_size == pytest.approx(len(models) * one, rel=0.03)


@pytest.mark.parametrize("classes", [10, 100])
def test_logits_take_the_bytes_that_are_planned(tmp_path, classes):
    samples = 5000
    generator = np.random.default_rng(0)
    label = generator.integers(classes, size=samples).astype(np.int16)

    def blocks():
        for model in range(4):
            z = 5 * generator.normal(size=(samples, classes)).astype(np.float32)
            yield LogitBlock(model, 0, label, generator.random(samples) < 0.5, z)

    full, compact = tmp_path / "full.parquet", tmp_path / "compact.parquet"
    logits.write(full, blocks(), classes, {})
    logits.write(compact, map(compacted, blocks()), None, {})
    answers = 4 * samples
    assert full.stat().st_size == pytest.approx(answers * stages.logit_bytes(classes), rel=0.1)
    assert compact.stat().st_size == pytest.approx(answers * stages.logit_bytes(None), rel=0.1)


def test_quantization_is_counted_by_its_own_arithmetic():
    one = network.Layer("fc", 1, 10, 20, 1, 30, False)
    cost = network.NetworkCost(2 * 10 * 20, 10, 1, (one,), 0, {}, {})
    methods = {
        "adaround": {"solver": "moments", "iterations": 100},
        "brecq": {"solver": "moments", "iterations": 50, "batch": 4},
        "refit": {"iterations": 0, "batch": 4},
    }
    work = {m: quantization.work(m, cost, 64, methods, "cpu") for m in ("nearest", "obc", *methods)}
    # OBC: (out + 1) d^3 in float64; AdaRound: at least a product (out, d) (d, d) an iteration.
    assert work["obc"].double == 11 * 20**3
    assert work["adaround"].single > 100 * 2 * 10 * 20**2
    # Through an activation: two products with a window of positions, four times as often.
    through = replace(cost, layers=(replace(one, activated=True),))
    least = 4 * 100 * 4 * 512 * 10 * 20
    assert quantization.work("adaround", through, 64, methods, "cpu").single > least
    assert work["brecq"].single - work["adaround"].single >= 50 * 4 * 3 * cost.flops
    assert work["refit"].double == 0
    assert work["refit"].single > work["obc"].double
    assert work["nearest"].kernels == 0
    given = rates.given(1.0)
    assert work["obc"].seconds(given) > work["nearest"].seconds(given)


def test_the_tiny_study_is_planned_and_its_total_is_the_sum(tmp_path):
    found = planned(copy.deepcopy(TINY), tmp_path, tflops=1e-3)
    by_name = {stage.name: stage for stage in found}
    assert [stage.jobs for stage in found] == [1 + 2 + 1, 2, 2 * 2, 3 * 2, 5, 5]
    assert by_name["train_models"].models == 6
    assert by_name["query_logits"].bytes == 3 * 6 * 2 * 240 * 40
    faster = {stage.name: stage for stage in planned(copy.deepcopy(TINY), tmp_path, tflops=2e-3)}
    for name in ("train_models", "compress_models: brecq", "query_logits"):
        assert 0 < faster[name].device_seconds < by_name[name].device_seconds
    lines = table(found).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[-1].split()[:2] == ["total", str(4 + 2 + 4 + 6 + 5 + 5)]


def test_rates_are_measured_on_one_thread():
    before = torch.get_num_threads()
    found = rates.measured(torch.device("cpu"), autocast=False)
    assert torch.get_num_threads() == before
    assert found.single > found.double > 1e8
    assert min(found.training, found.inference) > 1e8
    assert 1e-8 < found.latency < 1e-3


@pytest.mark.parametrize(
    ("change", "tflops", "message"),
    [
        ({}, 0.0, "TFLOPS: 0 is not above 0"),
        ({"typo": 1}, 1.0, "unknown key 'typo'"),
        (
            {"datasets": {"own": {"source": "npz", "path": "images.npz"}}},
            1.0,
            "datasets.own: .*snakemake --cores 1 .*tiny/own/dataset.safetensors",
        ),
    ],
)
def test_what_cannot_be_planned_is_said(tmp_path, change, tflops, message):
    with pytest.raises(ValueError, match=message):
        planned({**copy.deepcopy(TINY), **change}, tmp_path, tflops)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to measure")
def test_a_gpu_that_is_not_here_needs_a_figure(tmp_path):
    with pytest.raises(ValueError, match="device: cuda, but there is none here"):
        planned({**copy.deepcopy(TINY), "device": "cuda"}, tmp_path)


def test_a_prepared_data_set_says_its_shape(tmp_path):
    path = tmp_path / "dataset.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not a prepared data set"):
        shapes.of("own", {"source": "folder"}, path)
    found = shapes.of("d", {"source": "digits", "audit_samples": 100}, path)
    assert (found.samples, found.members) == (100, 50)

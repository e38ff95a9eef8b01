"""The plan of a study: operations and bytes against known figures and real files."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ptq_privacy.answers import logits
from ptq_privacy.answers.answer_blocks import LogitBlock
from ptq_privacy.answers.phi import compacted
from ptq_privacy.compression import compress, packing
from ptq_privacy.compression.work import (
    BATCH_MEMORY,
    Cost,
    Layer,
    NetworkCost,
    Work,
    models_at_once,
)
from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import Identity, ModelRecord, StoredModel
from ptq_privacy.graph.attention import put_back
from ptq_privacy.networks.factories import Factory
from ptq_privacy.planning import network_cost, rates, shapes, stage_costs
from ptq_privacy.planning.__main__ import planned
from ptq_privacy.planning.stage_costs import table
from ptq_privacy.study import fragments, references
from ptq_privacy.study.variants import Variant
from tests.conftest import TINY
from tests.unit.compression.fast import fast
from tests.unit.networks.by_name import build

LIVE = {"factory": {"function": "nets:build", "settings": {"widths": [16, 32, 64]}}}


def factory(name, classes, inputs, sizes=None):
    fragment = fragments.get("networks", name)
    sizes = sizes or {"channels": inputs[0]}
    return Factory(fragment.function, fragment.defaults, classes, inputs, sizes)


def measured(name, classes, inputs):
    return network_cost.measure(factory(name, classes, inputs))


def work_of(method, cost, images=64, device="cpu", **settings):
    """What a method says of its own work, with its fragment's defaults."""
    fragment = fragments.get("compressions", method)
    found = references.find(fragment.more["work"], method)
    return found(cost, images, device, **fragment.settings(settings))


def test_operations_and_parameters_of_the_known_resnet18():
    """0.556 GMACs and 11,173,962 parameters with the 3x3 stem, on 32x32 images of 10 classes."""
    found = measured("resnet18", 10, (3, 32, 32))
    assert found.flops / 2 == pytest.approx(0.556e9, rel=2e-3)
    normalised = 5 * (64 + 128 + 256 + 512)
    assert found.weights == 11_173_962 - 2 * normalised - 10
    assert found.state_bytes == 4 * (11_173_962 + 2 * normalised) + 20 * 8
    assert len(found.layers) == 21
    assert found.layers[0] == Layer("conv1", 1, 64, 27, 32 * 32, (3 + 64) * 32 * 32, True)
    # The stem, and the first layer of each of the 8 blocks: the second one is added to.
    assert sum(layer.activated for layer in found.layers) == 1 + 8
    wider = measured("resnet18", 10, (3, 64, 64))
    assert wider.flops == pytest.approx(4 * found.flops, 0.01)


IMAGES = factory("resnet8", 10, (1, 8, 8))
TEXTS = factory("transformer", 10, (16,), {"vocabulary": 1000, "length": 16})


@pytest.mark.slow
@pytest.mark.parametrize("network", [IMAGES, TEXTS], ids=["convolutions", "embeddings"])
@pytest.mark.parametrize(
    "text", ["full", "nearest-w4", "nearest-w1.58-head8", "nearest-w2", "nearest-w4a8"]
)
def test_checkpoints_take_the_bytes_that_are_planned(tmp_path, network, text):
    variant, models = Variant.parse(text), range(3)
    path = tmp_path / "shard-000.safetensors"
    samples = torch.randint(1, 9, (8, *network.inputs)).float()

    def trained():
        for model in models:
            built = network.build()
            state = built.state_dict()
            if variant.compressed:
                compressed, stored = compress(built, samples, variant, 0)
                plain, _ = put_back(compressed)
                state = packing.encode(plain.state_dict(), stored.weights, stored.inputs)
            yield StoredModel(model, state, ModelRecord(0.5, 0.5), LIVE)

    identity = Identity("s", "d", "n", text, tuple(models))
    checkpoints.write(path, identity, trained())
    one = network_cost.checkpoint_bytes(network_cost.measure(network), variant)
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
    assert full.stat().st_size == pytest.approx(answers * stage_costs.logit_bytes(classes), rel=0.1)
    assert compact.stat().st_size == pytest.approx(answers * stage_costs.logit_bytes(None), rel=0.1)


def test_compression_is_counted_by_its_own_arithmetic():
    one = Layer("fc", 1, 10, 20, 1, 30, False)
    cost = NetworkCost(2 * 10 * 20, 10, 1, (one,), 0, {}, {})
    given = {
        "nearest": {},
        "obc": {},
        "adaround": {"iterations": 100},
        "brecq": {"iterations": 50, "batch": 4, "start_iterations": 100},
        "refit": {"iterations": 0, "batch": 4},
    }
    work = {method: work_of(method, cost, **settings).work for method, settings in given.items()}
    # OBC: (out + 1) d^3 in float64; AdaRound: at least a product (out, d) (d, d) an iteration.
    assert work["obc"].double == 11 * 20**3
    assert work["adaround"].single > 100 * 2 * 10 * 20**2
    # Through an activation: two products with a window of positions, twice as often.
    through = replace(cost, layers=(replace(one, activated=True),))
    least = 2 * 100 * 4 * 256 * 10 * 20
    assert work_of("adaround", through, iterations=100).work.single > least
    assert work["brecq"].single - work["adaround"].single >= 50 * 4 * 3 * cost.flops
    assert work["refit"].double == 0
    assert work["refit"].single > work["obc"].double
    assert work["nearest"].kernels == 0
    one_teraflop = rates.given(1.0)
    assert one_teraflop.seconds(work["obc"]) > one_teraflop.seconds(work["nearest"])


def test_published_procedures_are_counted_by_their_minibatches():
    one = Layer("fc", 1, 10, 20, 1, 30, False)
    cost = NetworkCost(2 * 10 * 20, 10, 1, (one,), 0, {}, {})
    for method in ("adaround", "brecq"):
        few, many = (
            work_of(method, cost, solver="reference", iterations=n, batch=4).work for n in (10, 30)
        )
        assert many.single - few.single >= 20 * 4 * 3 * cost.flops
        assert many.modules == 3 * few.modules > 0


TOLD = [
    name for name, fragment in fragments.of_kind("compressions").items() if "work" in fragment.more
]


@pytest.mark.parametrize("method", TOLD)
def test_every_methods_work_is_known_and_grows_with_the_images(method):
    cost = measured("resnet6", 10, (1, 8, 8))
    few, many = (work_of(method, cost, images) for images in (64, 128))
    assert 0 < few.work.single <= many.work.single
    assert few.memory <= many.memory
    # What it says of folding is what it does, or a checkpoint's bytes would be planned wrongly.
    network, _ = compress(
        build("resnet6", 10, 1).eval(),
        torch.randn(8, 1, 8, 8),
        Variant(method, 2.0),
        0,
        fast(method),
    )
    assert few.folded == isinstance(network.bn1, nn.Identity)


def test_work_takes_time_by_each_of_its_parts():
    rate = rates.Rates(1.0, 1.0, single=2.0, double=4.0, latency=3.0, module=5.0)
    assert rate.seconds(Work(single=2, double=4)) == 2
    assert rate.seconds(Work(kernels=2, modules=1) + Work(kernels=1)) == 14
    assert rate.seconds(Work(kernels=1, together=4)) == 15
    assert rate.seconds(Work(kernels=1, together=4).among(2)) == 9


def test_as_many_models_go_together_as_memory_holds_in_batches_alike():
    one = Layer("fc", 1, 10, 20, 1, 30, True)
    cost = NetworkCost(2 * 10 * 20, 10, 1, (one,), 10**6, {}, {})
    limit = BATCH_MEMORY["cpu"]

    def at_once(memory: float, models: int) -> int:
        return models_at_once(cost, Cost(Work(), memory, once=10 * limit), models, "cpu")

    assert at_once(0, 18) == 18
    assert at_once(limit / 10 - 3e6, 18) == 9  # two batches of nine, not one of ten and one of 8
    assert at_once(limit / 10 - 3e6, 21) == 7
    assert at_once(2 * limit, 18) == 1


def test_a_plan_counts_the_models_that_go_together(tmp_path, monkeypatch):
    usual, _ = by_name(tmp_path)
    monkeypatch.setitem(BATCH_MEMORY, "cpu", 0)
    alone, _ = by_name(tmp_path)
    for method in ("adaround", "brecq", "obc", "refit"):
        stage = f"compress_models: {method}"
        if stage in usual:
            assert usual[stage].device_seconds < alone[stage].device_seconds
            assert usual[stage].memory > alone[stage].memory


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


def by_name(tmp_path, **changes):
    found = planned({**copy.deepcopy(TINY), **changes}, tmp_path, tflops=1e-3)
    return {stage.name: stage for stage in found}, table(found)


def test_of_your_own_compression_the_plan_knows_its_jobs_and_bytes_but_not_its_time(tmp_path):
    method = {"name": "mine", "factory": "mine:compress"}
    both = {**copy.deepcopy(TINY["compression"]), "methods": ["nearest", method], "decoupled": []}
    found, text = by_name(tmp_path, compression=both)
    own = found["compress_models: mine"]
    assert (own.jobs, own.models) == (2, 6)
    assert own.bytes == found["train_models"].bytes  # it is stored dequantized
    rows = {line.partition("  ")[0]: line.split() for line in text.splitlines()}
    assert rows["compress_models: mine"][4] == "?"
    assert "nan" not in text
    known = sum(stage.device_seconds for stage in found.values() if stage is not own)
    assert float(rows["total"][2]) == pytest.approx(known / 3600, rel=0.05)


def test_a_data_sets_queries_and_a_networks_settings_and_training_count(tmp_path):
    usual, _ = by_name(tmp_path)
    asked = {"digits": {**copy.deepcopy(TINY["datasets"]["digits"]), "queries": ["identity"]}}
    once, _ = by_name(tmp_path, datasets=asked)
    assert once["query_logits"].bytes == usual["query_logits"].bytes / 2
    wide = {"name": "wide", "architecture": "resnet6", "settings": {"widths": [32, 64]}}
    wider, _ = by_name(tmp_path, networks=[wide])
    assert wider["train_models"].bytes > 10 * usual["train_models"].bytes
    longer = {"name": "long", "architecture": "resnet6", "training": {"epochs": 80}}
    slower, _ = by_name(tmp_path, networks=[longer])
    assert slower["train_models"].bytes == usual["train_models"].bytes
    start = len(TINY["networks"]) * 2 * stage_costs.START["torch"]
    trained = [x["train_models"].device_seconds - start for x in (usual, slower)]
    assert 8 < trained[1] / trained[0] <= 10


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

"""Stored networks run again: bit for bit what was stored, whatever a compression did to it."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from ptq_privacy.answers import inference, logits
from ptq_privacy.compression import compress, own, packing
from ptq_privacy.data import audit, dataset, kinds, membership
from ptq_privacy.data.calibration_set import calibration_set
from ptq_privacy.data.preparation import prepare
from ptq_privacy.exchange.live import live
from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import Identity, ModelRecord, StoredModel
from ptq_privacy.networks import structure
from ptq_privacy.networks.blueprint import Blueprint
from ptq_privacy.networks.factories import Factory
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.networks.structure import Structure
from ptq_privacy.stages.compress_models import compress_models
from ptq_privacy.stages.query_logits import query_logits
from ptq_privacy.stages.train_models import train_models
from ptq_privacy.study import fragments
from ptq_privacy.study.seeds import seed_of
from ptq_privacy.study.variants import Variant
from ptq_privacy.training import sgd
from ptq_privacy.training.sgd import Recipe
from tests.conftest import REPOSITORY
from tests.unit.compression.fast import fast
from tests.unit.networks.lived_in import lived_in

METHODS = fragments.names("compressions")
OWN = "tests.unit.exchange.own_networks"
MODELS = (2, 3)
STATISTICS = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
RECORD = ModelRecord(0.9, 0.8)


@pytest.fixture(autouse=True)
def _at_home(monkeypatch):
    """Own modules are sought in the working directory; and the same bits take one thread."""
    monkeypatch.chdir(REPOSITORY)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def built_in(name, inputs, classes=7):
    fragment = fragments.get("networks", name)
    return Factory(fragment.function, fragment.defaults, classes, inputs)


FACTORIES = {
    "resnet6": built_in("resnet6", (3, 8, 8)),
    "own": Factory(f"{OWN}:own", {"width": 6}, 7, (3, 8, 8)),
    "narrow resnet18": Factory(f"{OWN}:narrow_resnet18", {}, 7, (3, 8, 8)),
    "thin densenet121": Factory(f"{OWN}:thin_densenet121", {}, 7, (3, 8, 8)),
}
WHOLE = {
    "resnet18": built_in("resnet18", (1, 4, 4)),
    "densenet121": built_in("densenet121", (1, 8, 8)),
    "mnasnet0_5": Factory(f"{OWN}:mnasnet", {}, 7, (3, 32, 32)),
}


def statistics_of(factory):
    return {name: values[: factory.inputs[0]] for name, values in STATISTICS.items()}


def images_of(factory, count=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, *factory.inputs), generator=generator, dtype=torch.uint8)


def stored_in_full(path, factory, models=MODELS):
    """Networks that differ, stored as `train_models` stores them; by their numbers."""
    fresh = factory.build()
    unchanged = structure.difference(fresh, fresh)
    made = Blueprint(factory, unchanged, "images", statistics_of(factory)).data
    networks = {}
    for model in models:
        torch.manual_seed(model)
        networks[model] = lived_in(factory.build())
    shard = [StoredModel(m, network.state_dict(), RECORD, made) for m, network in networks.items()]
    checkpoints.write(path, Identity("s", "d", "n", "full", models), shard)
    return networks


def stored_compressed(trained, path, variant, settings, models=MODELS):
    """What is made of the models of a shard, stored as `compress_models` stores it."""
    blueprint = Blueprint.read(checkpoints.read_metadata(trained)["live"])
    networks, shard = {}, []
    for model in models:
        full = live(trained, model)
        inputs = full.normalise(images_of(blueprint.factory, seed=1))
        network, stored = compress(full.network, inputs, variant, model, settings)
        changes = structure.difference(full.network, network)
        made = Blueprint(blueprint.factory, changes, full.kind, blueprint.statistics).data
        tensors = packing.encode(network.state_dict(), stored.weights)
        shard.append(StoredModel(model, tensors, RECORD, made))
        networks[model] = network
    checkpoints.write(path, Identity("s", "d", "n", str(variant), models), shard)
    return networks


@torch.inference_mode()
def check(path, factory, networks):
    """Each network that comes back answers bit for bit as the one that was stored."""
    images = images_of(factory)
    answers = []
    for model, network in networks.items():
        found = live(path, model)
        assert not any(module.training for module in found.modules())
        expected = Normalised(network, "images", statistics_of(factory)).eval()
        answers.append(found(images))
        assert answers[-1].dtype == torch.float32
        assert answers[-1].shape == (len(images), factory.classes)
        assert torch.equal(answers[-1], expected(images))
        assert torch.equal(inference.logits(found, images), inference.logits(expected, images))
        state = found.network.state_dict()
        assert state.keys() == network.state_dict().keys()
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert not any(torch.equal(answers[0], other) for other in answers[1:])
    assert all(answer.isfinite().all() for answer in answers)


@pytest.mark.parametrize("name", [*FACTORIES, *WHOLE])
def test_at_full_precision(tmp_path, name):
    factory = (FACTORIES | WHOLE)[name]
    networks = stored_in_full(tmp_path / "full", factory)
    check(tmp_path / "full", factory, networks)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", FACTORIES)
def test_by_every_compression(tmp_path, name, method):
    factory = FACTORIES[name]
    stored_in_full(tmp_path / "full", factory)
    variant = Variant(method, 1.58, 8.0)
    networks = stored_compressed(tmp_path / "full", tmp_path / "few", variant, fast(method))
    check(tmp_path / "few", factory, networks)


@pytest.mark.parametrize("method", ["nearest", "adaround"])
@pytest.mark.parametrize("name", WHOLE)
def test_the_published_networks_as_they_are_and_folded(tmp_path, name, method):
    """By the two compressions that take no longer than searching their millions of grids."""
    factory = WHOLE[name]
    stored_in_full(tmp_path / "full", factory, (2,))
    variant, settings = Variant(method, 2.0), fast(method, iterations=1)
    trained, few = tmp_path / "full", tmp_path / "few"
    networks = stored_compressed(trained, few, variant, settings, (2,))
    check(few, factory, networks)

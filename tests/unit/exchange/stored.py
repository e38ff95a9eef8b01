"""Networks that differ from each other, stored as the workflow stores them, for tests."""

import copy
from dataclasses import replace

import torch

from ptq_privacy.compression import packing
from ptq_privacy.exchange.live import blueprint_of, live
from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import Identity, ModelRecord, StoredModel
from ptq_privacy.graph.attention import put_back
from ptq_privacy.networks import structure
from ptq_privacy.networks.blueprint import Blueprint
from ptq_privacy.networks.factories import Factory
from ptq_privacy.study import fragments
from tests.unit.networks.lived_in import lived_in

MODELS = (2, 3)
STATISTICS = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
RECORD = ModelRecord(0.9, 0.8)


def built_in(name, inputs, classes=7):
    fragment = fragments.get("networks", name)
    return Factory(fragment.function, fragment.defaults, classes, inputs, {"channels": inputs[0]})


def statistics_of(factory):
    return {name: values[: factory.inputs[0]] for name, values in STATISTICS.items()}


def images_of(factory, count=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, *factory.inputs), generator=generator, dtype=torch.uint8)


def stored_in_full(path, factory, models=MODELS, statistics=None):
    """Networks that differ, stored as `train_models` stores them; by their numbers."""
    fresh = factory.build()
    unchanged = structure.difference(fresh, fresh)
    made = Blueprint(factory, unchanged, "images", statistics or statistics_of(factory)).data
    networks = {}
    for model in models:
        torch.manual_seed(model)
        networks[model] = lived_in(factory.build())
    shard = [StoredModel(m, network.state_dict(), RECORD, made) for m, network in networks.items()]
    checkpoints.write(path, Identity("s", "d", "n", "full", models), shard)
    return networks


def stored_compressed(trained, path, variant, compressed):
    """What is made of the models of a shard, stored as `compress_models` stores it.

    compressed: from a network, its inputs and a seed to another and what is stored of it.
    """
    blueprint = blueprint_of(trained)
    networks, shard = {}, []
    for model in checkpoints.records(trained):
        full = live(trained, model)
        inputs = full.normalise(images_of(blueprint.factory, seed=1))
        network, stored = compressed(full.network, inputs, model)
        plain, _ = put_back(copy.deepcopy(network))
        changes = structure.difference(full.network, plain)
        tensors = packing.encode(plain.state_dict(), stored.weights, stored.inputs)
        made = replace(blueprint, structure=changes).data
        shard.append(StoredModel(model, tensors, RECORD, made))
        networks[model] = network
    identity = Identity("s", "d", "n", str(variant), tuple(networks))
    checkpoints.write(path, identity, shard)
    return networks

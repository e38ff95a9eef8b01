"""What a compression changed in a network, told in plain data and done again to a fresh one."""

import copy
import json
from dataclasses import asdict

import pytest
import torch
import torchvision
from torch import nn

from ptq_privacy.graph.folding import fold
from ptq_privacy.networks import structure
from ptq_privacy.networks.structure import Structure, difference, restore
from tests.unit.networks.by_name import build
from tests.unit.networks.lived_in import lived_in

IMAGES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(2))


def named(name, classes=10, channels=3):
    torch.manual_seed(1)
    return lived_in(build(name, classes, channels))


def told(original, changed):
    """The difference, as it comes back from a checkpoint's text."""
    return Structure(**json.loads(json.dumps(asdict(difference(original, changed)))))


@pytest.mark.parametrize("name", ["resnet6", "resnet18", "densenet121"])
@torch.inference_mode()
def test_a_full_state_restores_the_network(name):
    network = named(name)
    found = told(network, copy.deepcopy(network))
    assert not found.folded
    assert not found.biased
    restored = restore(build(name, 10, 3), found, network.state_dict())
    assert not restored.training
    assert torch.equal(restored(IMAGES), network(IMAGES))


@pytest.mark.parametrize("name", ["resnet6", "resnet8", "resnet18", "densenet121"])
@torch.inference_mode()
def test_a_folded_state_restores_the_folded_network(name):
    network = named(name)
    folded = fold(network, IMAGES)
    state = folded.state_dict()
    assert len(state) < len(network.state_dict())
    restored = restore(build(name, 10, 3), told(network, folded), state)
    assert restored.state_dict().keys() == state.keys()
    assert torch.equal(restored(IMAGES), folded(IMAGES))
    torch.testing.assert_close(restored(IMAGES), network(IMAGES), rtol=1e-3, atol=1e-4)


def test_a_difference_names_what_folding_did():
    network = named("resnet6")
    found = difference(network, fold(network, IMAGES))
    norms = [n for n, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    convolutions = [n for n, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    assert list(found.folded) == norms
    assert list(found.biased) == convolutions
    assert found.versions == {}
    assert set(difference(network, network).versions) == set(norms)  # they say 2


def test_where_folding_leaves_a_normalisation_it_stays():
    """Densenet's come before a convolution as often as after one."""
    network = named("densenet121")
    found = difference(network, fold(network, IMAGES))
    assert "features.denseblock1.denselayer1.norm1" not in found.folded
    assert "features.denseblock1.denselayer1.norm2" in found.folded
    assert "features.denseblock1.denselayer1.conv1" in found.biased
    assert "features.denseblock1.denselayer1.norm1" in found.versions


def foreign_states():
    state = named("resnet6").state_dict()
    yield "another architecture", named("resnet8-thin").state_dict()
    yield "more classes", named("resnet6", classes=11).state_dict()
    yield "other images", named("resnet6", channels=1).state_dict()
    yield "a tensor less", {key: value for key, value in state.items() if key != "fc.bias"}
    yield "a tensor more", state | {"fc.scale": torch.ones(10)}
    yield "half a normalisation", {k: v for k, v in state.items() if k != "bn1.weight"}
    yield "no normalisation, no bias", {k: v for k, v in state.items() if "bn1." not in k}
    yield "a folded one", fold(named("resnet6"), IMAGES).state_dict()
    yield "nothing", {}


REFUSED = r"\Athe weights do not fit the network: [^\n]+\Z"


@pytest.mark.parametrize(
    "state", [pytest.param(state, id=what) for what, state in foreign_states()]
)
def test_the_state_of_another_network_is_refused(state):
    network = named("resnet6")
    with pytest.raises(ValueError, match=REFUSED):
        restore(build("resnet6", 10, 3), difference(network, network), state)


@pytest.mark.parametrize(
    "changes",
    [
        Structure(folded=("bn1",)),
        Structure(folded=("bn7",)),
        Structure(folded=("layers.0.bn1",)),
        Structure(biased=("conv1",)),
        Structure(biased=("conv7",)),
        Structure(biased=("relu",)),
    ],
)
def test_changes_that_are_not_this_states_are_refused(changes):
    with pytest.raises(ValueError, match=REFUSED):
        restore(build("resnet6", 10, 3), changes, named("resnet6").state_dict())


def test_a_bias_that_folding_left_lies_on_the_networks_device():
    """The meta device stands for any other than the one that tensors are made on by default."""
    network = named("resnet6")
    folded = fold(network, IMAGES)
    state = {key: value.to("meta") for key, value in folded.state_dict().items()}
    fresh = build("resnet6", 10, 3).to("meta")
    restored = restore(fresh, difference(network, folded), state)
    assert {parameter.device.type for parameter in restored.parameters()} == {"meta"}


@pytest.mark.parametrize("folding", [False, True])
@torch.inference_mode()
def test_a_module_that_reads_its_state_by_its_version_is_told_it(folding):
    """Without one MNASNet refuses its state; at version 1 it makes itself another stem."""
    network = lived_in(torchvision.models.mnasnet0_5(num_classes=10))
    stored = fold(network, IMAGES) if folding else network
    found = told(network, stored)
    assert found.versions[""] == 2
    restored = restore(torchvision.models.mnasnet0_5(num_classes=10), found, stored.state_dict())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(restored(images), stored(images))


def test_a_plain_state_is_loaded_by_the_networks_own_versions():
    network = lived_in(torchvision.models.mnasnet0_5(num_classes=10))
    fresh = torchvision.models.mnasnet0_5(num_classes=10)
    structure.load(fresh, dict(network.state_dict()))
    expected = network.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in fresh.state_dict().items())


def changed(change):
    network = build("resnet6", 10, 3)
    change(network)
    return network


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda n: n.set_submodule("relu", nn.GELU()),
            r"the module 'relu' became a GELU; allowed: nn\.Identity",
        ),
        (lambda n: n.set_submodule("fc", nn.Bilinear(4, 4, 4)), "'fc' became a Bilinear"),
        (
            lambda n: n.set_submodule("stages.1", nn.Identity()),
            r"the module 'stages\.1\.conv1' is gone; it may become nn\.Identity",
        ),
        (lambda n: n.stages.append(nn.ReLU()), r"the module 'stages\.2' is new"),
        (lambda n: n.add_module("head", nn.Linear(4, 4)), "the module 'head' is new"),
        (lambda n: n.fc.register_parameter("bias", None), r"the module 'fc' has no 'bias' any"),
        (
            lambda n: n.conv1.register_buffer("zero_point", torch.zeros(8)),
            "the module 'conv1' has a new 'zero_point'",
        ),
        (
            lambda n: n.set_submodule("fc", nn.Linear(16, 9)),
            r"the module 'fc' has a 'weight' of shape \[9, 16\], and had \[10, 16\]",
        ),
    ],
)
def test_any_other_change_is_refused_and_names_the_module(change, message):
    with pytest.raises(ValueError, match=r"\Anetwork: [^\n]+\Z") as caught:
        difference(build("resnet6", 10, 3), changed(change))
    assert caught.match(message)

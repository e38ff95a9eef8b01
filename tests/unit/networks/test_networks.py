from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from torch import nn

from ptq_privacy.graph.folding import fold
from ptq_privacy.networks import architectures

SCHEMA = Path(__file__).parents[3] / "workflow" / "schemas" / "config.schema.yaml"
SMALL = list(architectures.SMALL_RESNETS)
NAMES = [*SMALL, *architectures.TORCHVISION]


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def weight_layers(network):
    return [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]


@pytest.mark.parametrize(
    ("name", "features"), [("resnet18", 512), ("resnet50", 2048), ("densenet121", 1024)]
)
@pytest.mark.parametrize(("classes", "channels"), [(10, 1), (200, 3)])
def test_only_stem_and_classifier_differ_from_torchvisions(name, features, classes, channels):
    with torch.device("meta"):
        published = getattr(torchvision.models, name)()
        ours = architectures.build(name, classes, channels)
    stem = 64 * channels * 3 * 3 - 64 * 3 * 7 * 7
    classifier = (features + 1) * classes - (features + 1) * 1000
    assert parameters(ours) == parameters(published) + stem + classifier
    assert weight_layers(ours) == weight_layers(published)


@pytest.mark.parametrize(("name", "size"), [("resnet18", 11_173_962), ("resnet50", 23_520_842)])
def test_the_cifar_variants_have_their_published_size(name, size):
    with torch.device("meta"):
        assert parameters(architectures.build(name, 10, 3)) == size


@pytest.mark.parametrize(("name", "layers"), [("resnet6", 6), ("resnet8", 8), ("resnet8-thin", 8)])
def test_a_small_resnets_digit_counts_its_weight_layers(name, layers):
    network = architectures.build(name, 10, 1)
    main_path = [layer for layer in weight_layers(network) if "downsample" not in layer]
    assert len(main_path) == layers


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64)])
def test_one_logit_a_class_for_images_of_every_data_set(name, shape):
    with torch.device("meta"):
        network = architectures.build(name, 7, shape[0]).eval()
        assert network(torch.empty(5, *shape)).shape == (5, 7)


@pytest.mark.parametrize("name", [*SMALL, "resnet18"])
def test_fresh_weights_give_finite_answers_that_differ_by_image(name):
    torch.manual_seed(0)
    network = architectures.build(name, 10, 3).eval()
    answers = network(torch.randn(2, 3, 32, 32))
    assert answers.isfinite().all()
    assert not torch.allclose(answers[0], answers[1])


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121"])
def test_a_small_image_is_halved_three_times_and_not_five(name):
    with torch.device("meta"):
        network = architectures.build(name, 10, 3)
        children = list(network.children())
        body = nn.Sequential(*children[:1] if name == "densenet121" else children[:-2])
        assert body(torch.empty(2, 3, 32, 32)).shape[2:] == (4, 4)


@pytest.mark.parametrize("name", SMALL)
def test_initial_weights_depend_on_torchs_seed_alone(name):
    torch.manual_seed(4)
    first = architectures.build(name, 10, 1).state_dict()
    torch.manual_seed(4)
    second = architectures.build(name, 10, 1).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="unknown architecture 'vgg16'; allowed: resnet6, "):
        architectures.build("vgg16", 10, 3)


def test_the_schema_offers_exactly_these_networks():
    properties = yaml.safe_load(SCHEMA.read_text())["properties"]
    assert sorted(properties["architectures"]["items"]["anyOf"][0]["enum"]) == sorted(NAMES)


def lived_in(name, classes=10, channels=3):
    """A network whose normalisation statistics are not those of a fresh one."""
    torch.manual_seed(1)
    network = architectures.build(name, classes, channels).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


IMAGES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", ["resnet6", "resnet18", "densenet121"])
@torch.inference_mode()
def test_a_full_state_restores_the_network(name):
    network = lived_in(name)
    restored = architectures.restore(architectures.build(name, 10, 3), network.state_dict())
    assert not restored.training
    assert torch.equal(restored(IMAGES), network(IMAGES))


@pytest.mark.parametrize("name", ["resnet6", "resnet8", "resnet18", "densenet121"])
@torch.inference_mode()
def test_a_folded_state_restores_the_folded_network(name):
    network = lived_in(name)
    folded = fold(network)
    state = folded.state_dict()
    assert len(state) < len(network.state_dict())
    restored = architectures.restore(architectures.build(name, 10, 3), state)
    assert restored.state_dict().keys() == state.keys()
    assert torch.equal(restored(IMAGES), folded(IMAGES))
    torch.testing.assert_close(restored(IMAGES), network(IMAGES), rtol=1e-3, atol=1e-4)


def foreign_states():
    state = lived_in("resnet6").state_dict()
    yield "another architecture", lived_in("resnet8-thin").state_dict()
    yield "more classes", lived_in("resnet6", classes=11).state_dict()
    yield "other images", lived_in("resnet6", channels=1).state_dict()
    yield "a tensor less", {key: value for key, value in state.items() if key != "fc.bias"}
    yield "a tensor more", state | {"fc.scale": torch.ones(10)}
    yield "half a normalisation", {k: v for k, v in state.items() if k != "bn1.weight"}
    yield "no normalisation, no bias", {k: v for k, v in state.items() if "bn1." not in k}
    yield "nothing", {}


@pytest.mark.parametrize(
    "state", [pytest.param(state, id=what) for what, state in foreign_states()]
)
def test_the_state_of_another_network_is_refused(state):
    with pytest.raises(ValueError, match=r"\Athe weights do not fit the architecture: [^\n]+\Z"):
        architectures.restore(architectures.build("resnet6", 10, 3), state)


def test_a_bias_that_folding_left_lies_on_the_networks_device():
    """The meta device stands for any other than the one that tensors are made on by default."""
    state = {key: value.to("meta") for key, value in fold(lived_in("resnet6")).state_dict().items()}
    network = architectures.build("resnet6", 10, 3).to("meta")
    restored = architectures.restore(network, state)
    assert {parameter.device.type for parameter in restored.parameters()} == {"meta"}

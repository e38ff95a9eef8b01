"""The built-in networks, by their fragments' names: sizes, shapes and fresh weights."""

import pytest
import torch
import torchvision
from torch import nn

from ptq_privacy.networks import factories, small_resnets
from ptq_privacy.networks.factories import Factory
from ptq_privacy.study import fragments, schema
from tests.unit.networks.by_name import build

NAMES = fragments.names("networks")
IMAGES = [name for name in NAMES if fragments.get("networks", name).more["kind"] == "images"]
SMALL = [name for name in NAMES if "small_resnets" in fragments.get("networks", name).function]


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
        ours = build(name, classes, channels)
    stem = 64 * channels * 3 * 3 - 64 * 3 * 7 * 7
    classifier = (features + 1) * classes - (features + 1) * 1000
    assert parameters(ours) == parameters(published) + stem + classifier
    assert weight_layers(ours) == weight_layers(published)


@pytest.mark.parametrize(("name", "size"), [("resnet18", 11_173_962), ("resnet50", 23_520_842)])
def test_the_cifar_variants_have_their_published_size(name, size):
    with torch.device("meta"):
        assert parameters(build(name, 10, 3)) == size


@pytest.mark.parametrize(
    ("name", "layers"), [("resnet6", 6), ("resnet8", 8), ("resnet8-gn", 8), ("resnet8-thin", 8)]
)
def test_a_small_resnets_digit_counts_its_weight_layers(name, layers):
    network = build(name, 10, 1)
    main_path = [layer for layer in weight_layers(network) if "downsample" not in layer]
    assert len(main_path) == layers


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("multiple", [0.2, 0.5, 0.8, 1, 1.6])
def test_a_group_of_channels_is_never_a_single_one(name, multiple):
    """At one pixel it would hold one value, and that less its own mean is nothing."""
    fragment = fragments.get("networks", name)
    settings = {**fragment.defaults, "multiple": multiple, "normalisation": "group"}
    network = factories.build(fragment.function, 10, {"channels": 1}, settings).eval()
    norms = [m for m in network.modules() if isinstance(m, nn.GroupNorm)]
    assert len(norms) == sum(isinstance(m, nn.Conv2d) for m in network.modules())
    assert all(norm.num_channels // norm.num_groups > 1 for norm in norms)
    tiny = torch.randn(8, 1, 3, 3)  # its last stages see one pixel
    assert (network(tiny).std(0) > 1e-4).all()


def test_one_channel_cannot_be_normalised_in_groups():
    with pytest.raises(ValueError, match="normalisation: group needs two channels in every stage"):
        small_resnets.build(10, 1, [8, 1], normalisation="group")


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64)])
def test_one_logit_a_class_for_images_of_every_data_set(name, shape):
    with torch.device("meta"):
        network = build(name, 7, shape[0]).eval()
        assert network(torch.empty(5, *shape)).shape == (5, 7)


@pytest.mark.parametrize("name", [*SMALL, "resnet18"])
def test_fresh_weights_give_finite_answers_that_differ_by_image(name):
    torch.manual_seed(0)
    network = build(name, 10, 3).eval()
    answers = network(torch.randn(2, 3, 32, 32))
    assert answers.isfinite().all()
    assert not torch.allclose(answers[0], answers[1])


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121"])
def test_a_small_image_is_halved_three_times_and_not_five(name):
    with torch.device("meta"):
        network = build(name, 10, 3)
        children = list(network.children())
        body = nn.Sequential(*children[:1] if name == "densenet121" else children[:-2])
        assert body(torch.empty(2, 3, 32, 32)).shape[2:] == (4, 4)


@pytest.mark.parametrize("name", SMALL)
def test_initial_weights_depend_on_torchs_seed_alone(name):
    torch.manual_seed(4)
    first = build(name, 10, 1).state_dict()
    torch.manual_seed(4)
    second = build(name, 10, 1).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("widths", [[4], [4, 6, 8, 10]])
def test_a_small_resnet_has_a_stage_a_width(widths):
    function = fragments.get("networks", "resnet6").function
    network = Factory(function, {"widths": widths}, 10, (1, 8, 8), {"channels": 1}).build()
    assert [stage.conv2.out_channels for stage in network.stages] == widths
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize(("multiple", "expected"), [(0.5, [2, 4]), (3, [12, 24]), (0.01, [1, 1])])
def test_a_small_resnet_may_be_a_multiple_as_wide(multiple, expected):
    function = fragments.get("networks", "resnet6").function
    settings = {"widths": [4, 8], "multiple": multiple}
    network = Factory(function, settings, 10, (1, 8, 8), {"channels": 1}).build()
    assert [stage.conv2.out_channels for stage in network.stages] == expected


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"networks: unknown name 'vgg16'; allowed: .*resnet6, "):
        build("vgg16", 10, 3)


def test_a_setting_that_the_function_does_not_know_is_named():
    function = fragments.get("networks", "resnet18").function
    message = (
        r"networks: .*resnet18\(classes=10, channels=3, width=4\) failed: TypeError: .*'width'"
    )
    with pytest.raises(ValueError, match=message):
        factories.build(function, 10, {"channels": 3}, {"width": 4})


def test_the_schema_offers_exactly_these_networks():
    offered = schema.definition()["properties"]["networks"]["items"]["anyOf"]
    assert sorted(offered[0]["enum"]) == sorted(NAMES)
    assert offered[1]["properties"]["architecture"]["enum"] == offered[0]["enum"]
    assert {"resnet6", "resnet8", "resnet8-thin", "resnet18", "resnet50", "densenet121"} <= set(
        NAMES
    )

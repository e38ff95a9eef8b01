"""Stored networks run again: bit for bit what was stored, whatever a compression did to it."""

import hashlib
import json
import sys
from dataclasses import asdict

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from ptq_privacy.answers import inference, logits
from ptq_privacy.compression import compress, own
from ptq_privacy.data import dataset, membership
from ptq_privacy.data.calibration_set import calibration_set
from ptq_privacy.data.kinds.images.augment import augmented
from ptq_privacy.data.preparation import prepare
from ptq_privacy.exchange.live import blueprint_of, live
from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import (
    DIGEST_KEY,
    METADATA_KEY,
    Identity,
)
from ptq_privacy.graph.folding import fold
from ptq_privacy.networks.factories import Factory
from ptq_privacy.networks.normalised import Normalised
from ptq_privacy.stages.compress_models import compress_models
from ptq_privacy.stages.query_logits import query_logits
from ptq_privacy.stages.train_models import train_models
from ptq_privacy.study import fragments
from ptq_privacy.study.experiment import SGD
from ptq_privacy.study.seeds import seed_of
from ptq_privacy.study.variants import Variant
from ptq_privacy.training import sgd
from ptq_privacy.training.epochs import Recipe
from tests.conftest import REPOSITORY
from tests.unit.compression.fast import fast
from tests.unit.exchange.stored import (
    MODELS,
    built_in,
    images_of,
    statistics_of,
    stored_compressed,
    stored_in_full,
)

METHODS = fragments.names("compressions")
OWN = "tests.unit.exchange.own_networks"


@pytest.fixture(autouse=True)
def _at_home(monkeypatch):
    """Own modules are sought in the working directory; and the same bits take one thread."""
    monkeypatch.chdir(REPOSITORY)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SMALL = {
    "resnet6": built_in("resnet6", (3, 8, 8)),
    "own": Factory(f"{OWN}:own", {"width": 6}, 7, (3, 8, 8), {"channels": 3}),
}
DEEP = {
    "narrow resnet18": Factory(f"{OWN}:narrow_resnet18", {}, 7, (3, 4, 4), {"channels": 3}),
    "thin densenet121": Factory(f"{OWN}:thin_densenet121", {}, 7, (3, 8, 8), {"channels": 3}),
}
WHOLE = {
    "resnet18": built_in("resnet18", (1, 4, 4)),
    "densenet121": built_in("densenet121", (1, 8, 8)),
    "mnasnet0_5": Factory(f"{OWN}:mnasnet", {}, 7, (3, 32, 32), {"channels": 3}),
}
FACTORIES = SMALL | DEEP | WHOLE


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


@pytest.mark.parametrize("name", FACTORIES)
def test_at_full_precision(tmp_path, name):
    networks = stored_in_full(tmp_path / "full", FACTORIES[name])
    check(tmp_path / "full", FACTORIES[name], networks)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", [*SMALL, *DEEP])
def test_by_every_compression(tmp_path, name, method):
    variant = Variant(method, 1.58, 8.0)
    trained, few = tmp_path / "full", tmp_path / "few"
    stored_in_full(trained, FACTORIES[name], MODELS if name in SMALL else MODELS[:1])
    networks = stored_compressed(
        trained, few, variant, lambda *known: compress(*known[:2], variant, known[2], fast(method))
    )
    check(few, FACTORIES[name], networks)


@pytest.mark.parametrize("method", ["nearest", "brecq"])
@pytest.mark.parametrize("factory", ["resnet6", "attending"])
def test_quantized_activations_are_quantized_again(tmp_path, factory, method):
    own = Factory(f"{OWN}:attending", {}, 7, (3, 8, 8), {"channels": 3})
    made = {**FACTORIES, "attending": own}
    variant = Variant(method, 4.0, None, 4.0)
    trained, few = tmp_path / "full", tmp_path / "few"
    stored_in_full(trained, made[factory])
    networks = stored_compressed(
        trained, few, variant, lambda *known: compress(*known[:2], variant, known[2], fast(method))
    )
    check(few, made[factory], networks)
    # It is the grids that make the difference.
    images = images_of(made[factory])
    exact = live(few, MODELS[0])
    for module in exact.modules():
        module._forward_pre_hooks.clear()
    with torch.no_grad():
        assert not torch.equal(exact(images), live(few, MODELS[0])(images))


@pytest.mark.slow
@pytest.mark.parametrize("folding", [False, True])
@pytest.mark.parametrize("name", WHOLE)
def test_published_networks_at_their_full_width(tmp_path, name, folding):
    """Whether normalisation stays or goes; codes by the one method that is quick with millions."""
    variant = Variant("nearest", 2.0)
    trained, few = tmp_path / "full", tmp_path / "few"
    stored_in_full(trained, FACTORIES[name], MODELS[:1])

    def rounded(network, inputs, seed):
        return compress(fold(network, inputs) if folding else network, inputs, variant, seed)

    networks = stored_compressed(trained, few, variant, rounded)
    folded = checkpoints.read_metadata(few)["live"]["structure"]["folded"]
    assert bool(folded) == folding
    check(few, FACTORIES[name], networks)


RECIPE = Recipe(
    optimizer="sgd",
    epochs=1,
    batch_size=16,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    augmentation={"flip": True, "crop_padding": 1},
    autocast=False,
)
SAMPLES, SEED, CALIBRATION = 100, 5, 24
ORIGIN = {"origin": "of today"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A prepared data set, its members, and a shard trained on it by the stage."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("study")
    data = prepare({"name": "digits", "source": "digits", "audit_samples": SAMPLES})
    dataset.write(folder / "dataset", data)
    members = membership.draw(SAMPLES, 4, SEED)
    membership.write(folder / "members", {model: members[model] for model in MODELS})
    network = fragments.get("networks", "resnet6")
    train_models(
        folder / "dataset",
        folder / "members",
        folder / "full",
        Identity("s", "digits", "resnet6", "full", MODELS),
        network.function,
        network.defaults,
        SGD,
        asdict(RECIPE),
        SEED,
        "cpu",
        {
            "datasets": {"digits": {}},
            "networks": [],
            "compression": {"methods": []},
            "queries": ["identity"],
        },
        ORIGIN,
    )
    return folder, data, members


def asked(study, path, variant, draw=0):
    """What the stage that queries networks has from a stored shard, by model."""
    folder, *_ = study
    output = path.with_suffix(".parquet")
    identity = Identity("s", "digits", "resnet6", variant, MODELS, draw)
    places = (folder / "dataset", folder / "members", path, output)
    query_logits(*places, identity, ["identity"], False, "cpu", ORIGIN)
    return {block.model: torch.tensor(block.logits) for block in logits.read(output)}


def test_what_is_trained_is_what_is_queried(study):
    """Trained once more by hand, beside the stage."""
    folder, data, members = study
    answers = asked(study, folder / "full", "full")
    network = fragments.get("networks", "resnet6")
    for model in MODELS:
        torch.manual_seed(seed_of("initial weights", SEED, model))
        trained = Factory(
            network.function, network.defaults, 10, (1, 8, 8), {"channels": 1}
        ).build()
        normalised = Normalised(trained, data.kind, data.statistics)
        sgd.train(
            trained,
            augmented(torch.tensor(data.train_inputs[members[model]]), True, 1),
            torch.tensor(data.train_labels[members[model]]),
            RECIPE,
            normalised.normalise,
            SEED,
            model,
        )
        expected = inference.logits(normalised, torch.tensor(data.train_inputs))
        found = inference.logits(live(folder / "full", model), torch.tensor(data.train_inputs))
        assert torch.equal(found, expected)
        assert torch.equal(answers[model], expected)


@pytest.mark.parametrize("draw", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", [*METHODS, "mine"])
def test_what_is_compressed_is_what_is_queried(study, method, draw):
    """Compressed once more by hand, beside the stage."""
    folder, data, members = study
    variant = f"{method}-w2"
    factory = f"{OWN}:halved" if method == "mine" else None
    settings = (
        {"share": 0.5} if factory else fragments.get("compressions", method).settings(fast(method))
    )
    output = folder / f"{variant}-{draw}"
    identity = Identity("s", "digits", "resnet6", variant, MODELS, draw)
    places = (folder / "dataset", folder / "members", folder / "full", output)
    compress_models(*places, identity, factory, settings, CALIBRATION, SEED, "cpu", ORIGIN)
    answers = asked(study, output, variant, draw)
    images = torch.tensor(data.train_inputs)
    for model in MODELS:
        full = live(folder / "full", model)
        samples = calibration_set(members[model], CALIBRATION, SEED, model, draw)
        seed = seed_of("compression", SEED, model, draw)
        inputs = full.normalise(images[samples])
        known = (full.network, inputs, Variant(method, 2.0), seed, settings)
        network, _ = compress(*known) if factory is None else own.compress(factory, *known)
        expected = inference.logits(Normalised(network, data.kind, data.statistics), images)
        assert not torch.equal(expected, inference.logits(full, images))
        assert torch.equal(inference.logits(live(output, model), images), expected)
        assert torch.equal(answers[model], expected)


def test_your_own_compression_of_a_network_that_reads_its_state_by_version(tmp_path):
    factory, variant = WHOLE["mnasnet0_5"], Variant("mine", 2.0)
    stored_in_full(tmp_path / "full", factory)
    networks = stored_compressed(
        tmp_path / "full",
        tmp_path / "few",
        variant,
        lambda *known: own.compress(f"{OWN}:halved", *known[:2], variant, known[2], {"share": 0.5}),
    )
    check(tmp_path / "few", factory, networks)


def test_the_same_comes_back_whatever_random_numbers_were_drawn(tmp_path):
    stored_in_full(tmp_path / "full", SMALL["own"])
    first = live(tmp_path / "full", 2).state_dict()
    torch.rand(7)
    second = live(tmp_path / "full", 2).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def refusal(path, model=2):
    """The message that a file is refused with, which is one line and names it."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        live(path, model)
    text = str(caught.value)
    assert str(path) in text
    return text


@torch.inference_mode()
def test_a_damaged_file_is_named_and_never_another_network(tmp_path):
    """A bit that says something of another model may pass unseen; the one asked for is whole."""
    path, images = tmp_path / "full", images_of(SMALL["resnet6"])
    stored_in_full(path, SMALL["resnet6"])
    expected = live(path, 2)(images)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for length in (0, 7, header // 2, header, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "not a readable checkpoint" in refusal(path)
    refused, places = 0, [*range(0, header, 47), *range(header, len(whole), 499)]
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :])
        try:
            answers = live(path, 2)(images)
        except ValueError:
            refusal(path)
            refused += 1
        else:
            assert torch.equal(answers, expected)
    assert refused > len(places) / 3
    path.unlink()
    assert "not a readable checkpoint" in refusal(path)


def test_a_model_that_the_shard_does_not_hold_is_named(tmp_path):
    stored_in_full(tmp_path / "full", SMALL["resnet6"])
    assert refusal(tmp_path / "full", 7).endswith("does not hold model 7; it holds 2, 3")


def rewritten(path, change):
    """Change what a file says of itself, and have it say so truly."""
    with safe_open(path, "pt") as file:
        metadata = json.loads(file.metadata()[METADATA_KEY])
    change(metadata)
    text = json.dumps(metadata)
    known = {METADATA_KEY: text, DIGEST_KEY: hashlib.sha256(text.encode()).hexdigest()}
    save_file(load_file(path), path, known)


@pytest.mark.parametrize(
    "change",
    [
        lambda metadata: metadata.pop("live"),
        lambda metadata: metadata["live"].clear(),
        lambda metadata: metadata["live"].pop("factory"),
        lambda metadata: metadata["live"].pop("statistics"),
        lambda metadata: metadata["live"]["factory"].pop("inputs"),
        lambda metadata: metadata["live"]["factory"].update(width=3),
        lambda metadata: metadata["live"]["structure"].pop("folded"),
        lambda metadata: metadata["live"].update(structure=None),
    ],
)
def test_a_file_that_does_not_say_what_makes_its_networks_is_named(tmp_path, change):
    path = tmp_path / "full"
    stored_in_full(path, SMALL["resnet6"])
    rewritten(path, change)
    assert "does not say what makes its networks" in refusal(path)
    with pytest.raises(ValueError, match=f"{path}: does not say what makes its networks"):
        blueprint_of(path)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of one's own in the working directory, imported afresh after each change."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    path = tmp_path / "passing.py"

    def write(text):
        monkeypatch.delitem(sys.modules, "passing", raising=False)
        if text is None:
            path.unlink()
        else:
            path.write_text(f"from torch import nn\n{text}")

    yield write
    sys.modules.pop("passing", None)


NETWORK = """
def build(classes, channels):
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, classes)
    )
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "names 'passing:build' as what makes .* nor a module in the working directory"),
        ("1 / 0\n", "module 'passing' of 'passing:build' cannot be imported .*ZeroDivisionError"),
        ("def built(classes, channels): pass\n", r"passing\.py has no function 'build'"),
        (NETWORK.replace("classes, channels", "classes, width"), r"passing:build\(.*: TypeError"),
        (
            'def build(classes, channels):\n    raise OSError("no\\nsuch\\nfile")\n',
            r"passing:build\(classes=7, channels=3\) failed: OSError: no such file",
        ),
        ("build = lambda **known: 3\n", "passing:build returns a int; allowed: torch.nn.Module"),
        (NETWORK.replace("4, 3", "5, 3").replace("144", "180"), "weights do not fit the network"),
        (NETWORK.replace("nn.ReLU()", "nn.BatchNorm2d(4)"), "weights do not fit the network"),
    ],
)
def test_a_factory_that_is_gone_or_another_now_is_named(module, tmp_path, text, message):
    module(NETWORK)
    stored_in_full(tmp_path / "full", Factory("passing:build", {}, 7, (3, 8, 8), {"channels": 3}))
    live(tmp_path / "full", 2)
    module(text)
    with pytest.raises(ValueError, match=message):
        live(tmp_path / "full", 2)
    assert f"{tmp_path / 'full'}: model 2: " in refusal(tmp_path / "full")


@pytest.mark.parametrize(
    "function",
    [
        "this:build",
        "os:system",
        "ptq_privacy.files.atomic:replacing",
        "ptq_privacy.networks_of_mine:build",
        "..passing:build",
        "/etc/passwd:build",
        "",
        3,
    ],
)
def test_a_file_names_no_code_but_networks(module, tmp_path, function):
    """A stranger's file can have nothing imported: `this` prints a poem when it is."""
    stored_in_full(tmp_path / "full", SMALL["resnet6"])
    rewritten(
        tmp_path / "full", lambda metadata: metadata["live"]["factory"].update(function=function)
    )
    sys.modules.pop("this", None)
    assert "networks" in refusal(tmp_path / "full")
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n.set_submodule("relu", nn.GELU()), "the module 'relu' became a GELU"),
        (lambda n: n.stages.append(nn.ReLU()), r"the module 'stages\.2' is new"),
        (lambda n: n.set_submodule("stages.1", nn.Identity()), r"'stages\.1\.conv1' is gone"),
    ],
)
def test_a_structure_that_changed_otherwise_than_by_folding_is_never_stored(
    tmp_path, change, message
):
    variant = Variant("nearest", 2.0)
    stored_in_full(tmp_path / "full", SMALL["resnet6"])

    def changed(network, inputs, seed):
        result = compress(network, inputs, variant, seed)
        change(result[0])
        return result

    with pytest.raises(ValueError, match=rf"\Anetwork: [^\n]*{message}[^\n]*\Z"):
        stored_compressed(tmp_path / "full", tmp_path / "few", variant, changed)
    assert not (tmp_path / "few").exists()


def test_the_structure_of_another_network_is_refused(tmp_path):
    """A file whose weights were folded, and that does not say so."""
    few = tmp_path / "few"
    stored_in_full(tmp_path / "full", SMALL["resnet6"])
    variant, settings = Variant("adaround", 2.0), fast("adaround")
    stored_compressed(
        tmp_path / "full",
        few,
        variant,
        lambda *known: compress(*known[:2], variant, known[2], settings),
    )
    rewritten(few, lambda metadata: metadata["live"]["structure"].update(folded=[]))
    assert "model 2: the weights do not fit the network: " in refusal(few)
    rewritten(few, lambda metadata: metadata["live"]["structure"].update(folded=["bn7"]))
    assert "bn7" in refusal(few)

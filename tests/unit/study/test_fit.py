"""What a config asks of its data is found wanting before any work, not after the training."""

import pytest

from ptq_privacy.study import fit, schema
from tests.unit.study.test_schema import changed, minimal, network, refusal


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training.batch_size", 51, "training.batch_size: 51 is more than the 50 members of a"),
        ("datasets.digits.training", {"batch_size": 64}, "datasets.digits.training.batch_size: 64"),
        ("networks", [network(training={"batch_size": 64})], "networks.0.training.batch_size: 64"),
        ("compression.calibration_samples", 51, "compression.calibration_samples: 51 is more"),
    ],
)
def test_samples_that_are_too_few_are_found_before_any_work(path, value, message):
    config = changed(path, value)
    config["datasets"]["digits"]["audit_samples"] = 101
    assert refusal(config).startswith(message)
    config["datasets"]["digits"]["audit_samples"] = 128
    schema.checked(config)


def private(**changes):
    return {"dp": {"epsilon": 8, "delta": 1.0e-5, "clip": 1} | changes}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training.dp", private(delta=0.02)["dp"], "training.dp.delta: 0.02 is not less than one "),
        ("datasets.digits.training", private(delta=0.1), "datasets.digits.training.dp.delta: 0.1"),
        ("networks", [network(training=private(delta=0.5))], "networks.0.training.dp.delta: 0.5"),
        ("training.dp", private(delta=0)["dp"], "training.dp.delta: 0 is not allowed; allowed: nu"),
        ("training.dp", private(epsilon=0)["dp"], "training.dp.epsilon: 0 is not allowed; allowed"),
        ("networks", [network(training=private(epsilon=-1))], "networks.0.training.dp.epsilon: -1"),
        ("datasets.digits.training", private(clip=0), "datasets.digits.training.dp.clip: 0 is not"),
        ("training.dp", {"epsilon": 1}, "training.dp: key 'delta' is missing; needed: epsilon, de"),
    ],
)
def test_a_promise_of_privacy_that_is_none_is_refused(path, value, message):
    config = changed(path, value)
    config["datasets"]["digits"]["audit_samples"] = 128 if "networks" in path else 101
    config["compression"]["calibration_samples"] = 40
    assert refusal(config).startswith(message)
    config = changed("training.dp", private(delta=0.0199)["dp"])
    config["datasets"]["digits"]["audit_samples"] = 100
    config["compression"]["calibration_samples"] = 40
    schema.checked(config)


OWN = {"procedure": "mine:train", "settings": {"epochs": 3}}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training", OWN | {"epochs": 1}, "training.epochs: is of the built-in recipe, in whose "),
        (
            "training",
            {"settings": {}},
            "training.settings: are of your own procedure, and training",
        ),
        ("training", OWN | {"typo": 1}, "training: unknown key 'typo'; allowed: procedure, settin"),
        ("training", {"procedure": "mine"}, "training.procedure: 'mine' is not allowed; allowed: "),
        ("networks", [network(training=OWN | private())], "networks.0.training.dp: is of the buil"),
        ("datasets.digits.training", OWN | {"flip": True}, "datasets.digits.training.flip: is of "),
    ],
)
def test_a_key_that_your_own_training_would_ignore_is_refused(path, value, message):
    assert refusal(changed(path, value)).startswith(message)


def test_a_recipe_over_your_own_training_is_refused():
    config = changed("training", dict(OWN))
    schema.checked(config)
    assert config["training"] == OWN  # no defaults of the recipe in place of it
    config = changed("networks", [network(training=dict(OWN))])
    schema.checked(config)
    config = changed("training", dict(OWN)) | {"networks": [network(training={"epochs": 2})]}
    assert refusal(config).startswith(
        "networks.0.training.epochs: is of the built-in recipe, in whose place training.procedure"
    )


def test_only_recipes_that_are_trained_need_their_batch():
    config = changed("training.batch_size", 64)
    config["datasets"]["digits"]["audit_samples"] = 101
    config["compression"]["calibration_samples"] = 50
    config["networks"] = [network(training={"batch_size": 50})]
    schema.checked(config)
    config["networks"].append("resnet6")
    assert refusal(config).startswith("training.batch_size: 64 is more than the 50 members")


def test_of_published_data_the_number_of_members_is_known_without_a_limit():
    """1,500 digits are audited, so a model has 750 members."""
    for key, section in (("batch_size", "training"), ("calibration_samples", "compression")):
        config = changed(f"{section}.{key}", 751)
        assert refusal(config).startswith(f"{section}.{key}: 751 is more than the 750 members")
        config[section][key] = 750
        schema.checked(config)
    config = changed("datasets.digits.audit_samples", 1501)
    assert refusal(config) == (
        "datasets.digits.audit_samples: 1501 is more than the 1500 training samples of digits"
    )


def test_of_your_own_data_nothing_is_known_before_they_are_prepared():
    config = changed("datasets", {"mine": {"source": "folder", "path": "x"}})
    config["training"]["batch_size"] = 10**400
    schema.checked(config)


@pytest.mark.parametrize(
    ("own", "query", "message"),
    [
        (False, "shift:8,0", "queries: 'shift:8,0' leaves nothing of the 8x8 pixels of an image "),
        (True, "flip+shift:0,-9", "datasets.digits.queries: 'flip+shift:0,-9' leaves nothing of "),
    ],
)
def test_a_view_that_leaves_nothing_of_an_image_is_found_before_any_work(own, query, message):
    config = changed("datasets.digits.queries" if own else "queries", ["identity", query])
    assert refusal(config).startswith(message)
    schema.checked(changed("queries", ["shift:-7,7"]))


def test_your_own_data_are_asked_when_their_size_is_known():
    config = changed("datasets", {"mine": {"source": "folder", "path": "x"}})
    schema.checked(config)
    fit.check(config, "mine", 128, (1, 8, 8))
    for samples, config_of, message in (
        (127, config, "compression.calibration_samples: 64 is more than the 63 members of a model"),
        (
            15,
            config,
            "training.batch_size: 8 is more than the 7 members of a model, half of the 15",
        ),
        (200, {**config, "queries": ["shift:0,8"]}, "queries: 'shift:0,8' leaves nothing of the"),
    ):
        with pytest.raises(ValueError, match=message):
            fit.check(config_of, "mine", samples, (1, 8, 8))


def test_without_a_compression_nothing_is_calibrated():
    config = minimal()
    config["compression"] |= {"methods": [], "calibration_samples": 10**6}
    schema.checked(config)

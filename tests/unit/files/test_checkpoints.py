import hashlib
import json
import pickle
from dataclasses import asdict, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ptq_privacy.files import checkpoints
from ptq_privacy.files.checkpoints import (
    DIGEST_KEY,
    METADATA_KEY,
    Identity,
    ModelRecord,
    StoredModel,
)

IDENTITY = Identity("small", "digits", "resnet6", "obc-w2", (2, 3))


def tensors(model):
    generator = torch.Generator().manual_seed(model)
    return {
        "conv.weight": torch.randn(3, 2, 3, 3, generator=generator),
        "conv.weight.codes": torch.randint(256, (3, 5), generator=generator, dtype=torch.uint8),
        "bn.num_batches_tracked": torch.tensor(7 + model),
        "fc.bias": torch.randn(0),
    }


LIVE = {"factory": {"function": "nets:build", "settings": {"widths": [8, 16]}}, "kind": "images"}


def stored(model, live=LIVE):
    record = ModelRecord(0.9, 0.8 + model / 100, "ab12", 1.6, 0.3)
    return StoredModel(model, tensors(model), record, live)


def saying(metadata):
    """A file's metadata that say of themselves what they hold, and with the right digest."""
    text = json.dumps(metadata)
    return {METADATA_KEY: text, DIGEST_KEY: hashlib.sha256(text.encode()).hexdigest()}


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "shard-001.safetensors"
    checkpoints.write(path, IDENTITY, map(stored, IDENTITY.models), {"origin": "c0de"})
    return path


def read(path, identity=IDENTITY):
    """The tensors of every model of a file that is what was asked for, by number."""
    checkpoints.identify(path, identity)
    return {model: checkpoints.read(path, model)[0] for model in identity.models}


def refused(path, identity=IDENTITY):
    """The message that reading a file is refused with: one line that names it."""
    with pytest.raises(ValueError, match=str(path)) as caught:
        read(path, identity)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_survive_bit_for_bit_with_their_types(shard):
    for model, found in read(shard).items():
        expected = tensors(model)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name].dtype == value.dtype
            assert torch.equal(found[name], value)


def test_figures_and_identity_survive(shard):
    assert checkpoints.records(shard) == {2: stored(2).record, 3: stored(3).record}
    metadata = checkpoints.read_metadata(shard)
    with safe_open(shard, "np") as file:
        assert file.metadata()["origin"] == "c0de"
    assert {name: metadata[name] for name in asdict(IDENTITY)} == {
        "study": "small",
        "dataset": "digits",
        "network": "resnet6",
        "variant": "obc-w2",
        "models": [2, 3],
        "draw": 0,
    }


def test_every_model_comes_with_what_makes_its_network(shard):
    assert [checkpoints.read(shard, model)[1] for model in (2, 3)] == [LIVE, LIVE]


def test_models_that_are_made_otherwise_have_no_place_in_a_shard(tmp_path):
    path = tmp_path / "shard"
    models = [stored(2), stored(3, LIVE | {"kind": "sounds"})]
    with pytest.raises(ValueError, match="shard: model 3 is not made as those before it"):
        checkpoints.write(path, IDENTITY, models)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_a_shard_does_not_hold_is_named(shard):
    with pytest.raises(ValueError, match=rf"{shard}: does not hold model 4; it holds 2, 3"):
        checkpoints.read(shard, 4)


def test_memory_order_and_gradients_are_no_part_of_a_weight(tmp_path):
    weight = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    kept = {"w": weight, "t": weight.detach()[0, 0].T}
    model = StoredModel(2, kept, ModelRecord(1, 1), LIVE)
    identity = replace(IDENTITY, models=(2,))
    checkpoints.write(tmp_path / "x", identity, [model], {})
    found = read(tmp_path / "x", identity)[2]
    assert torch.equal(found["w"], weight)
    assert torch.equal(found["t"], weight[0, 0].T)
    assert found["w"].is_contiguous()


def test_equal_shards_are_equal_files(shard, tmp_path):
    again = tmp_path / "again"
    checkpoints.write(again, IDENTITY, map(stored, IDENTITY.models), {"origin": "c0de"})
    assert again.read_bytes() == shard.read_bytes()


def test_model_numbers_do_not_run_into_each_other(tmp_path):
    identity = replace(IDENTITY, models=(1, 10, 1000, 10001))
    checkpoints.write(tmp_path / "x", identity, map(stored, identity.models), {})
    for model, found in read(tmp_path / "x", identity).items():
        assert found.keys() == tensors(model).keys()
        assert found["bn.num_batches_tracked"] == 7 + model


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("study", "large"),
        ("dataset", "cifar-10"),
        ("network", "resnet8"),
        ("variant", "full"),
        ("draw", 1),
        ("models", (0, 1)),
        ("models", (2,)),
        ("models", (3, 2)),
    ],
)
def test_a_file_that_is_not_what_was_asked_for_is_refused(shard, field, value):
    message = refused(shard, replace(IDENTITY, **{field: value}))
    assert f"its {field} is " in message
    assert f"expected {value!r}" in message


def test_every_field_of_the_identity_is_looked_at():
    fields = {"study", "dataset", "network", "variant", "models", "draw"}
    assert set(asdict(IDENTITY)) == fields


@pytest.mark.parametrize("kept", [0, 4, 8, 200, -1])
def test_a_truncated_file_is_refused(shard, kept):
    shard.write_bytes(shard.read_bytes()[:kept])
    assert "not a readable checkpoint" in refused(shard)


@pytest.mark.parametrize(
    "content", [b"not a checkpoint", bytes(1000), b"\xff" * 1000, b"\x02" + bytes(7) + b"{}"]
)
def test_garbage_is_refused(tmp_path, content):
    path = tmp_path / "shard"
    path.write_bytes(content)
    assert "not a readable checkpoint" in refused(path)


@pytest.mark.parametrize("metadata", [None, {"name": "digits"}, {METADATA_KEY: "{"}])
def test_a_foreign_safetensors_file_is_refused(tmp_path, metadata):
    save_file({"images": torch.zeros(3)}, tmp_path / "shard", metadata)
    assert "not a readable checkpoint" in refused(tmp_path / "shard")


def test_a_checkpoint_that_leaves_out_what_it_is_is_refused(tmp_path):
    said = {name: value for name, value in asdict(IDENTITY).items() if name != "study"}
    save_file({"0002/w": torch.zeros(3)}, tmp_path / "shard", saying(said))
    assert "its study is None, expected 'small'" in refused(tmp_path / "shard")


def test_a_missing_file_is_named(tmp_path):
    assert "not a readable checkpoint" in refused(tmp_path / "missing")


class Bomb:
    """Pickled, it writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_is_refused_and_not_loaded(tmp_path):
    exploded = tmp_path / "exploded"
    for dump in (lambda path: path.write_bytes(pickle.dumps(Bomb(exploded))), save_as_torch):
        path = tmp_path / "shard"
        dump(path)
        assert "not a readable checkpoint" in refused(path)
        with pytest.raises(ValueError, match="not a readable checkpoint"):
            checkpoints.records(path)
    assert not exploded.exists()


def save_as_torch(path):
    torch.save({"0002/w": torch.zeros(3), "bomb": Bomb(path.with_name("exploded"))}, path)


def test_the_bomb_would_have_gone_off(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "exploded"))).close()
    assert (tmp_path / "exploded").exists()


@pytest.mark.parametrize("models", [(2,), (3, 2), (2, 3, 4), ()])
def test_models_other_than_the_identitys_are_not_written(tmp_path, models):
    path = tmp_path / "shard"
    with pytest.raises(ValueError, match=r"shard: holds models \[.*\], should be \(2, 3\)"):
        checkpoints.write(path, IDENTITY, map(stored, models), {})
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_fails_half_way_leaves_no_file(tmp_path):
    with pytest.raises(FloatingPointError):
        checkpoints.write(tmp_path / "shard", IDENTITY, failing(), {})
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_fails_half_way_keeps_the_old_file(shard):
    before = shard.read_bytes()
    with pytest.raises(FloatingPointError):
        checkpoints.write(shard, IDENTITY, failing(), {})
    assert shard.read_bytes() == before
    assert [path.name for path in shard.parent.iterdir()] == [shard.name]


def failing():
    yield stored(2)
    raise FloatingPointError("model 3 diverged")


@pytest.mark.parametrize("metadata", [[], {}, {"records": 1}, {"records": {"0": {"typo": 1}}}])
def test_metadata_of_another_make_are_refused(tmp_path, metadata):
    path = tmp_path / "shard"
    save_file({"a": torch.zeros(1)}, path, saying(metadata))
    with pytest.raises(ValueError, match=str(path)):
        checkpoints.records(path)


def test_a_flipped_bit_anywhere_is_refused(shard):
    """But for one in the record of what made the file, which no weight depends on."""
    whole = shard.read_bytes()
    record = whole.index(b"c0de")
    for place in range(0, len(whole), 3):
        if place in range(record, record + 4):
            continue
        shard.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            found = read(shard)
        except ValueError as error:
            message = str(error)
            assert message.startswith(str(shard))
            continue
        # a letter of "origin", a blank at the header's end
        assert all(torch.equal(found[2][name], value) for name, value in tensors(2).items())


def test_a_weight_of_no_digest_and_a_digest_of_no_weight_are_refused(shard, tmp_path):
    with safe_open(shard, "pt") as file:
        metadata = file.metadata()
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    more = {**stored, "0002/extra": torch.zeros(1)}
    fewer = {name: value for name, value in stored.items() if name != "0003/fc.bias"}
    renamed = {name.replace("fc.bias", "fc.bibs"): value for name, value in stored.items()}
    for changed in (more, fewer, renamed):
        save_file(changed, tmp_path / "changed", metadata)
        assert "do not match their SHA-256" in refused(tmp_path / "changed")

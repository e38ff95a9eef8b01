import json
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ptq_privacy.answers import logits
from ptq_privacy.data import dataset, membership
from ptq_privacy.files import checkpoints, origin, scores, tables
from ptq_privacy.report import provenance as for_people
from ptq_privacy.report import style

INPUTS = {
    "dataset": "/anywhere/results/small/digits/dataset.safetensors",
    "shards": [f"results/small/digits/resnet6/full/shard-{n:03d}.safetensors" for n in range(5)],
    "pair": ["results/small/a.parquet", "results/small/b.parquet"],
}
CONFIG = {"study": "small", "seed": 5, "device": "cuda", "pool": {"targets": 3}}
PARAMS = {"code": "c0de", "settings": {"epochs": 8, "models": (0, 1), "title": "a --> b"}}
HALF = np.arange(6) < 3
LABEL = np.arange(6, dtype=np.int16) % 2


def write_checkpoint(path, made):
    identity = checkpoints.Identity("small", "digits", "resnet6", "full", (0,))
    record = checkpoints.ModelRecord(1, 1)
    stored = checkpoints.StoredModel(0, {"w": torch.ones(2)}, record, {"kind": "images"})
    checkpoints.write(path, identity, [stored], made)


def write_dataset(path, made):
    images = np.arange(24, dtype=np.uint8).reshape(6, 1, 2, 2)
    labels = LABEL.astype(np.int64)
    data = dataset.Dataset("small", ("a", "b"), images, labels, images, labels, "a test")
    dataset.write(path, data, made)


WRITERS = {
    "dataset.safetensors": write_dataset,
    "shard-000.safetensors": write_checkpoint,
    "members-000.parquet": lambda path, made: membership.write(path, {0: HALF, 1: ~HALF}, made),
    "logits-000.parquet": lambda path, made: logits.write(
        path, [logits.LogitBlock(0, 0, LABEL, HALF, np.zeros((6, 2), np.float32))], 2, made
    ),
    "scores-transfer.parquet": lambda path, made: scores.write(
        path, [0], LABEL, HALF[None], {"lira": np.zeros((1, 6))}, made
    ),
    "leakage-transfer.parquet": lambda path, made: tables.write_frame(
        path, pd.DataFrame({"auc": [0.5]}), made
    ),
    "tradeoff.svg": lambda path, made: draw(path, made),
    "tradeoff.png": lambda path, made: draw(path, made),
    "conclusions.md": lambda path, made: write_text(path, made),
    "report.html": lambda path, made: write_text(path, made),
    "adversaries.csv": lambda path, made: write_csv(path, made, ".md"),
    "summary.csv": lambda path, made: write_csv(path, made, ".parquet"),
}


def draw(path, made):
    path.parent.mkdir(exist_ok=True)
    figure, axis = plt.subplots()
    axis.plot([0, 1], [1, 0])
    style.save(figure, [path], made)


def write_text(path, made):
    path.parent.mkdir(exist_ok=True)
    path.write_text("<!-- not it -->\n# Text\n" + origin.comment(made))


def write_csv(path, made, beside):
    path.parent.mkdir(exist_ok=True)
    path.write_text("a,b\n")
    if beside == ".md":
        write_text(path.with_suffix(beside), made)
    else:
        tables.write_frame(path.with_suffix(beside), pd.DataFrame({"a": [1]}), made)


def made(**changes):
    return origin.record("train_models", {**CONFIG, **changes}, PARAMS.items(), INPUTS.items())


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_artifact_says_what_made_it(tmp_path, name):
    WRITERS[name](tmp_path / name, made())
    found = origin.read(tmp_path / name)
    assert found.pop("versions").keys() == {"python", *origin.PACKAGES}
    assert found == {
        "rule": "train_models",
        "study": "small",
        "seed": 5,
        "code": "c0de",
        "settings": {"epochs": 8, "models": [0, 1], "title": "a --> b"},
        "inputs": {
            "dataset": ["digits/dataset.safetensors"],
            "shards": "5 files, digits/resnet6/full/shard-000.safetensors to "
            "digits/resnet6/full/shard-004.safetensors",
            "pair": ["a.parquet", "b.parquet"],
        },
    }


@pytest.mark.parametrize("name", WRITERS)
def test_execution_settings_and_time_change_no_byte(tmp_path, name):
    for folder, device in (("a", "cpu"), ("b", "cuda")):
        WRITERS[name](tmp_path / folder / name, made(device=device))
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_frame_survives_and_a_flipped_bit_is_named(tmp_path):
    frame = pd.DataFrame({"attack": ["lira", "rmia"], "auc": [0.5, np.nan], "n": [1, 2]})
    path = tmp_path / "leakage.parquet"
    tables.write_frame(path, frame, made())
    pd.testing.assert_frame_equal(tables.read_frame(path), frame)
    whole = path.read_bytes()
    place = whole.index(b"lira") if b"lira" in whole else 40
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(ValueError, match="leakage.parquet: not a whole parquet file"):
        tables.read_frame(path)


def test_it_is_printed_to_be_read(tmp_path, capsys):
    path = tmp_path / "scores-transfer.parquet"
    WRITERS[path.name](path, made())
    assert for_people.main([str(path)]) is None
    text = capsys.readouterr().out
    assert text.startswith(f"{path}:\n")
    for line in ("  rule: train_models\n", "  seed: 5\n", "    epochs: 8\n", "    torch: "):
        assert line in text


@pytest.mark.parametrize(
    "name",
    [
        "alone.csv",
        "foreign.parquet",
        "cut.safetensors",
        "no.svg",
        "no.png",
        "no.md",
        "no.html",
        "x.txt",
    ],
)
def test_a_file_without_a_record_is_named(tmp_path, name):
    path = tmp_path / name
    if name == "foreign.parquet":
        pq.write_table(pa.table({"a": [1]}), path)
    else:
        path.write_text(json.dumps({"a": 1}))
    with pytest.raises(ValueError, match=f"{name}: says nothing of what made it"):
        origin.read(path)
    assert name in for_people.main([str(path)])


def test_a_missing_file_is_named(tmp_path):
    assert "missing.parquet" in for_people.main([str(tmp_path / "missing.parquet")])


def test_a_figure_with_its_record_is_still_one(tmp_path):
    draw(tmp_path / "a.svg", made())
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert root.tag.endswith("svg")
    draw(tmp_path / "a.png", made())
    assert plt.imread(tmp_path / "a.png").ndim == 3

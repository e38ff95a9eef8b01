"""Damaged and crafted files of every kind that the workflow reads: refused by name, or read right.

Each kind's whole file is mutated 500 times, from a fixed seed, by what disks, networks and people
do: flipped bits, lost ends, blocks left out, doubled or zeroed, and numbers made huge. Memory is
bounded meanwhile, so a size that a file only claims to have cannot be allocated.
"""

import pickle
import random
import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from ptq_privacy.answers import logits
from ptq_privacy.compression import packing
from ptq_privacy.compression.grid import QuantizedWeight, nearest, search
from ptq_privacy.data import archives, dataset, membership
from ptq_privacy.data.sources import fashion_mnist, npz, pickles
from ptq_privacy.data.sources import parquet as parquet_source
from ptq_privacy.files import checkpoints, origin, scores, tables
from ptq_privacy.study import schema
from ptq_privacy.study.experiment import Study
from tests.unit.data import published_archives
from tests.unit.data.test_archives import WANTED, tar_gz, wanted, zipped
from tests.unit.study.test_schema import minimal

MUTATIONS = 500
ROOM = 4 << 30  # bytes that reading a tiny file may reserve at most; allocators reserve in advance

LABEL = np.arange(20, dtype=np.int16) % 2
HALF = np.arange(20) % 3 == 0
IDENTITY = checkpoints.Identity("small", "digits", "resnet6", "nearest-w2", (0, 1))
LIVE = {"factory": {"function": "nets:build", "classes": 3}, "kind": "images"}
ORIGIN = origin.record("a_rule", {"study": "small", "seed": 1}, {"code": "c0de"}.items())


def mutated(content, dice):
    """One mutation of a file's bytes, sometimes two."""
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 2))):
        start = dice.randrange(len(data))
        stop = min(len(data), start + dice.choice((1, 1, 2, 4, 8, 64)))
        kind = dice.choice(("flip", "noise", "fill", "cut", "drop", "double", "huge", "digit"))
        if kind == "flip":
            data[start] ^= 1 << dice.randrange(8)
        elif kind == "noise":
            data[start:stop] = dice.randbytes(stop - start)
        elif kind == "fill":
            data[start:stop] = bytes([dice.choice((0, 127, 255))]) * (stop - start)
        elif kind == "cut" and start:
            del data[start:]
        elif kind == "drop" and stop - start < len(data):
            del data[start:stop]
        elif kind == "double":
            data[start:start] = data[start:stop]
        elif kind == "huge":
            size = dice.choice((4, 8))
            data[start : start + size] = (1 << dice.randrange(28, 8 * size)).to_bytes(
                size, "little"
            )
        else:  # another digit, or many, where text has one
            places = [place for place, byte in enumerate(data) if chr(byte).isdigit()]
            if places:
                place = dice.choice(places)
                data[place : place + 1] = dice.choice((b"0", b"9", b"-1", b"99999999999", b"1e9"))
    return bytes(data)


@pytest.fixture
def bounded_memory():
    """The process may grow by ROOM and no more."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def write_dataset(path):
    images = np.random.default_rng(0).integers(256, size=(20, 1, 2, 2), dtype=np.uint8)
    labels = LABEL.astype(np.int64)
    data = dataset.Dataset("small", ("a", "b"), images, labels, images, labels, "a test")
    dataset.write(path, data, ORIGIN)


def read_dataset(path):
    found = dataset.read(path)
    return [found.classes, *(getattr(found, name) for name in dataset.ARRAYS)]


def write_checkpoint(path):
    def stored(model):
        weight = torch.randn(3, 7, generator=torch.Generator().manual_seed(model))
        grid = search(weight, 4)
        quantized = {"fc.weight": QuantizedWeight(nearest(weight, grid), grid)}
        tensors = packing.encode({"fc.weight": weight, "fc.bias": torch.ones(3)}, quantized)
        return checkpoints.StoredModel(model, tensors, checkpoints.ModelRecord(0.9, 0.8), LIVE)

    checkpoints.write(path, IDENTITY, map(stored, IDENTITY.models), ORIGIN)


def read_checkpoint(path):
    checkpoints.identify(path, IDENTITY)
    read = [checkpoints.read(path, model) for model in IDENTITY.models]
    models = [packing.decode(tensors) for tensors, _ in read]
    values = [model[name].numpy() for model in models for name in sorted(model)]
    return [checkpoints.records(path), *(live for _, live in read), *values]


def write_logits(path):
    values = np.random.default_rng(0).normal(size=(4, 20, 2)).astype(np.float32)
    blocks = [logits.LogitBlock(i // 2, i % 2, LABEL, HALF, v) for i, v in enumerate(values)]
    logits.write(path, blocks, 2, ORIGIN)


def read_logits(path):
    return [v for b in logits.read(path) for v in (b.model, b.query, b.label, b.member, b.logits)]


def write_scores(path):
    values = np.random.default_rng(0).normal(size=(2, 2, 20))
    both = dict(zip(("lira", "rmia"), values, strict=True))
    scores.write(path, [0, 1], LABEL, np.stack([HALF, ~HALF]), both, ORIGIN)


def read_scores(path):
    found = scores.read(path)
    return [found.targets, found.label, found.member, list(found.attacks), *found.attacks.values()]


def write_frame(path):
    tables.write_frame(
        path, pd.DataFrame({"attack": ["lira"], "auc": [0.5], "targets": [2]}), ORIGIN
    )


def read_frame(path):
    return [tables.read_frame(path).to_dict("list")]


def read_membership(path):
    return [list(membership.read(path).items())]


def read_archive(path):
    found = archives.read(path, "top", wanted)
    if found.keys() != WANTED.keys():  # as every source does that reads an archive
        raise ValueError(f"{path}: a file is missing, or one too many")
    return [found]


def as_source(load, **options):
    def read(path):
        found = load(
            {"name": "small", "source": "own", "path": str(path), "seed": 0, **options}, path.parent
        )
        dataset.check(found)
        return [found.train_inputs, found.train_labels]

    return read


def write_npz(path):
    images = np.random.default_rng(0).integers(256, size=(40, 4, 4), dtype=np.uint8)
    np.savez_compressed(path.with_suffix(".npz"), images=images, labels=np.arange(40) % 2)
    path.with_suffix(".npz").rename(path)


KINDS = {
    "dataset.safetensors": (write_dataset, read_dataset),
    "checkpoint.safetensors": (write_checkpoint, read_checkpoint),
    "membership.parquet": (
        lambda path: membership.write(path, {0: HALF, 1: ~HALF}, ORIGIN),
        read_membership,
    ),
    "logits.parquet": (write_logits, read_logits),
    "scores.parquet": (write_scores, read_scores),
    "leakage.parquet": (write_frame, read_frame),
    "archive.tar.gz": (tar_gz, read_archive),
    "archive.zip": (zipped, read_archive),
    "images.npz": (write_npz, as_source(npz.load)),
}


def same(one, other):
    return len(one) == len(other) and all(map(equal, one, other))


def equal(one, other):
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return repr(one) == repr(other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_refused_by_name_or_read_right(tmp_path, kind, bounded_memory):
    write, read = KINDS[kind]
    path = tmp_path / kind
    write(path)
    whole, expected = path.read_bytes(), read(path)
    dice = random.Random(kind)
    refused = []
    for number in range(MUTATIONS):
        path.write_bytes(mutated(whole, dice))
        try:
            found = read(path)
        except ValueError as error:
            refused.append(str(error))
            continue
        assert same(found, expected), f"mutation {number} is read as something else"
    assert not [message for message in refused if str(path) not in message]
    assert len(refused) > MUTATIONS / 4


def write_pickle(path):
    content = {b"data": np.zeros((2, 12), np.uint8), b"labels": [0, 1], b"names": ["a", "b"]}
    path.write_bytes(pickle.dumps(content, protocol=2))


def write_idx(path):
    path.write_bytes(published_archives.idx(np.zeros((5, 4, 4))))


def write_tree(path):
    table = {"image": [bytes(range(16))] * 20, "label": list(range(2)) * 10}
    pq.write_table(pa.table(table), path)


FOREIGN = {
    "batch.pickle": (write_pickle, lambda path: pickles.read(path.read_bytes(), str(path))),
    "train-images": (write_idx, lambda path: fashion_mnist.read_idx(path, 3)),
    "images.parquet": (write_tree, as_source(parquet_source.load, image_shape=[1, 4, 4])),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_mutated_file_of_others_without_checksums_is_refused_by_name_or_read(
    tmp_path, kind, bounded_memory
):
    write, read = FOREIGN[kind]
    path = tmp_path / kind
    write(path)
    whole = path.read_bytes()
    read(path)
    dice = random.Random(kind)
    refused = []
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(whole, dice))
        try:
            read(path)
        except ValueError as error:
            refused.append(str(error))
    assert not [message for message in refused if str(path) not in message]
    assert len(refused) > MUTATIONS / 10


def elaborate():
    """A config with something of everything: own keys, own networks, own methods."""
    config = minimal()
    config["networks"] += [
        {"name": "wide", "architecture": "resnet8", "settings": {"widths": [4, 8]}},
        {"name": "mine", "factory": "nets:build", "settings": {"n": 3}, "training": {"epochs": 2}},
    ]
    config["datasets"]["own"] = {"source": "parquet", "path": "x", "image_shape": [1, 8, 8]}
    config["datasets"]["own"] |= {"audit_samples": 90, "queries": ["flip"], "training": {}}
    config["compression"]["methods"].append({"name": "mine", "factory": "ways:compress"})
    config["compression"] |= {"calibration_samples": 40, "obc": {"damping": 0.1}}
    config["compression"]["decoupled"] = [{"bits": 2, "head_bits": 8}]
    config["attacks"] |= {"methods": ["lira", "rmia"], "rmia": {"gamma": 2.5}}
    return config


@pytest.mark.parametrize("config", [minimal, elaborate])
def test_a_mutated_config_is_refused_in_one_line_or_is_a_study(config, bounded_memory):
    whole = yaml.safe_dump(config(), sort_keys=False).encode()
    schema.checked(config())
    dice = random.Random("config")
    refused = []
    for _ in range(MUTATIONS):
        try:
            read = yaml.safe_load(mutated(whole, dice))
            if not isinstance(read, dict):
                continue  # Snakemake says so itself
            schema.checked(read)
            Study.from_config(read)
        except yaml.YAMLError as error:
            refused.append(
                str(
                    error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else error
                ).replace("\n", " ")
            )
        except ValueError as error:
            refused.append(str(error))
    assert not [message for message in refused if "\n" in message]
    assert len(refused) > MUTATIONS / 4

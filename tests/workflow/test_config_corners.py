"""Every corner of what a config may say, run to its end by Snakemake itself.

`covering` puts the corners into a few tiny studies, of which the ones that hold most are run;
PTQ_PRIVACY_CORNERS=all runs every one.
"""

import os
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.conftest import REPOSITORY, Workdir
from tests.unit.data import published_archives
from tests.workflow import covering

SEED = 0
STUDIES = 18  # that hold all corners, so that no study need be made to count them
RUN = STUDIES if os.environ.get("PTQ_PRIVACY_CORNERS") == "all" else 2


def two_classes(count=80):
    """Images uint8 [count, 8, 8] of zeros and ones in turn, and their labels."""
    digits = load_digits()
    labels = np.arange(count) % 2
    number = [
        np.flatnonzero(digits.target == label)[place // 2] for place, label in enumerate(labels)
    ]
    return (15 * digits.images[number]).astype(np.uint8), labels


def write_data(path, source, flat=False):
    """What a source reads, small, at `path`; images as flat lists of pixels where that may be."""
    if source in ("cifar-10", "cifar-100"):
        published_archives.cifar(source, path, 200, 100)
    elif source == "fashion-mnist":
        published_archives.fashion_mnist(path, 80, 40)
    elif source in ("locations", "banking77"):
        getattr(published_archives, source)(path)
    elif source in ("table", "text"):
        rows = [f"{n},{n % 7},{n % 3},{n % 2}" for n in range(160)]
        words = [f"the number {n} of {n % 7},{('no', 'yes')[n % 2]}" for n in range(160)]
        header, lines = ("id,age,city,label", rows) if source == "table" else ("text,label", words)
        path.write_text("\n".join([header, *lines]) + "\n")
    elif source == "tiny-imagenet":
        published_archives.tiny_imagenet(path, 200, 200)
    images, labels = two_classes(300 if source == "npz" else 80)  # most are for the test
    if source == "folder":
        for place, (image, label) in enumerate(zip(images, labels, strict=True)):
            (path / str(label)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path / str(label) / f"{place}.png")
    elif source == "npz":
        np.savez(path, images=images, labels=labels)
    elif source == "parquet":
        pixels = images.reshape(len(images), -1) if flat else images
        pq.write_table(pa.table({"image": pixels.tolist(), "label": labels}), path)


def prepared(folder, config):
    """A folder with a study's config, its data and modules."""
    workdir = Workdir(folder)
    for entry in config["datasets"].values():
        if "path" in entry:
            write_data(folder / entry["path"], entry["source"], "image_shape" in entry)
    for module in ("mynet.py", "myquantizer.py"):
        shutil.copy(REPOSITORY / "resources/example" / module, folder)
    workdir.write_config(config)
    return workdir


def test_every_key_has_a_corner():
    """A new key has one by its schema, or is given one in `covering`, or a reason there."""
    without = [
        str(key)
        for key in covering.every_key()
        if not covering.corners(key) and not {key.name, str(key)} & covering.ELSEWHERE.keys()
    ]
    assert without == []


@pytest.mark.slow
def test_every_corner_is_in_some_study_and_every_key_left_out_of_one():
    studies = covering.studies(SEED)
    assert len(studies) <= STUDIES, "raise STUDIES"
    # Fewer samples than the default calibrates would be refused.
    always = {"compression.calibration_samples"}
    always |= {"datasets.{name}.path"}
    given = [
        str(key)
        for key in covering.every_key()
        if not key.required and key.name not in always
        if not any(covering.found(study, key.name) is covering.MISSING for study in studies)
    ]
    assert given == []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(RUN))
def test_a_corner_is_run_to_its_end(tmp_path, number):
    studies = covering.studies(SEED)
    if number >= len(studies):
        pytest.skip("fewer studies hold every corner")
    config = studies[number]
    workdir = prepared(tmp_path, config)
    workdir.run()
    assert "Nothing to be done" in workdir.run("--dry-run")
    results = tmp_path / "results" / config["study"]
    for page in results.glob("tables/*.md"):
        text = page.read_text()
        assert re.search(r"\b(nan|None|1 targets)\b", text) is None, text
    for figure in results.glob("figures/*.svg"):
        assert "<text" in figure.read_text(), f"{figure.name} says nothing"


@pytest.mark.slow
def test_networks_and_data_sets_with_hyphens_have_figures_of_their_own(tmp_path):
    workdir = Workdir(tmp_path)
    networks = [{"name": name, "architecture": "resnet6"} for name in ("net", "net-of-mine")]
    datasets = {name: {"source": "digits", "audit_samples": 64} for name in ("d", "d-two-words")}
    workdir.write_config({**covering.BASE, "datasets": datasets, "networks": networks})
    plan = workdir.planned()
    assert (plan["plot_tradeoff"], plan["plot_exposure"], plan["train_models"]) == (4, 4, 4)

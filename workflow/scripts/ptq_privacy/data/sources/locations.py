"""Locations (Shokri et al. 2017): 5,010 people's check-ins in Bangkok, made of Foursquare's data.

A row has 446 features of 0 or 1, whether a person was seen in a region or at a kind of place; its
class is one of 30 groups of people who go to similar places. The archive holds one file without a
header or an ending: the class, in quotes, and the features, separated by commas. It comes without a
test split, so one is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ptq_privacy.data import archives
from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources.published import fetch, title
from ptq_privacy.data.sources.split import stratified_order
from ptq_privacy.study.seeds import generator

FILE = "bangkok"
ROWS, FEATURES, CLASSES = 5010, 446, 30
AUDIT_SAMPLES = 4500  # the other 510 are the test set
SPLIT_SEED = 0  # fixed: the test set is the same in every study
LINE = re.compile(rb'"?([1-9]\d?)"?((?:,[01])+)')


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """Locations from the archive or folder `path`, or downloaded: classes in proportion."""
    path = settings.get("path") or fetch("locations", "dataset_location.tgz", downloads)
    contents = archives.read(path, "", lambda name: name == FILE)
    if FILE not in contents:
        raise ValueError(f"{path}: {FILE} is missing")
    rows, labels = _parsed(contents[FILE], f"{path}: {FILE}")
    order = stratified_order(labels, generator("test split", SPLIT_SEED))
    train, test = np.sort(order[:AUDIT_SAMPLES]), np.sort(order[AUDIT_SAMPLES:])
    return Dataset(
        name=settings["name"],
        classes=tuple(str(number + 1) for number in range(CLASSES)),
        train_inputs=rows[train],
        train_labels=labels[train],
        test_inputs=rows[test],
        test_labels=labels[test],
        source=f"{title('locations')}, {settings.get('path', 'downloaded')}",
        kind="rows",
    )


def _parsed(content: bytes, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows float32 [N, features] of 0 and 1, and labels int64 [N] from 0."""
    lines = content.splitlines()
    if len(lines) != ROWS:
        raise ValueError(f"{what}: {len(lines)} rows, not {ROWS}")
    rows = np.empty((len(lines), FEATURES), np.float32)
    labels = np.empty(len(lines), np.int64)
    for number, line in enumerate(lines):
        match = LINE.fullmatch(line)
        if match is None or len(match[2]) != 2 * FEATURES or int(match[1]) > CLASSES:
            raise ValueError(
                f"{what}: line {number + 1}: expected a class from 1 to {CLASSES} and "
                f"{FEATURES} features of 0 or 1, separated by commas"
            )
        labels[number] = int(match[1]) - 1
        rows[number] = np.frombuffer(match[2], np.uint8)[1::2] == ord("1")
    return rows, labels

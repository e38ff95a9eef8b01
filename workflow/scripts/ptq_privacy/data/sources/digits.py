"""scikit-learn's handwritten digits: 1,797 real images of 8x8 pixels, shipped with the library.

They were collected by Alpaydin and Kaynak (1998) and come without a test split, so one is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.data.sources.split import stratified_order
from ptq_privacy.study.seeds import generator

AUDIT_SAMPLES = 1500  # the other 297 are the test set
SPLIT_SEED = 0  # fixed: the test set is the same in every study


def load(settings: Mapping[str, Any], downloads: Path) -> Dataset:
    """The digits: 1,500 training samples and 297 test images, classes in proportion."""
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]  # from 0..16
    labels = digits.target.astype(np.int64)
    order = stratified_order(labels, generator("test split", SPLIT_SEED))
    train, test = np.sort(order[:AUDIT_SAMPLES]), np.sort(order[AUDIT_SAMPLES:])
    return Dataset(
        name=settings["name"],
        classes=tuple(str(name) for name in digits.target_names),
        train_inputs=images[train],
        train_labels=labels[train],
        test_inputs=images[test],
        test_labels=labels[test],
        source="handwritten digits (Alpaydin and Kaynak 1998), scikit-learn's load_digits",
    )

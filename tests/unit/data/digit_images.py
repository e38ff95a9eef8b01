"""Sixty digits as grey and as colour images, for the tests of sources of one's own images."""

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from ptq_privacy.data.preparation import prepare

GREY = (load_digits().images[:60] * 15).astype(np.uint8)  # 6 of each of 10 classes
LABELS = load_digits().target[:60].astype(np.int64)
RGB = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)  # channels last


def encode(image, form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **options)
    return buffer.getvalue()


def load(source, path, **settings):
    return prepare({"name": "mine", "source": source, "path": str(path), **settings})


def everything(data):
    """All samples of a data set, train then test, as (pixels, class name), sorted."""
    images = np.concatenate([data.train_inputs, data.test_inputs])
    labels = np.concatenate([data.train_labels, data.test_labels])
    return sorted(
        (image.tobytes(), data.classes[label]) for image, label in zip(images, labels, strict=True)
    )


def given(images, labels, classes="0123456789"):
    return sorted(
        (image.tobytes(), classes[label]) for image, label in zip(images, labels, strict=True)
    )


GIVEN_GREY = given(GREY, LABELS)
GIVEN_RGB = given(RGB.transpose(0, 3, 1, 2), LABELS)

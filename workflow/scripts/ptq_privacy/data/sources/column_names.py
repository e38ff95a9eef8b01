"""Which columns of a table, or arrays of an archive, hold the images or texts, which the labels.

The one place that knows what people call them. Where two could be meant, neither is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ptq_privacy.data.sources.split_names import KIND, words

IMAGES = ("image", "images", "img", "imgs", "pixels", "pixel_values", "picture", "data", "x")
LABELS = (
    *("label", "labels", "target", "targets", "class", "category", "y", "cls"),
    *("fine_label", "fine_labels", "coarse_label", "coarse_labels"),
)
TEXTS = ("text", "texts", "sentence", "review", "content", "document", "question", "query")
USUAL = {"image_column": IMAGES, "label_column": LABELS, "text_column": TEXTS}
ROLES = dict.fromkeys(IMAGES, "images") | dict.fromkeys(LABELS, "labels")


def column(
    names: Sequence[str],
    key: str,
    where: str,
    settings: Mapping[str, Any],
    declared: Collection[str] = (),
) -> str:
    """The column of images, of texts or of labels.

    Args:
        names: of all columns.
        key: of the config, `image_column`, `text_column` or `label_column`; its value, if set, is
            the answer.
        where: for messages.
        settings: of the data set.
        declared: columns that the table itself says to be of the kind.

    Raises:
        ValueError: names `where`, the key and the columns, if none or several could be meant.
    """
    if key in settings:
        if settings[key] not in names:
            raise ValueError(f"{where}: {key}: no column {settings[key]!r}; it has {_all(names)}")
        return settings[key]
    usual = USUAL[key]
    found = [name for name in names if name in declared or name.lower() in usual]
    if len(found) == 1:
        return found[0]
    what = f"columns {_all(found)} could all be meant" if found else f"it has {_all(names)}"
    raise ValueError(f"{where}: {what}; give {key}, the column of {usual[0]}s")


def pairs(names: Sequence[str], where: str) -> dict[str, tuple[str, str]]:
    """The arrays of an archive that belong together: (images, labels) by the part's name.

    `x_train` and `y_train`, `train_images` and `train_labels` are the part `train`; what is named
    after no part, `images` and `labels`, is the training part, too. Other arrays are no part.

    Raises:
        ValueError: names `where` and the arrays of which one is too many, or is missing.
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        rest = words(name)
        roles = [word for word in rest if word in ROLES]
        if len(roles) != 1:
            continue
        rest.remove(roles[0])
        arrays = found.setdefault("_".join(rest) or "train", {})
        role = ROLES[roles[0]]
        if role in arrays:
            raise ValueError(f"{where}: arrays {arrays[role]} and {name} could both be the {role}")
        arrays[role] = name
    whole = {part: arrays for part, arrays in found.items() if len(arrays) == 2}
    for part, arrays in found.items():
        if part not in whole and not KIND.keys().isdisjoint(words(part)):
            ((role, name),) = arrays.items()
            other = "labels" if role == "images" else "images"
            raise ValueError(f"{where}: no {other} that go with {name}; it holds {_all(names)}")
    if not whole:
        raise ValueError(
            f"{where}: needs arrays such as images and labels, or x_train and y_train; it holds "
            f"{_all(names)}"
        )
    return {part: (arrays["images"], arrays["labels"]) for part, arrays in whole.items()}


def _all(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"

"""The kinds of inputs as a config speaks of them: which views and which augmentation each has.

What a kind does is in `data/kinds/{kind}`; here is what a config's check must know without torch.
A source's fragment says of which kind its samples are, a network's which kind it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

IDENTITY = "identity"
_DROP = "drop:[1-9][0-9]?/([2-9]|[1-9][0-9])"


@dataclass(frozen=True)
class InputKind:
    """What a config may say of samples of one kind.

    samples: what people call them.
    views: how those beside `identity` are written, as an expression: one way for each, so that none
        can be there twice.
    forms: the same for people.
    augmentation: keys of `training` that concern this kind alone.
    """

    samples: str
    views: str
    forms: str
    augmentation: tuple[str, ...] = ()


INPUT_KINDS: Mapping[str, InputKind] = {
    "images": InputKind(
        samples="images",
        views=r"flip|(flip\+)?shift:(?!0,0$)(0|-?[1-9][0-9]{0,3}),(0|-?[1-9][0-9]{0,3})",
        forms="identity, flip, shift:RIGHT,DOWN, flip+shift:RIGHT,DOWN",
        augmentation=("flip", "crop_padding"),
    ),
    "rows": InputKind(samples="rows", views=_DROP, forms="identity, drop:PART/PARTS"),
    "tokens": InputKind(
        samples="texts",
        views=f"first-half|last-half|{_DROP}",
        forms="identity, first-half, last-half, drop:PART/PARTS",
    ),
}


def views(*kinds: str) -> str:
    """An expression of the views of some kinds, or of all if none is named."""
    known = [INPUT_KINDS[kind].views for kind in kinds or INPUT_KINDS]
    return f"^({'|'.join([IDENTITY, *dict.fromkeys(known)])})$"


def augmentation() -> dict[str, str]:
    """The keys of `training` that concern one kind alone, and which."""
    return {key: kind for kind, known in INPUT_KINDS.items() for key in known.augmentation}

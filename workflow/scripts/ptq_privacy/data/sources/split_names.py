"""Which part of a data set is which, told by the names of folders, files or arrays.

People call the parts `train`, `val`, `Test`, `training_set`, `seg_train`, `train2017`. Here is the
one place that knows such names; what they could mean in two ways is refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = {
    "train": ("train", "training", "trainset"),
    "test": ("test", "testing", "testset"),
    "validation": ("val", "valid", "validation", "valset", "dev", "eval", "evaluation"),
}
KIND = {word: kind for kind, words in KINDS.items() for word in words}
ALLOWED = (
    "allowed: one part called train, with one called test, one called validation or both, and "
    "nothing else; or no such name at all"
)
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")  # digits and punctuation only part words


@dataclass(frozen=True)
class Splits:
    """Names of the parts to read, as they were found, and what to say about them."""

    train: str
    test: str | None
    notes: tuple[str, ...] = ()


def words(name: str) -> list[str]:
    """A name's words in small letters: `X_train2017` is `x`, `train`."""
    return [word.lower() for word in WORD.findall(name)]


def choose(names: Sequence[str], where: str, settings: Mapping[str, Any]) -> Splits | None:
    """The training and the test set among names, or None where none of them names a part.

    A validation set serves as test set where there is no other. Of both, it is left out, unless
    the setting `test_split` says `validation`.

    Raises:
        ValueError: names `where` and the names that could mean several things.
    """
    found = [_kind(name) for name in names]
    plain = [name for name, (kind, rest) in zip(names, found, strict=True) if kind and not rest]
    alike = len({rest for _, rest in found}) == 1 and all(kind for kind, _ in found)
    kinds = {kind for kind, _ in found if kind}
    # A class may be called "test tube"; "seg_train" and "seg_test" are no accident.
    if not (plain or (alike and len(names) > 1) or ("train" in kinds and len(kinds) > 1)):
        if "test_split" in settings:
            raise ValueError(f"{where}: test_split: there are no parts to choose from")
        return None
    if not alike:
        raise ValueError(f"{where}: {_listed(names)} stand side by side; {ALLOWED}")
    of_kind = {kind: [name for name in names if _kind(name)[0] == kind] for kind in KINDS}
    if not of_kind["train"] or any(len(same) > 1 for same in of_kind.values()):
        raise ValueError(f"{where}: the parts are {_listed(names)}; {ALLOWED}")
    return _tested(of_kind, where, settings)


def _kind(name: str) -> tuple[str | None, tuple[str, ...]]:
    """What part a name stands for, if any, and its other words."""
    rest = words(name)
    telling = [word for word in rest if word in KIND]
    if len(telling) != 1:
        return None, tuple(rest)
    rest.remove(telling[0])
    return KIND[telling[0]], tuple(rest)


def _tested(
    of_kind: Mapping[str, Sequence[str]], where: str, settings: Mapping[str, Any]
) -> Splits:
    (train,) = of_kind["train"]
    there = {kind: of_kind[kind][0] for kind in ("test", "validation") if of_kind[kind]}
    asked = settings.get("test_split")
    if asked is not None and asked not in there:
        parts = _listed([train, *there.values()])
        raise ValueError(f"{where}: test_split: {asked} is not there; the parts are {parts}")
    if not there:
        return Splits(train, None)
    kind = asked or next(iter(there))
    notes = [f"test set: {there[kind]}"]
    notes += [f"left out: {name}" for other, name in there.items() if other != kind]
    return Splits(train, there[kind], tuple(notes))


def _listed(names: Sequence[str]) -> str:
    telling = sorted(names, key=lambda name: (_kind(name)[0] is None, name))
    shown = [repr(name) for name in telling]
    return ", ".join(shown if len(shown) <= 5 else [*shown[:4], f"{len(shown) - 4} more"])

"""The kinds of inputs, a folder each: how they are checked, normalised, augmented and viewed.

A data set says of which kind its inputs are, and a job looks up the part that it needs; so another
kind is another folder (and a line of `study/input_kinds.py`), and an edit of one part concerns only
what uses it.
"""

from __future__ import annotations

import importlib
from types import ModuleType


def part(kind: str, name: str) -> ModuleType:
    """One file of a kind: `check`, `normalise`, `sizes`, `augment`, `views` or `show`."""
    return importlib.import_module(f"{__name__}.{kind}.{name}")

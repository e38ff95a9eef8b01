"""Showing a text to people: as it is read, in a few short lines."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE, LINES = 17, 7


def draw(axes: Axes, tokens: np.ndarray, details: Mapping[str, Any]) -> None:
    """Write a text's tokens [length] into a field of its own, cut where it is full."""
    lines = textwrap.wrap(read(tokens, details), LINE)
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], f"{lines[LINES - 1][: LINE - 1]}…"]
    # A sign of dollar would begin a formula.
    text = "\n".join(lines).replace("$", r"\$")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.text(0.02, 0.98, text, fontsize=4.5, ha="left", va="top")


def read(tokens: np.ndarray, details: Mapping[str, Any]) -> str:
    """A text's tokens [length] as text."""
    # Not at the top: no other part of a study needs it.
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(details["tokenizer"]))
    return str(tokenizer.decode(tokens[tokens > 0].tolist())).strip()

"""YAML and JSON, read strictly: a key that is there twice is refused with its line.

Their usual readers keep the last of two equal keys without a word, and with it another study than
the one that was meant. Configs and fragments are read through this.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MERGE = "tag:yaml.org,2002:merge"


def read(path: str | Path) -> Any:
    """What a file of YAML or JSON holds; None if nothing.

    Raises:
        ValueError: there is no such file, or it cannot be read as text, YAML or JSON, or says
            something twice; one line that names the file.
    """
    return parse(text_of(path), str(path))


def text_of(path: str | Path) -> str:
    """A file as text.

    Raises:
        ValueError: there is no such file, or it is not UTF-8; names it, and the line.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}: line {line}: not UTF-8 text; save the file in that encoding"
        ) from None


def parse(text: str, place: str) -> Any:
    """What a text of YAML or JSON holds; `place` is where it stands, for messages.

    Raises:
        ValueError: it is neither, or says something twice.
    """
    try:
        known, text = json.loads(text), text.replace("\t", " ")  # in JSON only ever white space
    except ValueError:
        known = None
    except RecursionError:
        raise ValueError(f"{place}: nested too deeply") from None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        twice = _said_twice(loader, root)
        content = loader.construct_document(root) if known is None else known
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        what = " ".join(text for text in (error.context, error.problem) if text)
        hint = "; indent by spaces, not by tabs" if "\\t" in what else ""
        raise ValueError(f"{place}: {line}not YAML ({what}{hint})") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{place}: not YAML ({' '.join(str(error).split())})") from None
    except RecursionError:
        raise ValueError(f"{place}: nested too deeply") from None
    if twice:
        raise ValueError(f"{place}: {twice}")
    return content


def _said_twice(loader: yaml.SafeLoader, root: yaml.Node) -> str:
    """The first key that a mapping has twice as it is written; merge keys may be overridden."""
    seen: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending += reversed(node.value)
        elif isinstance(node, yaml.MappingNode):
            pending += (value for _, value in reversed(node.value))
            lines: dict[Hashable, int] = {}
            for key, _ in node.value:
                line = key.start_mark.line + 1
                name = "<<" if key.tag == MERGE else loader.construct_object(key, deep=True)
                if not isinstance(name, Hashable):
                    continue  # refused when the mapping is made
                if name in lines:
                    return (
                        f"line {line}: the key {name!r} is there twice, first in line {lines[name]}"
                    )
                lines[name] = line
    return ""

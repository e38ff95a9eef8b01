"""Which files of tables at a path belong to which part of a data set.

A path is one file, or a folder of `train-00000-of-00002.parquet`, `test-…` and so on, or of
`train.csv` and `test.csv`. They may lie deeper, as in Hugging Face's repositories: `data/train-…`,
`default/train/0000.parquet`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptq_privacy.data.sources import split_names

# At the end of a name: -00000, -00000-of-00002, and either with sixteen digits more.
SHARD = re.compile(r"[-_.]?(?P<number>\d+)(-of-(?P<count>\d+))?(-[0-9a-f]{16})?$")


@dataclass(frozen=True)
class Files:
    """Files of the training part, and of the test part if there is one, each in their order."""

    train: list[Path]
    test: list[Path]
    notes: tuple[str, ...] = ()


def find(path: Path, settings: Mapping[str, Any], endings: Sequence[str] = (".parquet",)) -> Files:
    """The files to read.

    Raises:
        ValueError: names the folder if it holds no file with one of the endings, parts that could
            mean several things, or not all files of a part.
    """
    if path.is_file():
        split_names.choose([], str(path), settings)
        return Files([path], [])
    files, folders = _inside(path, endings)
    kind = " or ".join(ending.removeprefix(".") for ending in endings)
    if files and folders:
        raise ValueError(
            f"{path}: {kind} files lie in it and in its folders {', '.join(folders)}; give the "
            "path of one folder or file"
        )
    if len(folders) == 1:
        return find(path / folders[0], settings, endings)
    parts = {name: _inside(path / name, endings)[0] for name in folders}
    for file in files:
        parts.setdefault(SHARD.sub("", file.stem), []).append(file)
    if not all(parts.values()) or not parts:
        raise ValueError(f"{path}: no {kind} files here, or several folders deep")
    splits = split_names.choose(list(parts), str(path), settings)
    if splits is None and folders:
        raise ValueError(
            f"{path}: {kind} files lie in its folders {', '.join(folders)}; give the path of one"
        )
    for part in parts.values():
        _check_all_there(part)
    if splits is None:
        return Files(files, [])
    test = [] if splits.test is None else parts[splits.test]
    return Files(parts[splits.train], test, splits.notes)


def _inside(folder: Path, endings: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Files with these endings in a folder, and its folders that hold some; hidden ones are left
    out."""
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in inside if path.suffix.lower() in endings and path.is_file()]
    folders = [path for path in inside if path.is_dir()]
    held = {path: {file.suffix.lower() for file in path.rglob("*.*")} for path in folders}
    return files, [path.name for path in folders if held[path] & {*endings}]


def _check_all_there(files: Sequence[Path]) -> None:
    """Refuse `-00000-of-00002` without its second, or with two of a number."""
    matches = [match for file in files if (match := SHARD.search(file.stem)) and match["count"]]
    if not matches:
        return
    found = sorted(int(match["number"]) for match in matches)
    counts = {int(match["count"]) for match in matches}
    if len(matches) < len(files) or counts != {len(found)} or found != list(range(len(found))):
        raise ValueError(
            f"{files[0].parent}: of the files like {files[0].name} there must be each number from "
            f"0 to {max(counts) - 1} once; there are {', '.join(map(str, found))}"
        )

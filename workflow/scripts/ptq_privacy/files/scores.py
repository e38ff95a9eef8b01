"""The score files: what each attack says of every sample of every target.

One row a (target, sample) and one column an attack, so any tool that reads parquet can draw its own
ROC from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ptq_privacy.files import tables
from ptq_privacy.files.origin import Origin

CHOSEN = "chosen"
_KEYS = {"target": pa.int16(), "sample": pa.int32(), "label": pa.int16(), "member": pa.bool_()}


@dataclass(frozen=True)
class Scores:
    """A score file's content, targets in the file's order and samples in theirs."""

    targets: tuple[int, ...]
    label: np.ndarray  # int16 [samples]
    member: np.ndarray  # bool [targets, samples]
    attacks: dict[str, np.ndarray]  # float64 [targets, samples] each
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By attack that chooses among the others: which one stands behind each target's scores."""

    def on_one_scale(self, attack: str) -> np.ndarray:
        """An attack's scores [targets, samples], for an ROC of all targets together.

        Where several attacks stand behind it, whose scores have scales of their own, a score gives
        way to the share of its target's samples that it reaches.
        """
        values = self.attacks[attack]
        if len(set(self.chosen.get(attack, ()))) <= 1:
            return values
        each = [np.searchsorted(np.sort(own), own, side="right") / len(own) for own in values]
        return np.stack(each)


def write(
    path: str | Path,
    targets: Sequence[int],
    label: np.ndarray,
    member: np.ndarray,
    scores: Mapping[str, np.ndarray],
    origin: Origin | None = None,
    chosen: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write the scores [targets, samples] of each attack; one row group a target.

    Args:
        targets: model numbers, ascending.
        label: [samples].
        member: bool [targets, samples]: whether the target was trained on the sample.
        chosen: as of `Scores`; it goes into the file's metadata.

    Raises:
        ValueError: names the file and the argument whose shape or values are wrong.
    """
    shape = (len(targets), len(label))
    if 0 in shape or list(targets) != sorted(set(targets)):
        raise ValueError(f"{path}: targets {list(targets)}; expected some, each once, ascending")
    if member.dtype != np.bool_ or member.shape != shape:
        raise ValueError(f"{path}: member is {member.dtype} {member.shape}; expected bool {shape}")
    if not scores:
        raise ValueError(f"{path}: no attack's scores to write")
    for attack, values in scores.items():
        if values.shape != shape or np.isnan(values).any():
            raise ValueError(
                f"{path}: scores of {attack} have shape {values.shape}; "
                f"expected {shape}, targets by samples, without NaN"
            )
    types = {**_KEYS, **dict.fromkeys(scores, pa.float64())}
    fields = [pa.field(name, kind, nullable=False) for name, kind in types.items()]
    columns: dict[str, np.ndarray] = {
        "target": np.repeat(np.asarray(targets, np.int16), shape[1]),
        "sample": np.tile(np.arange(shape[1], dtype=np.int32), shape[0]),
        "label": np.tile(label.astype(np.int16), shape[0]),
        "member": member.ravel(),
        **{attack: values.astype(np.float64).ravel() for attack, values in scores.items()},
    }
    arrays = [tables.to_arrow(values) for values in columns.values()]
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    # The other columns never repeat a value.
    known = {**(origin or {}), CHOSEN: json.dumps(chosen or {})}
    tables.write(path, table, known, rows_a_group=shape[1], dictionary=["target", "label"])


def read(path: str | Path) -> Scores:
    """Read a score file.

    Raises:
        ValueError: names the file and what was expected of it where it is damaged or foreign.
    """
    table = tables.read(path)
    attacks = table.column_names[len(_KEYS) :]
    types = [*_KEYS.values(), *[pa.float64()] * len(attacks)]
    if (
        not attacks
        or table.column_names[: len(_KEYS)] != list(_KEYS)
        or table.schema.types != types
    ):
        raise ValueError(
            f"{path}: columns {', '.join(table.column_names)} are not those of a score file; "
            "expected target int16, sample int32, label int16, member bool, and float64 attacks"
        )
    flat = {name: tables.to_numpy(table.column(name)) for name in table.column_names}
    targets = np.unique(flat["target"])
    samples = table.num_rows // max(len(targets), 1)
    label = flat["label"][:samples]
    expected = {
        "target": np.repeat(targets, samples),
        "sample": np.tile(np.arange(samples), len(targets)),
        "label": np.tile(label, len(targets)),
    }
    if samples == 0 or not all(np.array_equal(flat[key], value) for key, value in expected.items()):
        raise ValueError(
            f"{path}: expected the samples 0, 1, 2, ... with the same labels for each target, "
            "targets ascending"
        )
    shape = (len(targets), samples)
    known = pq.read_schema(path).metadata or {}
    return Scores(
        targets=tuple(int(target) for target in targets),
        label=label,
        member=flat["member"].reshape(shape),
        attacks={attack: flat[attack].reshape(shape) for attack in attacks},
        chosen=json.loads(known.get(CHOSEN.encode(), b"{}")),
    )

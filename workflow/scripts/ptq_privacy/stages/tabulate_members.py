"""Stage: who of the whole pool was trained on what, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptq_privacy.data import membership
from ptq_privacy.files.origin import Origin


def tabulate_members(shards: Sequence[str | Path], output: str | Path, origin: Origin) -> None:
    """Put the members of all shards side by side."""
    known = [membership.read(path) for path in shards]
    membership.write(output, {m: row for shard in known for m, row in shard.items()}, origin)

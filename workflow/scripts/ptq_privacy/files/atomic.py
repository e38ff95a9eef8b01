"""Writing artifacts so that a file under its real name is always a whole one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` if the block ends without error.

    A killed or failed writer leaves `path` as it was: a rename within a folder is atomic. What a
    killed one left under its temporary name, the next writer of `path` removes.

    Raises:
        Exception: what the block raised, a full disk for example, with a note that names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in _leftovers(path):
        leftover.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())  # some writers make files for their owner only
        os.replace(temporary, path)
    except Exception as error:
        error.add_note(f"while writing {path}")
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _leftovers(path: Path) -> list[Path]:
    temporary = re.compile(rf"\.{re.escape(path.name)}\.\d+\.partial")
    return [path.with_name(name) for name in os.listdir(path.parent) if temporary.fullmatch(name)]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

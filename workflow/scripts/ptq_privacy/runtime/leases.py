"""A GPU of its own for each job of one machine.

Snakemake bounds how many jobs use GPUs at once, but gives none of them a device: all would compute
on the first. Here a job takes the first device whose lock file it can lock. The kernel lets go of
the lock when the process ends, however it ends, so nothing is ever left behind to clean up.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)

REMIND = 60.0
"""Seconds after which a job that waits says so again; then twice as many, and so on."""

_held: set[Path] = set()
"""Lock files of this process; their descriptors stay open as long as it lives."""


def folder() -> Path:
    """Where this user's lock files lie; made if need be.

    Raises:
        RuntimeError: somebody else owns a folder of that name.
    """
    path = Path(tempfile.gettempdir()) / f"ptq-privacy-gpus-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise RuntimeError(f"{path}: belongs to another user; set TMPDIR to a folder of your own")
    return path


def take(devices: Sequence[str], locks: Path, poll: float = 1.0) -> str:
    """Wait for a free device and hold it until this process ends.

    Args:
        devices: names as CUDA_VISIBLE_DEVICES has them, at least one; the first free one is taken.
        locks: a folder on a local disk, the same for all jobs that share the devices.
        poll: seconds between two looks.
    """
    if not devices:
        raise ValueError("devices: none to wait for")
    started = time.monotonic()
    remind = 0.0
    while True:
        for name in devices:
            if _locked(_lock_file(name, locks)):
                log.info("GPU %s is ours", name)
                return name
        waited = time.monotonic() - started
        if waited >= remind:
            holders = [f"{name} (process {_holder(name, locks)})" for name in devices]
            log.warning("waited %.0f s for a free GPU: in use are %s", waited, ", ".join(holders))
            remind = max(REMIND, 2 * waited)
        time.sleep(poll)


def _lock_file(name: str, locks: Path) -> Path:
    return locks / f"{name.replace('/', '_')}.lock"


def _locked(path: Path) -> bool:
    """Whether this process holds the file, from now on or already."""
    if path in _held:
        return True
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    _held.add(path)
    return True


def _holder(name: str, locks: Path) -> str:
    return _lock_file(name, locks).read_text() or "unknown"

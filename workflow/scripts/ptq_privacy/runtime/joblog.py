"""A job's log file: progress while it runs, and the whole traceback if it fails.

A job also ends when the workflow that started it is killed: what it would write then, nobody waits
for, and the next run may be at the same file.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from types import TracebackType

import psutil

WORKFLOW = "PTQ_PRIVACY_SNAKEMAKE"
"""Environment variable with the process number of the workflow that a job belongs to."""

WATCH_S = 0.5


def start(path: str) -> None:
    """Send logging to `path`; on an uncaught error, the traceback there and one line to stderr."""
    logging.basicConfig(
        filename=path,
        filemode="w",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        force=True,
    )
    logging.captureWarnings(True)

    def record(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        logging.critical("failed", exc_info=(kind, error, trace))
        words = "".join(traceback.format_exception_only(error)).split()
        print(" ".join(words), file=sys.stderr)

    sys.excepthook = record
    if WORKFLOW in os.environ:
        watch = threading.Thread(target=_end_with, args=(int(os.environ[WORKFLOW]),), daemon=True)
        watch.start()


def _end_with(workflow: int) -> None:
    """End this process, at once and with nothing tidied up, when another one has ended."""
    while _alive(workflow):
        time.sleep(WATCH_S)
    logging.critical("ended: the workflow that started this job is gone")
    os._exit(1)


def _alive(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

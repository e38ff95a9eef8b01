"""A job's log file: progress while it runs, and the whole traceback if it fails."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType


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

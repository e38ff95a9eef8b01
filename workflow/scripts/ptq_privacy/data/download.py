"""Fetching a published file once, over networks and servers that fail halfway.

What arrived before a failure is kept beside the file's place and continued from, in the same run
or the next. Only a file whose checksums match ever stands under its real name.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

log = logging.getLogger(__name__)

NETWORK_ERRORS = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
LASTING = {*range(400, 500)} - {408, 425, 429}  # HTTP errors that another try would not cure
TIMEOUT_S = 60.0
PROGRESS_S = 10.0
BLOCK = 1 << 16


def download(
    addresses: Sequence[str],
    path: str | Path,
    checksums: Mapping[str, str],
    attempts: int = 6,
    pause_s: float = 1.0,
) -> Path:
    """Download a file unless it is there already with the right content.

    Args:
        addresses: where it can be had, tried in turn.
        path: where it goes; the folder is made.
        checksums: digest name (`sha256`, `md5`) -> hexadecimal digest; all must match.
        attempts: how often to try in all.
        pause_s: seconds before the second try, doubled before each further one.

    Raises:
        ConnectionError: no address served the file; says where to put it by hand.
        ValueError: what was served does not match the checksums.
    """
    path = Path(path)
    damage = _mismatch(path, checksums) if path.is_file() else None
    if damage is not None:
        log.warning("%s: %s; downloading it again", path, damage)
    elif path.is_file():
        return path
    partial = path.with_name(f".{path.name}.partial")
    with _locked(partial) as file:
        try:
            if not (path.is_file() and not _mismatch(path, checksums)):  # another job may have
                _try_all(list(addresses), file, partial, checksums, attempts, pause_s)
                os.replace(partial, path)
        except ConnectionError as error:
            if damage is None:
                raise
            raise ConnectionError(f"{path}: {damage}; {error}") from None
        finally:
            if partial.exists() and not partial.stat().st_size:
                partial.unlink()
    return path


def _try_all(
    addresses: list[str],
    file: BinaryIO,
    partial: Path,
    checksums: Mapping[str, str],
    attempts: int,
    pause_s: float,
) -> None:
    """Fill `file` with content that matches, dropping addresses that cannot serve it."""
    name = partial.name.removeprefix(".").removesuffix(".partial")
    failure: Exception | None = None
    for attempt in range(attempts):
        address = addresses[attempt % len(addresses)]
        try:
            resumed = _receive(address, name, file)
            failure = _mismatch(partial, checksums)
            if failure is None:
                return
            file.truncate(0)
            lasting = not resumed  # after a resumption the first part may have been at fault
        except NETWORK_ERRORS as error:
            failure = ConnectionError(f"{address}: {error}")
            lasting = isinstance(error, HTTPError) and error.code in LASTING
        log.warning("%s: attempt %d of %d failed: %s", name, attempt + 1, attempts, failure)
        if lasting:
            addresses = [other for other in addresses if other != address]
            if not addresses:
                break
        elif attempt + 1 < attempts:
            time.sleep(pause_s * 2**attempt)
    if isinstance(failure, ValueError):
        raise ValueError(f"{name} from {address}: {failure}")
    raise ConnectionError(
        f"{name} could not be downloaded ({failure}); try again later, or get it otherwise and "
        "name it as `path` in the config"
    )


def _receive(address: str, name: str, file: BinaryIO) -> bool:
    """Append what `file` lacks, or fill it anew; true if it was continued from where it ended."""
    start = file.seek(0, os.SEEK_END)
    headers = {"User-Agent": "ptq-privacy", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urlopen(Request(address, headers=headers), timeout=TIMEOUT_S)
    except HTTPError as error:
        if error.code == 416 and start:  # nothing is left to send: the checksum decides
            return True
        raise
    with response:
        resumed = response.status == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            file.truncate(0)
            raise ConnectionError("the server sent another part than was asked for")
        if not resumed:
            file.truncate(0)
            start = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        log.info("%s: downloading from %s, byte %d of %s", name, address, start, total or "?")
        received, spoken = start, time.monotonic()
        while block := response.read(BLOCK):
            file.write(block)
            received += len(block)
            if time.monotonic() - spoken > PROGRESS_S:
                log.info("%s: %.1f of %.1f MB", name, received / 1e6, (total or received) / 1e6)
                spoken = time.monotonic()
        file.flush()
        if total is not None and received < total:
            raise ConnectionError(f"the connection ended after {received} of {total} bytes")
    log.info("%s: %.1f MB received", name, received / 1e6)
    return resumed


def _mismatch(path: Path, checksums: Mapping[str, str]) -> ValueError | None:
    """What is wrong with a file's content, if anything."""
    for name, expected in checksums.items():
        with path.open("rb") as file:
            found = hashlib.file_digest(file, name).hexdigest()
            if found != expected:
                file.seek(0)
                page = (
                    file.read(512).lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))
                )
                what = "a web page was served instead of the file; " if page else ""
                return ValueError(f"{what}{name} is {found}, not {expected}")
    return None


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open a file for appending, alone: jobs that want the same download wait for each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                same = os.path.samestat(os.fstat(file.fileno()), path.stat())
            except FileNotFoundError:
                same = False
            if same:  # otherwise the job before us has moved it to its place or removed it
                yield file
                return

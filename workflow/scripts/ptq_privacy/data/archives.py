"""Reading archives that came from elsewhere, member by member and in memory.

Nothing is unpacked on disk, so a hostile archive has nowhere to write and a broken one leaves
nothing behind. A folder that somebody unpacked already is read in the same way.
"""

from __future__ import annotations

import gzip
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

MEMBER_LIMIT = 256 << 20  # bytes; CIFAR-100's training file, the largest known, is 155 MB
TOTAL_LIMIT = 1 << 30  # bytes; TinyImageNet, the largest known, is 500 MB
BLOCK = 1 << 20
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    OSError,  # a place to seek that is none; gzip's own errors
    zlib.error,
    EOFError,
    struct.error,
    UnicodeError,
    NotImplementedError,  # a zip of a later version
)

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a bound

Wanted = Callable[[str], bool]
Members = Iterator[tuple[str, bytes]]


def read(path: str | Path, root: str, wanted: Wanted) -> dict[str, bytes]:
    """Contents of the wanted files of a `.tar.gz`, a `.zip` or a folder, by name in sorted order.

    Of an archive, the name, kind and size of every member are checked, wanted or not.

    Args:
        path: which of the three it is shows in its first bytes, not in its name.
        root: the archive's top folder; names are relative to it. A folder may be it or hold it.
        wanted: says of a file's name (with slashes) whether it should be read.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: names the archive, and the member where one is at fault: a path that escapes,
            a link or other special file, a name twice, more bytes than allowed, or damage.
    """
    path = Path(path)
    checks = _Checks(path, f"{root}/")
    if path.is_dir():
        return dict(sorted(_read_folder(path, checks, wanted)))
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        members = _read_zip
    elif start.startswith(b"\x1f\x8b"):
        members = _read_tar
    else:
        page = start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))
        raise ValueError(f"{path}: {'a web page' if page else 'a file'}, neither .tar.gz nor .zip")
    try:
        return dict(sorted(members(path, checks, wanted)))
    except DAMAGE as error:
        raise ValueError(f"{path}: damaged or truncated ({error})") from None


def _read_folder(folder: Path, checks: _Checks, wanted: Wanted) -> Members:
    for path in folder.rglob("*"):
        if path.is_file():
            name = checks.file(path.relative_to(folder).as_posix(), path.stat().st_size)
            if wanted(name):
                yield name, path.read_bytes()


def _read_tar(path: Path, checks: _Checks, wanted: Wanted) -> Members:
    with _Bounded(path) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if member.isdir():
                    checks.name(member.name)
                    continue
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                    raise ValueError(f"{path}: {member.name!r} is a link or a special file")
                name = checks.file(member.name, member.size)
                if wanted(name):
                    content = archive.extractfile(member)
                    assert content is not None  # it is a regular file
                    yield name, content.read()
        while stream.read(BLOCK):  # the checksum stands at the very end
            pass


def _read_zip(path: Path, checks: _Checks, wanted: Wanted) -> Members:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            checks.name(member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                raise ValueError(f"{path}: {member.filename!r} is a link or a special file")
            if member.flag_bits & 1 or member.compress_type not in METHODS:
                raise ValueError(f"{path}: {member.filename!r} is encrypted or packed unusually")
            name = checks.file(member.filename, member.file_size)
            if wanted(name):
                yield name, archive.read(member)


class _Checks:
    """What is checked of every member, and across members, before its content is read."""

    def __init__(self, archive: Path, root: str) -> None:
        self.archive = archive
        self.root = root
        self.names: set[str] = set()
        self.total = 0

    def name(self, name: str) -> str:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not name:
            raise ValueError(f"{self.archive}: {name!r} would escape from the archive's folder")
        return str(path)

    def file(self, name: str, size: int) -> str:
        name = self.name(name).removeprefix(self.root)
        if name in self.names:
            raise ValueError(f"{self.archive}: {name!r} is there twice")
        self.names.add(name)
        self.total += size
        if not 0 <= size <= MEMBER_LIMIT or self.total > TOTAL_LIMIT:
            raise ValueError(
                f"{self.archive}: {name!r} says to hold {size} bytes; allowed: "
                f"{MEMBER_LIMIT} a file, {TOTAL_LIMIT} in all"
            )
        return name


class _Bounded(gzip.GzipFile):
    """A gzip stream that refuses to unpack more than is allowed.

    Tar's own headers can be long, too, and are read before their member is known.
    """

    unpacked = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self.unpacked += len(content)
        if self.unpacked > TOTAL_LIMIT:
            raise ValueError(f"{self.name}: unpacks to more than {TOTAL_LIMIT} bytes")
        return content

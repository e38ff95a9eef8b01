import gzip
import io
import stat
import tarfile
import warnings
import zipfile

import numpy as np
import pytest

from ptq_privacy.data import archives

FILES = {"top/a.txt": b"alpha", "top/deep/b.bin": bytes(range(256)) * 40, "top/readme": b"no"}
WANTED = {"a.txt": FILES["top/a.txt"], "deep/b.bin": FILES["top/deep/b.bin"]}


def wanted(name):
    return name != "readme"


def tar_gz(path, files=FILES, change=lambda member: None, tar_format=tarfile.USTAR_FORMAT):
    with tarfile.open(path, "w:gz", format=tar_format) as archive:
        folder = tarfile.TarInfo("top/")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            change(member)
            archive.addfile(member, io.BytesIO(content))
    return path


def zipped(path, files=FILES, change=lambda member: None, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        archive.writestr("top/", b"")
        for name, content in files.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = method
            change(member)
            archive.writestr(member, content)
    return path


def unpacked(path):
    for name, content in FILES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


@pytest.mark.parametrize("make", [tar_gz, zipped, unpacked])
def test_wanted_members_are_read_by_sorted_name(make, tmp_path):
    contents = archives.read(make(tmp_path / "x"), "top", wanted)
    assert contents == WANTED
    assert list(contents) == sorted(contents)


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_of_all_tar_dialects_are_read(tar_format, tmp_path):
    name = "top/" + "x" * 150 + "/" + "ü" * 150
    path = tar_gz(tmp_path / "x", {name: b"1"}, tar_format=tar_format)
    assert archives.read(path, "top", wanted) == {name.removeprefix("top/"): b"1"}


def test_a_folder_may_be_the_top_folder_itself(tmp_path):
    unpacked(tmp_path)
    assert archives.read(tmp_path / "top", "top", wanted) == WANTED


@pytest.mark.parametrize(
    "name", ["../evil", "top/../../evil", "/etc/evil", "top\\..\\evil", "C:evil"]
)
@pytest.mark.parametrize("make", [tar_gz, zipped])
def test_an_escaping_path_is_refused_even_unwanted(make, name, tmp_path):
    path = make(tmp_path / "archive", {"top/a.txt": b"1", name: b"evil"})
    with pytest.raises(ValueError, match=r"archive: .*evil' would escape"):
        archives.read(path, "top", lambda name: name == "a.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE],
)
def test_links_and_special_files_in_a_tar_are_refused(kind, tmp_path):
    def change(member):
        if member.name == "top/readme":
            member.type, member.linkname, member.size = kind, "/etc/passwd", 0

    path = tar_gz(tmp_path / "archive", change=change)
    with pytest.raises(ValueError, match="archive: 'top/readme' is a link or a special file"):
        archives.read(path, "top", wanted)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO])
def test_links_and_special_files_in_a_zip_are_refused(kind, tmp_path):
    def change(member):
        member.external_attr = (kind | 0o777) << 16

    with pytest.raises(ValueError, match=r"archive: 'top/a\.txt' is a link or a special file"):
        archives.read(zipped(tmp_path / "archive", change=change), "top", wanted)


@pytest.mark.parametrize("make", [tar_gz, zipped])
def test_a_name_twice_is_refused(make, tmp_path):
    path = make(tmp_path / "archive", {"top/a.txt": b"1", "a.txt": b"2"})
    with pytest.raises(ValueError, match=r"'a\.txt' is there twice"):
        archives.read(path, "top", wanted)


@pytest.mark.parametrize("make", [tar_gz, zipped])
def test_absurd_sizes_are_refused(make, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 10_000)
    with pytest.raises(ValueError, match=r"'deep/b\.bin' says to hold 10240 bytes; allowed: 10000"):
        archives.read(make(tmp_path / "archive"), "top", wanted)
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 10_240)
    monkeypatch.setattr(archives, "TOTAL_LIMIT", 10_241)
    with pytest.raises(ValueError, match=r"10241 in all|more than 10241 bytes"):
        archives.read(make(tmp_path / "archive"), "top", wanted)


def test_a_size_that_only_the_header_claims_is_refused(tmp_path):
    header = tarfile.TarInfo("top/a.txt")
    header.size = 1 << 40
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_240)))
    with pytest.raises(ValueError, match="says to hold 1099511627776 bytes"):
        archives.read(path, "top", wanted)


def test_a_zip_that_unpacks_to_more_than_it_says_is_refused(tmp_path):
    path = zipped(tmp_path / "archive", {"top/a.txt": bytes(100_000)})
    size = (100_000).to_bytes(4, "little")
    assert path.read_bytes().count(size) == 2
    path.write_bytes(path.read_bytes().replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(ValueError, match="archive: damaged or truncated"):
        archives.read(path, "top", wanted)


def test_unusual_zip_compression_is_refused(tmp_path):
    path = zipped(tmp_path / "archive", method=zipfile.ZIP_LZMA)
    with pytest.raises(ValueError, match=r"'top/a\.txt' is encrypted or packed unusually"):
        archives.read(path, "top", wanted)


@pytest.mark.parametrize("make", [tar_gz, zipped])
def test_a_truncated_archive_is_refused_wherever_it_ends(make, tmp_path):
    path = make(tmp_path / "archive", {"top/a": np.random.default_rng(0).bytes(3000), **FILES})
    whole = path.read_bytes()
    for end in [4, 20, 500, len(whole) // 2, len(whole) - 9, len(whole) - 1]:
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="archive: damaged or truncated"):
            archives.read(path, "top", wanted)


@pytest.mark.parametrize("make", [tar_gz, zipped])
def test_an_altered_archive_never_gives_other_content(make, tmp_path):
    path = make(tmp_path / "archive")
    whole = path.read_bytes()
    right = archives.read(path, "top", wanted)
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        message, contents = outcome(path)
        assert message.startswith(str(path)) or not message
        refused += bool(message)
        # Time stamps, and in a zip the names and kinds of members, bear no checksum.
        assert {*contents.values()} <= {*right.values(), b"no"}
    assert refused > len(whole) / 3


def test_an_altered_tar_that_was_packed_again_is_refused_by_name(tmp_path):
    """Every way in which a header can be wrong ends in a message that names the archive."""
    path = tar_gz(tmp_path / "archive", tar_format=tarfile.PAX_FORMAT, change=give_pax_headers)
    plain = gzip.decompress(path.read_bytes())
    for place in range(2560):
        altered = plain[:place] + bytes([plain[place] ^ 0x55]) + plain[place + 1 :]
        path.write_bytes(gzip.compress(altered, 1))
        message, _ = outcome(path)
        assert message.startswith(str(path)) or not message


def outcome(path):
    """The message with which an archive is refused, or else its contents."""
    try:
        return "", archives.read(path, "top", wanted)
    except ValueError as error:
        return str(error), {}


def give_pax_headers(member):
    member.pax_headers = {"size": str(member.size), "mtime": "1.5", "comment": "ü"}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html>Sign in</html>", "a web page"),
        (b"\n <HTML>502</HTML>", "a web page"),
        (b"Rar!", "a file"),
        (b"", "a file"),
    ],
)
def test_what_is_no_archive_is_refused(content, what, tmp_path):
    (tmp_path / "archive.zip").write_bytes(content)
    with pytest.raises(ValueError, match=rf"archive\.zip: {what}, neither"):
        archives.read(tmp_path / "archive.zip", "top", wanted)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        archives.read(tmp_path / "none", "top", wanted)

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ptq_privacy.files.atomic import replacing

LIBRARY = Path(__file__).parents[3] / "workflow" / "scripts"


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "artifact"
    path.write_text("old")
    return path


def test_the_file_appears_whole_at_the_end_of_the_block(old):
    with replacing(old) as temporary:
        temporary.write_text("new")
        assert old.read_text() == "old"
        assert temporary.parent == old.parent  # a rename within a folder is atomic
    assert old.read_text() == "new"
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_keeps_the_old_file_and_leaves_nothing_else(old, error):
    def write():
        with replacing(old) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(error):
        write()
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_an_error_leaves_no_file_where_there_was_none(tmp_path):
    def write():
        with replacing(tmp_path / "artifact") as temporary:
            temporary.write_text("half")
            raise ValueError

    with pytest.raises(ValueError, match="while writing .*artifact"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_is_killed_keeps_the_old_file(old):
    program = (
        "import os, signal, sys\n"
        "from ptq_privacy.files.atomic import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, old], cwd=LIBRARY, check=False)
    assert done.returncode == -9
    assert old.read_text() == "old"
    assert all(path.name.startswith(".") for path in old.parent.iterdir() if path != old)


def test_a_writer_that_writes_nothing_is_an_error(old):
    def write():
        with replacing(old):
            pass

    with pytest.raises(FileNotFoundError):
        write()
    assert old.read_text() == "old"


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_the_umask_decides_who_may_read_whatever_the_writer_does(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "artifact") as temporary:
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, mode))
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "artifact").stat().st_mode) == 0o666 & ~mask


def test_folders_on_the_way_are_made(tmp_path):
    with replacing(str(tmp_path / "a" / "b" / "artifact")) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a" / "b" / "artifact").read_text() == "new"

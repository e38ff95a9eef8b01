"""Real processes and real locks on pretended devices; an overlap of two jobs would be an error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ptq_privacy.runtime import leases

LIBRARY = Path(leases.__file__).parents[2]

TAKE = """
import sys, time
from pathlib import Path
from ptq_privacy.runtime import leases

name = leases.take(["0", "1"], Path(sys.argv[1]), poll=0.01)
print(name, flush=True)
"""

WORK = (
    TAKE
    + """
busy = Path(sys.argv[1], f"busy-{name}")
busy.touch(exist_ok=False)
time.sleep(0.1)
busy.unlink()
"""
)

WAIT_FOR_US = TAKE + "sys.stdin.read()"


def start(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(LIBRARY), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_eight_jobs_share_two_devices_without_ever_meeting(tmp_path):
    jobs = [start(WORK, tmp_path) for _ in range(8)]
    ends = [job.communicate() for job in jobs]
    assert [job.returncode for job in jobs] == [0] * 8, ends
    assert {name.strip() for name, _ in ends} <= {"0", "1"}


def test_a_killed_holder_leaves_its_device_to_one_that_waits(tmp_path):
    first = start(WAIT_FOR_US, tmp_path)
    assert first.stdout.readline() == "0\n"
    second = start(WAIT_FOR_US, tmp_path)
    assert second.stdout.readline() == "1\n"
    third = start(WAIT_FOR_US, tmp_path)
    waits = third.stderr.readline()
    assert f"in use are 0 (process {first.pid}), 1 (process {second.pid})" in waits
    first.kill()
    first.communicate()
    try:
        assert third.stdout.readline() == "0\n"
    finally:
        for job in (second, third):
            job.communicate()
    assert (second.returncode, third.returncode) == (0, 0)


def test_a_process_keeps_the_device_that_it_has(tmp_path):
    assert leases.take(["0", "1"], tmp_path) == "0"
    assert leases.take(["0", "1"], tmp_path) == "0"


def test_nobody_waits_for_no_device(tmp_path):
    with pytest.raises(ValueError, match="devices: none to wait for"):
        leases.take([], tmp_path)


def test_a_device_of_a_device_has_a_lock_file_too(tmp_path):
    assert leases.take(["MIG-GPU-8a/1/0"], tmp_path) == "MIG-GPU-8a/1/0"
    assert (tmp_path / "MIG-GPU-8a_1_0.lock").read_text() == str(os.getpid())


def test_the_folder_is_the_users_own_and_nobody_elses(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = leases.folder()
    assert path == leases.folder()
    assert path.parent == tmp_path
    assert path.stat().st_mode & 0o777 == 0o700
    somebody_else = os.getuid() + 1
    monkeypatch.setattr("os.getuid", lambda: somebody_else)
    with pytest.raises(RuntimeError, match="belongs to another user; set TMPDIR"):
        leases.folder()

"""Whatever is killed, full or broken: no artifact is lost, none is wrong, and it goes on after.

A few kills in this run; PTQ_PRIVACY_KILLS=20 does as many, PTQ_PRIVACY_KILL_SEED=7 others.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from base64 import urlsafe_b64encode
from collections import Counter

import psutil
import pytest

from tests.conftest import TINY, Workdir

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("PTQ_PRIVACY_KILLS", "3"))
SEED = int(os.environ.get("PTQ_PRIVACY_KILL_SEED", "0"))

MINI = {
    **TINY,
    "datasets": {"digits": {"source": "digits", "audit_samples": 120}},
    "pool": {"shadow_models": 2, "targets": 2, "models_per_job": 2},
    "training": {**TINY["training"], "epochs": 2},
    "compression": {
        "methods": ["nearest"],
        "bits": [2],
        "decoupled": [],
        "calibration_samples": 32,
    },
    "queries": ["identity"],
    "attacks": {"adversaries": ["transfer"]},
}
TABLES = "results/tiny/tables/summary.csv"
DATASET = "results/tiny/digits/dataset.safetensors"
NETWORK = "results/tiny/digits/resnet6"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = Workdir(tmp_path_factory.mktemp("undisturbed"))
    workdir.write_config(MINI)
    workdir.run(TABLES)
    return workdir


@pytest.fixture
def fresh(tmp_path):
    workdir = Workdir(tmp_path / "study")
    workdir.path.mkdir()
    workdir.write_config(MINI)
    return workdir


@pytest.fixture
def study(undisturbed, tmp_path):
    shutil.copytree(undisturbed.path, tmp_path / "study")
    return Workdir(tmp_path / "study")


def artifacts(workdir):
    """Every file under results that is no log and no benchmark, by its path from the folder."""
    paths = [path for path in workdir.results.rglob("*") if path.is_file()]
    named = {path.relative_to(workdir.path): path for path in paths}
    return {n: p for n, p in named.items() if n.parts[2] not in ("logs", "benchmarks")}


def recorded(workdir):
    """The inode and time of each artifact that Snakemake has recorded as finished."""
    marked = {path.name for path in (workdir.path / ".snakemake/incomplete").rglob("*")}
    return {
        name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for name, path in artifacts(workdir).items()
        if urlsafe_b64encode(str(name).encode()).decode() not in marked
        and not name.name.endswith(".partial")
    }


def unfinished(workdir):
    return [name for name in artifacts(workdir) if name.name.endswith(".partial")]


def refused(workdir, *targets):
    """What Snakemake says when it fails; no file may be left under a temporary name."""
    done = workdir.snakemake(*targets)
    assert done.returncode != 0
    assert not unfinished(workdir)
    return done.stdout + done.stderr


VICTIMS = ("worker", "snakemake", "group")


def wait_for(condition, process):
    while not condition() and process.poll() is None:
        time.sleep(0.02)


def workers(process):
    """The processes that run a rule's script."""
    children = psutil.Process(process.pid).children() if process.poll() is None else []
    return [child for child in children if "/.snakemake/scripts/" in command_of(child)]


def command_of(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended meanwhile
        return ""


def kill_at_random(process, output, moments, victim):
    """Kill a worker of Snakemake's, itself, or all at once; says which, or nothing if too late."""
    if victim == "worker" or moments.random() < 0.8:  # else while it starts
        wait_for(lambda: b"\nJob " in output.read_bytes(), process)
    time.sleep(moments.uniform(0, 2.5))
    if victim == "worker":
        wait_for(lambda: workers(process), process)
    running = workers(process)
    if process.poll() is not None or (victim == "worker" and not running):
        return None
    if victim == "worker":
        moments.choice(running).kill()
    else:
        (os.killpg if victim == "group" else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(running, timeout=60)
    assert not [worker for worker in running if worker.is_running()], "a job outlives Snakemake"
    return victim


def run_under_fire(workdir, undisturbed, moments, kills):
    """Run a study to its end through at most so many kills; counts what happened."""
    expected = {name: path.read_bytes() for name, path in artifacts(undisturbed).items()}
    counts, finished = Counter(), {}
    while True:
        output = workdir.path / f"run-{counts['runs']}.log"
        process = workdir.start(TABLES, output=output)
        counts["runs"] += 1
        victim = None
        if counts["kills"] < kills:
            victim = kill_at_random(process, output, moments, VICTIMS[counts["kills"] % 3])
            counts["kills"] += victim is not None
            counts[f"kills of {victim}"] += victim is not None
        process.wait()
        now = recorded(workdir)
        counts["redone"] += sum(now.get(name) != before for name, before in finished.items())
        finished = now
        for name, path in artifacts(workdir).items():
            if not name.name.endswith(".partial"):
                assert path.read_bytes() == expected[name], f"{name} is wrong after {victim}"
        if victim is None:
            assert process.returncode == 0, output.read_text()
            break
    assert finished.keys() == expected.keys()
    assert not unfinished(workdir)
    return counts


def test_killed_at_random_moments_it_ends_the_same_and_redoes_nothing(undisturbed, tmp_path):
    moments = random.Random(SEED)
    counts = Counter()
    while counts["kills"] < KILLS:  # a study may end before it was killed often enough
        workdir = Workdir(tmp_path / f"study-{counts['studies']}")
        workdir.path.mkdir()
        workdir.write_config(MINI)
        counts += run_under_fire(workdir, undisturbed, moments, KILLS - counts["kills"])
        counts["studies"] += 1
    print(f"seed {SEED}: {dict(counts)}")
    assert counts["redone"] == 0


def test_two_at_once_are_refused_and_the_first_goes_on(fresh, tmp_path):
    first = fresh.start(f"{NETWORK}/full/shard-000.safetensors", output=tmp_path / "first")
    wait_for(lambda: workers(first), first)
    second = fresh.snakemake(f"{NETWORK}/full/shard-000.safetensors")
    assert first.wait() == 0, (tmp_path / "first").read_text()
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout + second.stderr


def test_only_locks_left_by_this_host_are_known_to_be_stale(fresh):
    target = "results/tiny/digits/dataset.safetensors"
    alive = fresh.path / ".snakemake" / "alive"
    locks = fresh.path / ".snakemake" / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.output.lock").write_text(target)
    alive.write_text("another-host")
    for _ in range(2):  # a refused one does not make the locks its own
        refused = fresh.snakemake(target)
        assert refused.returncode != 0
        assert "Directory cannot be locked" in refused.stdout + refused.stderr
    alive.write_text(socket.gethostname())
    fresh.run(target)


@pytest.fixture
def disk(fresh):
    """The results on a disk of their own that can be full or read-only."""
    place = fresh.path / "results"
    place.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    if os.getuid() != 0 or (failed := mount("size=24k")).returncode:
        pytest.skip(f"mounting needs root: {failed.stderr if os.getuid() == 0 else ''}")
    yield mount
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_named_and_the_study_goes_on_when_there_is_room(disk, fresh, undisturbed):
    output = refused(fresh, DATASET)
    assert "No space left on device" in output
    assert f"while writing {DATASET}" in output
    assert not (fresh.path / DATASET).exists()
    assert disk("remount,size=64m").returncode == 0
    fresh.run(DATASET)
    assert (fresh.path / DATASET).read_bytes() == (undisturbed.path / DATASET).read_bytes()


def test_a_read_only_disk_is_named_and_the_study_goes_on_when_it_is_not(disk, fresh, undisturbed):
    assert disk("remount,ro,size=64m").returncode == 0
    output = refused(fresh, DATASET)
    assert "Read-only file system" in output
    assert "results/tiny" in output
    assert disk("remount,rw,size=64m").returncode == 0
    fresh.run(DATASET)
    assert (fresh.path / DATASET).read_bytes() == (undisturbed.path / DATASET).read_bytes()


def damaged(study, path, change):
    """Change a file's bytes, but not its time, by which Snakemake would notice."""
    file = study.path / path
    whole, times = file.read_bytes(), file.stat()
    file.write_bytes(change(whole))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    return whole


def truncated(whole):
    return whole[: len(whole) // 2]


def with_a_flipped_bit(whole):
    middle = len(whole) * 3 // 4
    return whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]


@pytest.mark.parametrize(
    ("path", "change", "reader"),
    [
        (
            f"{NETWORK}/full/logits-000.parquet",
            truncated,
            f"{NETWORK}/full/scores-transfer.parquet",
        ),
        (
            f"{NETWORK}/full/shard-000.safetensors",
            with_a_flipped_bit,
            f"{NETWORK}/full/logits-000.parquet",
        ),
    ],
)
def test_a_damaged_file_is_named_by_who_reads_it_and_can_be_mended(study, path, change, reader):
    whole, result = damaged(study, path, change), (study.path / reader).read_bytes()
    (study.path / reader).unlink()
    output = refused(study, reader)
    assert path in output
    assert "ValueError: " in output
    assert not (study.path / reader).exists()
    damaged(study, path, lambda _: whole)
    study.run(reader)
    assert (study.path / reader).read_bytes() == result


def test_a_job_that_the_kernel_kills_for_memory_is_named_and_done_again(fresh, tmp_path):
    """As the kernel does it, by SIGKILL and without a word."""
    process = fresh.start(DATASET, output=tmp_path / "output")
    wait_for(lambda: workers(process), process)
    for worker in workers(process):
        worker.kill()
    assert process.wait() != 0
    output = (tmp_path / "output").read_text()
    assert "Error in rule prepare_dataset" in output
    assert "SIGKILL" in output or "status -9" in output or "137" in output
    assert not artifacts(fresh)
    fresh.run(DATASET)

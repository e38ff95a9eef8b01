"""A SLURM of one node for the tests: real daemons on free ports, all files in one folder.

It pretends to have two GPUs and plenty of memory. Nothing of a SLURM that the machine may have is
read, and the daemons are ended by their own process numbers.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")

SLURM_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
MinJobAge=7200
KillWait=2
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=64000 Gres=gpu:2
PartitionName=cpu Nodes=node Default=YES State=UP
PartitionName=gpu Nodes=node State=UP
"""


def missing() -> str | None:
    """Why this machine cannot run one, or None."""
    absent = [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]
    if absent:
        return f"SLURM and munge are not installed: no {', '.join(absent)}"
    return None if os.geteuid() == 0 else "slurmd runs jobs as root only"


@dataclass(frozen=True)
class Job:
    """A line of the queue: what SLURM says of a job that waits, runs or has ended lately."""

    number: str
    comment: str
    state: str
    partition: str
    gpus: str
    memory: str


@dataclass(frozen=True)
class Cluster:
    """A running one; `environment` is what SLURM's programs need to talk to it."""

    environment: dict[str, str]

    def ask(self, *command: str) -> str:
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    def jobs(self) -> list[Job]:
        """All of them, in the order of submission."""
        columns = ("JobArrayID", "Comment", "State", "Partition", "tres-per-job", "MinMemory")
        listing = self.ask(
            *("squeue", "--noheader", "--array", "--states=all", "--sort=i"),
            "--Format=" + ",".join(f"{column}:|" for column in columns),
        )
        return [Job(*line.split("|")[:-1]) for line in listing.splitlines()]


def eventually(look: Callable[[], Any], what: str, seconds: float = 600) -> Any:
    """The first true answer of `look`, asked again and again."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)
    return found


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def _daemon(log: Path, *command: str, **environment: str) -> Iterator[None]:
    """Keep a program running in the foreground for the length of the block."""
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env={**os.environ, "PATH": PATH, **environment}
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _configure(folder: Path) -> dict[str, str]:
    """Write keys and configuration into a folder; the environment that points to them."""
    for name in ("state", "spool"):
        (folder / name).mkdir(mode=0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    controller_port, node_port = _free_ports(2)
    (folder / "slurm.conf").write_text(
        SLURM_CONF.format(
            folder=folder,
            host=socket.gethostname().split(".")[0],
            controller_port=controller_port,
            node_port=node_port,
        )
    )
    for device in range(2):
        os.mknod(folder / f"gpu{device}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (folder / "gres.conf").write_text(
        f"AutoDetect=off\nName=gpu Flags=nvidia_gpu_env File={folder}/gpu[0-1]\n"
    )
    return {"SLURM_CONF": str(folder / "slurm.conf")}


@contextmanager
def one_node(folder: Path) -> Iterator[Cluster]:
    """Start munge and SLURM, wait until the node is idle, and end all of it at last."""
    environment = _configure(folder)
    munge = [
        "munged",
        "--foreground",
        "--force",
        f"--key-file={folder}/munge.key",
        f"--socket={folder}/munge.socket",
        f"--pid-file={folder}/munged.pid",
        f"--seed-file={folder}/munged.seed",
        f"--log-file={folder}/munged.log",
    ]
    with ExitStack() as daemons:
        daemons.enter_context(_daemon(folder / "munged.out", *munge))
        eventually((folder / "munge.socket").exists, "munged's socket", 60)
        for program, name in (("slurmctld", []), ("slurmd", ["-N", "node"])):
            daemons.enter_context(
                _daemon(folder / f"{program}.out", program, "-D", *name, **environment)
            )
        cluster = Cluster(environment)
        eventually(lambda: _idle(cluster), f"an idle node (see {folder})", 120)
        try:
            yield cluster
        finally:
            cluster.ask("scancel", "--state=PENDING", "--user=root")
            cluster.ask("scancel", "--user=root")
            eventually(lambda: not cluster.ask("squeue", "--noheader"), "the last job's end", 120)


def _idle(cluster: Cluster) -> bool:
    try:
        return cluster.ask("sinfo", "--noheader", "--format=%T").split() == ["idle"]
    except subprocess.CalledProcessError:  # slurmctld does not answer yet
        return False

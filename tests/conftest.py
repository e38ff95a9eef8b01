"""One tiny study on real digits, run once, and the means to run Snakemake on copies of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}

# A test process a core: threads of torch's own would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples on every run; HYPOTHESIS_PROFILE=search looks for others.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

TINY = {
    "study": "tiny",
    "seed": 3,
    "datasets": {"digits": {"source": "digits", "audit_samples": 240}},
    "networks": ["resnet6"],
    "pool": {"shadow_models": 4, "targets": 2, "models_per_job": 3},
    "training": {
        "epochs": 8,
        "batch_size": 16,
        "learning_rate": 0.1,
        "flip": False,
        "crop_padding": 1,
        "autocast": False,
    },
    "compression": {
        "methods": ["brecq"],
        "bits": [1.58],
        "decoupled": [{"bits": 1.58, "head_bits": 8}],
        "calibration_samples": 64,
        "brecq": {"iterations": 20},
    },
    "queries": ["identity", "shift:1,0"],
    "attacks": {"adversaries": ["transfer", "adaptive"]},
}


@dataclass(frozen=True)
class Workdir:
    """A folder in which Snakemake runs the repository's workflow on one config."""

    path: Path
    repository: Path = REPOSITORY

    @property
    def results(self) -> Path:
        return self.path / "results" / "tiny"

    def write_config(self, config: dict) -> None:
        (self.path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        command = [sys.executable, "-m", "snakemake", "--snakefile", self.repository / "Snakefile"]
        command += ["--directory", self.path, "--cores", str(cores), *arguments]
        command += ["--configfile", self.path / "config.yaml"]
        command += ["--workflow-profile", self.repository / "profiles" / "default"]
        return list(map(str, command))

    def snakemake(self, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, cores=cores),
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            check=False,
        )

    def start(self, *arguments: str, output: Path) -> subprocess.Popen[bytes]:
        """Snakemake in a process group of its own, not waited for."""
        with output.open("wb") as file:
            return subprocess.Popen(
                self.command(*arguments),
                stdout=file,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
                start_new_session=True,
            )

    def run(self, *arguments: str) -> str:
        done = self.snakemake(*arguments)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        return output

    def planned(self, *arguments: str) -> dict[str, int]:
        """How many jobs of each rule a dry run would start."""
        return jobs_of(self.run(*arguments, "--dry-run", "--quiet", "rules"))


def jobs_of(output: str) -> dict[str, int]:
    """How many jobs of each rule Snakemake says that it starts, or would."""
    lines = output.partition("Job stats:")[2].partition("total")[0].splitlines()[3:]
    return {rule: int(count) for rule, count in (line.split() for line in lines if line)}


def run_once(
    factory: pytest.TempPathFactory,
    worker: str,
    name: str,
    begin: Callable[[Workdir], object],
    *targets: str,
) -> Workdir:
    """A study that is run to its tables and figures, or to `targets`, once for all test processes.

    Test processes side by side share one: the first to need it runs it, the others wait. What the
    run said is in its file `complete`.
    """
    own = factory.getbasetemp()
    shared = own if worker == "master" else own.parent
    workdir = Workdir(shared / name)
    with FileLock(shared / f"{name}.lock"):
        if not workdir.path.is_dir():
            workdir.path.mkdir()
            begin(workdir)
            (workdir.path / "complete").write_text(workdir.run(*targets))
    assert (workdir.path / "complete").is_file(), "the study failed in another test process"
    return workdir


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Workdir:
    """The tiny study, finished. Not to be changed."""
    return run_once(
        tmp_path_factory, worker_id, "finished", lambda workdir: workdir.write_config(TINY)
    )


@pytest.fixture
def study(finished: Workdir, tmp_path: Path) -> Workdir:
    """A copy of the finished study, to delete from, edit and rerun."""
    shutil.copytree(finished.path, tmp_path / "study")
    return Workdir(tmp_path / "study")

"""The workflow as a module of somebody else's: from any local path, under any prefix."""

import os
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ENVIRONMENT, REPOSITORY, TINY, jobs_of

CALLER = """
configfile: "caller.yaml"

rule all:
    input:
        "audited.txt",

module ptq:
    snakefile: {snakefile}
    config: {config}
    {more}

use rule * from ptq as ptq_*

rule audited:
    input:
        rules.ptq_all.input,
    output:
        touch("audited.txt"),
"""

SMALL = {
    **TINY,
    "pool": {"shadow_models": 2, "targets": 2, "models_per_job": 4},
    "training": {**TINY["training"], "epochs": 2},
    "compression": {"methods": ["nearest"], "bits": [2], "calibration_samples": 32},
    "queries": ["identity"],
    "attacks": {"adversaries": ["transfer"]},
}


class Caller:
    """A folder with a workflow of its own, which uses this one."""

    def __init__(self, folder, settings, snakefile=None, config='config["ptq"]', more=""):
        self.folder = folder
        where = repr(os.path.relpath(REPOSITORY / "Snakefile", folder))
        text = CALLER.format(snakefile=snakefile or where, config=config, more=more)
        (folder / "Snakefile").write_text(text)
        (folder / "caller.yaml").write_text(yaml.safe_dump(settings))

    def snakemake(self, *arguments):
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            check=False,
        )

    def run(self, *arguments):
        done = self.snakemake(*arguments)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        return output

    def planned(self):
        return jobs_of(self.run("--dry-run", "--quiet", "rules"))

    def refusal(self):
        """The one line of an error, less where it arose."""
        done = self.snakemake("--dry-run")
        assert done.returncode != 0
        first, line, *_ = (done.stdout + done.stderr).splitlines()
        assert first.startswith("WorkflowError in file"), first
        return line


def test_what_ran_alone_is_finished_as_a_module(study):
    """No artifact depends on where the workflow lies, on its rules' names or on another config."""
    caller = Caller(study.path, {"ptq": TINY, "study": "another", "device": 7})
    assert caller.planned() == {"audited": 1, "all": 1}


@pytest.mark.slow
def test_a_prefix_moves_all_paths(tmp_path):
    caller = Caller(tmp_path, SMALL, config="config", more='prefix: "sub"')
    output = caller.run("--dry-run")
    planned = jobs_of(output)
    assert planned.pop("all") == planned.pop("audited") == 1
    assert {"ptq_train_models", "ptq_summarize"} <= planned.keys()
    assert all(name.startswith("ptq_") for name in planned)
    assert "sub/results/tiny/digits/dataset.safetensors" in output
    assert "results/tiny" not in output.replace("sub/results/tiny", "")


@pytest.mark.slow
def test_locks_in_the_callers_folder_are_not_its_to_remove(tmp_path):
    lock = tmp_path / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("another's\n")
    Caller(tmp_path, {"ptq": SMALL}).planned()
    assert lock.is_file()


def test_a_module_from_a_git_host_is_refused(tmp_path):
    """As github(...) does, it fetches the files that rules name, and not what they import."""
    clone = tmp_path / "clone"
    clone.mkdir()
    shutil.copy(REPOSITORY / "Snakefile", clone)
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "Snakefile"],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "--message", "a"],
    ):
        subprocess.run(["git", *command], cwd=clone, check=True)
    snakefile = f'gitfile("{clone}", path="Snakefile", ref="main")'
    assert Caller(tmp_path, {"ptq": SMALL}, snakefile).refusal() == (
        "ptq-privacy brings a library along: clone the repository and give the clone's Snakefile, "
        "a local path, as `snakefile:`; see docs/module.md"
    )


def test_another_library_of_that_name_is_refused(tmp_path):
    """Else one of two clones would compute by the other's library, under digests of its own."""
    other = tmp_path / "ptq_privacy"
    other.mkdir()
    (other / "__init__.py").touch()
    library = REPOSITORY / "workflow" / "scripts" / "ptq_privacy"
    assert Caller(tmp_path, {"ptq": SMALL}).refusal() == (
        f"{library}: Python finds another ptq_privacy first, {other}; "
        "one workflow can use one clone"
    )


@pytest.mark.slow
def test_it_runs_to_its_end_in_the_callers_folder(tmp_path):
    caller = Caller(
        tmp_path, {"ptq": SMALL}, more='prefix: "sub"\n    pathvars:\n        results="mia"'
    )
    caller.run()
    written = {path.name for path in tmp_path.iterdir()} - {
        ".snakemake",
        "Snakefile",
        "caller.yaml",
    }
    assert written == {"audited.txt", "sub"}
    results = tmp_path / "sub" / "mia"
    assert {path.name for path in results.iterdir()} == {
        "benchmarks",
        "digits",
        "figures",
        "logs",
        "report.html",
        "tables",
    }
    assert "nearest-w2" in (results / "tables" / "summary.csv").read_text()
    assert "Nothing to be done" in caller.run("--dry-run")
    caller.run("--report", "report.html")
    assert "The answer" in (tmp_path / "report.html").read_text()

"""The GPU benchmark, every part at a small size on the CPU, without what a bare machine lacks."""

import subprocess
import sys
from pathlib import Path

import pytest

from ptq_privacy.study import fragments

pytestmark = pytest.mark.slow

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
ABSENT = ("jsonschema", "pandas", "psutil", "pyarrow", "safetensors", "sklearn", "snakemake")


def run(*arguments):
    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in ABSENT)
    code = f"import runpy, sys; {hidden}runpy.run_path({str(BENCHMARK)!r}, run_name='__main__')"
    command = [sys.executable, "-c", code, "--device", "cpu", "--small", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("part", "lines"),
    [
        (
            "agreement",
            ["phi of 16 answers: agree, 0.0e+00", "OBC from one float64 Hessian: codes e"],
        ),
        pytest.param("training", ["ours is ", " of the products' rate"], marks=pytest.mark.slow),
        pytest.param("queries", ["answers/s"], marks=pytest.mark.slow),
    ],
)
def test_a_part(part, lines):
    done = run("--only", part)
    assert done.returncode == 0, done.stderr
    for line in lines:
        assert line in done.stdout
    assert "DIFFER" not in done.stdout


@pytest.mark.slow
def test_every_method_has_its_line():
    """Each in a process of its own, which sees all packages that are here."""
    command = [sys.executable, BENCHMARK, "--device", "cpu", "--small", "--only", "methods"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("methods")]
    assert len(lines) == len(fragments.names("compressions"))
    assert all(" s, " in line and "three levels" in line for line in lines)


def test_a_machine_without_a_gpu_is_told_so():
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--device", "cuda"],
        capture_output=True,
        text=True,
        check=False,
        env={"CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode != 0
    assert "torch sees no GPU here; --device cpu --small runs anywhere" in done.stderr

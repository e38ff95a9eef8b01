"""What a job imports before it works: torch takes two seconds, pandas half of one, a job each."""

import subprocess
import sys

import pytest

from tests.conftest import ENVIRONMENT, REPOSITORY

WITHOUT_TORCH = (
    "assign_members",
    "tabulate_members",
    "score_attacks",
    "measure_leakage",
    "sweep_shadow_models",
    "compare_variants",
    "compare_methods",
    "compare_scale",
    "compare_calibration",
    "measure_exposure",
    "calibrate_thresholds",
    "summarize",
    "plot_roc",
    "plot_tradeoff",
    "plot_sweep",
    "plot_adversaries",
    "plot_scale",
    "plot_exposure",
    "conclude",
)

NUMBERS_ONLY = """
import numpy as np
from ptq_privacy.answers import logits
from ptq_privacy.answers.answer_blocks import LogitBlock
from ptq_privacy.data import membership
from ptq_privacy.files import scores
from ptq_privacy.stages import assign_members, measure_leakage, score_attacks, tabulate_members

members = membership.draw(6, 2, 0)
membership.write("members.parquet", dict(enumerate(members)))
membership.read("members.parquet")
label = np.arange(6, dtype=np.int16) % 2
block = LogitBlock(0, 0, label, members[0], np.ones((6, 2), np.float32))
logits.write("logits.parquet", [block], 2, {})
list(logits.read("logits.parquet"))
scores.write("scores.parquet", [0, 1], label, members, {"attack": np.arange(12.0).reshape(2, 6)})
measure_leakage.measure_leakage("scores.parquet", "leakage.parquet", "values.parquet", seed=0)
"""


def imported(code: str, folder: object) -> set[str]:
    """The modules that a fresh Python has after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
        cwd=str(folder),
        env={**ENVIRONMENT, "PYTHONPATH": str(REPOSITORY / "workflow" / "scripts")},
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_tables_and_pages_are_made_without_torch(tmp_path):
    code = "\n".join(f"import ptq_privacy.stages.{stage}" for stage in WITHOUT_TORCH)
    assert "torch" not in imported(code, tmp_path)


@pytest.mark.parametrize("unneeded", ["pandas", "torch"])
def test_numbers_are_read_and_written_without(unneeded, tmp_path):
    assert unneeded not in imported(NUMBERS_ONLY, tmp_path)


def test_only_private_trainings_import_opacus(tmp_path):
    code = "import ptq_privacy.stages.train_models, ptq_privacy.stages.check_network"
    assert "opacus" not in imported(code, tmp_path)

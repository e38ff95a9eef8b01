import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[3] / "workflow" / "scripts"

JOB = """
import logging, sys, warnings
from ptq_privacy.runtime import joblog

joblog.start(sys.argv[1])
logging.getLogger("ptq_privacy.stage").info("model %d", 7)
warnings.warn("half a warning")

def train():
    {statement}

train()
"""


def job(log, statement):
    return subprocess.run(
        [sys.executable, "-c", JOB.format(statement=statement), log],
        cwd=LIBRARY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def log(tmp_path):
    return tmp_path / "job.log"


def test_progress_and_warnings_are_logged_and_nothing_is_printed(log):
    done = job(log, "pass")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = log.read_text()
    assert "INFO model 7" in text
    assert "half a warning" in text


def test_an_error_is_one_line_to_the_user_and_a_traceback_in_the_log(log):
    done = job(log, "raise ValueError('pool.targets: 9')")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "ValueError: pool.targets: 9\n"
    text = log.read_text()
    assert "CRITICAL failed\nTraceback (most recent call last):" in text
    assert "in train\n" in text
    assert text.endswith("ValueError: pool.targets: 9\n")


def test_a_message_of_many_lines_is_still_one_line_to_the_user(log):
    done = job(log, r"raise RuntimeError('weights do not fit:\n\tmissing\n\n  two')")
    assert done.stderr == "RuntimeError: weights do not fit: missing two\n"
    assert "weights do not fit:\n\tmissing\n" in log.read_text()


def test_an_error_without_a_message_is_named(log):
    assert job(log, "raise MemoryError").stderr == "MemoryError\n"


def test_the_cause_of_an_error_is_in_the_log(log):
    statement = "\n    ".join(
        ["try: [][1]", "except IndexError as error: raise ValueError('damaged') from error"]
    )
    assert job(log, statement).stderr == "ValueError: damaged\n"
    assert "IndexError: list index out of range" in log.read_text()


def test_a_job_that_runs_again_starts_its_log_anew(log):
    job(log, "raise ValueError('first')")
    job(log, "pass")
    assert "first" not in log.read_text()

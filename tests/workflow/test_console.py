"""What a run prints: a line a job, a line an epoch of a model in training, and errors in full."""

import re

import pytest
import yaml

from tests.conftest import REPOSITORY, TINY, Workdir, jobs_of

JOB = re.compile(r"\[\d\d:\d\d:\d\d\]( \d+/\d+)? .+")
EPOCH = re.compile(r" +resnet6 on digits, model (\d+) epoch (\d+)/(\d+) loss .*")
TRAINED = re.compile(r" +resnet6 on digits, model (\d+): test accuracy .*")


def lines_like(pattern, output):
    return [match for line in output.splitlines() if (match := pattern.fullmatch(line))]


@pytest.fixture(scope="session")
def printed(finished):
    """What a whole run of the tiny study said, not on a terminal."""
    return (finished.path / "complete").read_text()


def test_each_job_has_one_line(printed):
    assert len(lines_like(JOB, printed)) == sum(jobs_of(printed).values())
    assert "Finished jobid" not in printed
    assert "Reason:" not in printed


def test_a_training_shows_each_epoch_of_its_first_model_and_the_end_of_each(printed):
    epochs = [tuple(map(int, match.groups())) for match in lines_like(EPOCH, printed)]
    followed = epochs[0][0]
    assert followed in {0, 3}  # of the two jobs that run side by side, the first of one
    last = TINY["training"]["epochs"]
    assert [epoch for model, epoch, _ in epochs if model == followed] == [*range(1, last + 1)]
    ends = {int(match[1]) for match in lines_like(TRAINED, printed)}
    assert ends >= {followed, followed + 1, followed + 2}


def test_the_digits_study_takes_fewer_than_300_lines(printed, tmp_path):
    """What does not grow with a study, a line a job, what its training says, and `make report`."""
    fixed = len(printed.splitlines()) - sum(
        len(lines_like(pattern, printed)) for pattern in (JOB, EPOCH, TRAINED)
    )
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    digits = Workdir(tmp_path)
    digits.write_config(config)
    jobs = sum(digits.planned().values())
    trained = config["training"]["epochs"] + config["pool"]["models_per_job"]
    assert fixed + jobs + trained + 40 < 300


@pytest.mark.slow
def test_an_error_is_shown_in_full(tmp_path):
    study = Workdir(tmp_path)
    study.write_config({**TINY, "training": {**TINY["training"], "learning_rate": 1e30}})
    failed = study.snakemake()
    output = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "Error in rule train_models:" in output
    assert "Traceback (most recent call last):" in output  # of the job's log
    assert "the training loss is nan; lower training.learning_rate" in output
    assert len(lines_like(JOB, output)) >= 4


@pytest.mark.slow
def test_a_dry_run_says_why(tmp_path):
    study = Workdir(tmp_path)
    study.write_config(TINY)
    output = study.run("--dry-run")
    assert output.count("Reason: Missing output files") > 20

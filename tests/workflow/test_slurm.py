"""The tiny study through a real SLURM of one node, with one of its jobs cancelled on the way."""

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from tests.conftest import ENVIRONMENT, REPOSITORY, TINY, Workdir
from tests.workflow import slurm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(slurm.missing() is not None, reason=str(slurm.missing())),
]

ON_A_GPU = ("train_models", "compress_models", "query_logits")


@pytest.fixture
def cluster(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[slurm.Cluster]:
    with slurm.one_node(tmp_path_factory.mktemp("slurm")) as running:
        for name, value in running.environment.items():
            monkeypatch.setitem(ENVIRONMENT, name, value)
        yield running


def cancel_one(cluster: slurm.Cluster, rule: str) -> slurm.Job:
    """Cancel the first job of a rule that runs, as its owner would by hand."""

    def running() -> list[slurm.Job]:
        return [j for j in cluster.jobs() if rule in j.comment and j.state == "RUNNING"]

    job = slurm.eventually(running, f"a running job of {rule}")[0]
    cluster.ask("scancel", job.number)
    return job


def test_the_study_runs_through_slurm_and_outlives_a_cancelled_job(cluster, finished, tmp_path):
    config = copy.deepcopy(TINY)
    config["compression"]["decoupled"] = []
    config["attacks"]["adversaries"] = ["transfer"]
    workdir = Workdir(tmp_path)
    workdir.write_config(config)
    per_rule = [
        f"{rule}:{value}" for rule in ON_A_GPU for value in ("gpu=1", "slurm_partition=gpu")
    ]
    with ThreadPoolExecutor() as pool:
        cancelled = pool.submit(cancel_one, cluster, "rule_train_models")
        done = workdir.snakemake(
            "results/tiny/tables/summary.parquet",
            *("--profile", REPOSITORY / "profiles/slurm"),
            *("--slurm-init-seconds-before-status-checks", 1),
            *("--slurm-array-jobs", "assign_members"),
            *("--latency-wait", 5),
            *("--set-resources", *per_rule),
        )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output

    lost = cancelled.result()
    assert f"SLURM-job '{lost.number}' failed, SLURM status is: 'CANCELLED'" in output
    listing = {job.number: job for job in cluster.jobs()}
    assert listing.pop(lost.number).state == "CANCELLED"
    assert {job.state for job in listing.values()} == {"COMPLETED"}
    redone = [job.memory for job in listing.values() if job.comment == lost.comment]
    assert (lost.memory, redone) == ("8000M", ["16000M"])
    for job in listing.values():
        on_a_gpu = job.comment.startswith(tuple(f"rule_{rule}" for rule in ON_A_GPU))
        assert (job.partition, job.gpus) == (
            ("gpu", "gres:gpu:1") if on_a_gpu else ("cpu", "N/A")
        ), job

    table, local = (
        pd.read_parquet(results / "tables/summary.parquet")
        for results in (workdir.results, finished.results)
    )
    shared = local["head_bits"].isna() & (local["adversary"] == "transfer")
    pd.testing.assert_frame_equal(table, local[shared].reset_index(drop=True))

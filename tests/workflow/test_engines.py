"""Nothing in the workflow belongs to one engine or one file system: others can run it as it is."""

import copy
import re
import shutil

import pandas as pd
import pytest

from tests.conftest import REPOSITORY, TINY, Workdir

RULES = [REPOSITORY / "Snakefile", *(REPOSITORY / "workflow").rglob("*.smk")]


def test_no_rule_knows_slurm():
    assert len(RULES) > 5
    for file in RULES:
        assert not re.search("slurm|sbatch", file.read_text(), re.IGNORECASE), file


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("rsync") is None, reason="the storage plugin fs needs rsync")
def test_the_study_keeps_its_files_in_a_storage_of_its_own(finished, tmp_path):
    """And the number of models a job, another setting of execution alone, changes no figure."""
    config = copy.deepcopy(TINY)
    config["compression"]["decoupled"] = []
    config["attacks"]["adversaries"] = ["transfer"]
    config["pool"]["models_per_job"] = 6
    workdir, storage = Workdir(tmp_path / "here"), tmp_path / "storage"
    workdir.path.mkdir()
    storage.mkdir()
    workdir.write_config(config)
    where = ("--default-storage-provider", "fs", "--default-storage-prefix", str(storage))
    workdir.run(*where)
    local, stored = (
        pd.read_parquet(folder / "results/tiny/tables/summary.parquet")
        for folder in (finished.path, storage)
    )
    shared = local["head_bits"].isna() & (local["adversary"] == "transfer")
    pd.testing.assert_frame_equal(stored, local[shared].reset_index(drop=True))
    kept = {file.suffix for file in workdir.results.rglob("*") if file.is_file()}
    assert kept <= {".log", ".tsv"}
    assert "Nothing to be done" in workdir.run(*where, "--dry-run")

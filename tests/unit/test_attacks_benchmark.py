"""The benchmark of attacks on a pool's own logit files: its table against the attacks."""

import importlib.util
import re
import sys

import numpy as np
import pytest

from ptq_privacy.answers import logits
from ptq_privacy.answers.answer_blocks import LogitBlock
from ptq_privacy.attacks import metrics, score
from tests.conftest import REPOSITORY
from tests.unit.attacks import pools


@pytest.fixture(scope="module")
def benchmark():
    path = REPOSITORY / "benchmarks" / "attacks.py"
    spec = importlib.util.spec_from_file_location("attacks_benchmark", path)
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def test_a_pools_table_ends_with_what_its_whole_pool_finds(
    benchmark, tmp_path, monkeypatch, capsys
):
    member = pools.in_pairs(10, 300)
    answers = np.stack([pools.answers(member)[..., 0], np.zeros(member.shape)], axis=2)
    label = np.zeros(300, np.int16)
    for shard in range(2):
        blocks = [
            LogitBlock(model, 0, label, member[model], answers[model].astype(np.float32))
            for model in range(5 * shard, 5 * shard + 5)
        ]
        logits.write(tmp_path / f"logits-{shard:03d}.parquet", blocks, 2, {})
    monkeypatch.setattr(sys, "argv", ["attacks", "--pool", str(tmp_path), "--targets", "3"])
    benchmark.main()
    printed = capsys.readouterr().out
    assert "3 targets x 300 samples" in printed
    assert re.findall(r"^\| (\d+) ", printed, re.MULTILINE) == ["4", "8"]
    evidence = pools.evidence(answers[..., :1].astype(np.float32).astype(float), member, range(3))
    found = score(benchmark.FINDERS, evidence, benchmark.FOUND)
    last = next(line for line in printed.splitlines() if line.startswith("| 8 "))
    for cell, values in zip(last.split("|")[2:-1], found.values(), strict=True):
        each = [
            [metrics.tpr_at_fpr(m, v, 0.001), metrics.tpr_at_fpr(m, v, 0.01), metrics.auc(m, v)]
            for m, v in zip(member, values, strict=False)
        ]
        expected = np.mean(each, axis=0) * [100, 100, 1]
        np.testing.assert_allclose([float(x) for x in cell.split("/")], expected, atol=0.051)
        assert float(cell.split("/")[2]) == pytest.approx(expected[2], abs=6e-4)


def test_a_folder_without_logit_files_is_named(benchmark, tmp_path):
    with pytest.raises(SystemExit, match=r"has no logits-\*\.parquet"):
        benchmark.pool_of(tmp_path)

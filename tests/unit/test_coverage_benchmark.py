"""The simulation of coverage and power, small: the claims that its full size makes."""

import importlib.util
import sys

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table():
    path = REPOSITORY / "benchmarks" / "coverage.py"
    spec = importlib.util.spec_from_file_location("coverage_benchmark", path)
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = benchmark
    spec.loader.exec_module(benchmark)
    return benchmark.table(benchmark.simulated(150, [10], 70)).set_index("metric")


def test_single_cells_hold_their_truth(table):
    """70 studies are 5 points of error: 0.95 of them, within three."""
    assert list(table.index)[:2] == ["tpr_at_fpr_0.01", "auc"]
    assert (table["covered, new"] > 83).all()


def test_null_differences_are_found_about_as_often_as_they_should_be(table):
    assert (table["false, new"] < 17).all()
    assert table["false, new"].mean() > 0.5
    assert (table["error, new"] < 1.4).all()


def test_the_old_rule_was_too_wide_and_found_less(table):
    assert (table["error, old"] > 1.25 * table["error, new"]).all()
    assert table["power, new"].mean() > table["power, old"].mean() + 5

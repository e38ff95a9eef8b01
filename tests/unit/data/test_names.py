"""Names of parts and columns, and that docs/own.md tells of them and of every key."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.data.sources import column_names, split_names
from ptq_privacy.study import fragments

DOCS = (Path(__file__).parents[3] / "docs" / "own.md").read_text(encoding="utf-8")
IMAGES = re.search(r"## Your images\n(.*?)\n## ", DOCS, re.DOTALL)[1]


def test_the_documentation_names_every_key_and_column():
    told = set(re.findall(r"(?<!`)`([^`\n]+)`", IMAGES))
    for source in ("folder", "npz", "parquet"):
        assert fragments.get("sources", source).properties.keys() <= told
    plural = {"fine_labels", "coarse_labels"}
    assert {*column_names.IMAGES, *column_names.LABELS} - plural <= told


@given(st.permutations(["train", "val", "test"]), st.sampled_from([str.upper, str.title, str]))
def test_order_and_case_change_nothing(names, spelled):
    names = [spelled(name) for name in names]
    splits = split_names.choose(names, "x", {})
    assert (splits.train, splits.test) == (spelled("train"), spelled("test"))
    assert splits.notes == (f"test set: {spelled('test')}", f"left out: {spelled('val')}")


@given(st.lists(st.text(max_size=12), max_size=6, unique=True))
def test_any_names_are_refused_in_one_line_or_told_apart(names):
    message = ""
    try:
        splits = split_names.choose(names, "x", {})
    except ValueError as error:
        splits, message = None, str(error)
    assert re.fullmatch("(x: .+)?", message)
    assert splits is None or splits.train in names


@pytest.mark.parametrize("name", ["restrain", "contest", "evaluate", "validity", "mytest1x"])
def test_a_word_that_only_holds_one_is_no_part(name):
    assert split_names.choose([name, "other"], "x", {}) is None

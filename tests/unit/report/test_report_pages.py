"""The pages and the figures' choices: what is shown of which rows, on data made for it."""

import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from ptq_privacy.data.dataset import Dataset
from ptq_privacy.report import contact_sheet, front_page, page, side_by_side, style
from ptq_privacy.report.cells import UNKNOWN, Interval
from ptq_privacy.report.sentences import NOTE, Section, as_markdown

TPR = "tpr_at_fpr_0.001"
KNOWN = ("kind", "variant", "adversary")


class Tags(HTMLParser):
    """Checks that tags close in order, and collects cells and what would be loaded."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.loads = [], [], []

    def handle_starttag(self, tag, attributes):
        self.loads += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "input"):
            self.open.append(tag)
        if tag == "td":
            self.cells.append([dict(attributes).get("data-value"), ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells[-1][1] += data


def parsed(text):
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    return tags


def test_a_page_is_whole_escaped_and_loads_nothing():
    body = [
        page.element("p", "x & y", id="a"),
        page.listed(["<s>"]),
        page.folded("more", "<p></p>"),
    ]
    text = page.page("a < b", body)
    assert parsed(text).loads == []
    assert "http" not in text
    assert "a &lt; b" in text
    assert '<p id="a">x &amp; y</p>' in text
    assert "<li>&lt;s&gt;</li>" in text


def test_a_table_sorts_by_value_and_shows_intervals():
    unknown = float("nan")
    table = pd.DataFrame(
        {
            "name": ["<b>", "c", "d"],
            "rate": [
                Interval(1.2345, 1.0, 2.0, 2),
                Interval(unknown, unknown, unknown, 2),
                Interval(0.5, unknown, unknown, 1),
            ],
            "change": [
                Interval(-1, -2, -0.5, 1, difference=True),
                Interval(1, -2, 3, 1, difference=True),
                UNKNOWN,
            ],
            "p": [0.123456, np.nan, 1.0],
            "n": [3, 12000, 4],
        }
    )
    text = page.page("t", [page.table(table, "t", more=["p"], marked=[True, False, False])])
    assert parsed(text).cells == [
        [None, "<b>"],
        ["1.2345", "1.23 "],  # the interval is in an element of its own
        ["-1", ""],
        ["0.123456", "0.1235"],
        [None, "3"],
        [None, "c"],
        ["", "–"],
        ["1", "+1.0 "],
        ["", "–"],
        [None, "12000"],
        [None, "d"],
        ["0.5", "0.5"],
        ["", "–"],
        ["1.0", "1"],
        [None, "4"],
    ]
    assert "<strong>-1.0 <small>[-2.0, -0.5]</small></strong>" in text
    assert '<tr class="best"><td>&lt;b&gt;' in text
    assert text.count('class="number more"') == 3
    assert '<table id="t" class="brief">' in text


def test_long_words_may_go_on_in_a_line_of_their_own():
    text = page.table(
        pd.DataFrame({"attack": ["LiRA", "moderated LiRA (12 of 18), RMIA (6)"]}), "t"
    )
    assert "<td>LiRA</td>" in text
    assert '<td class="long">moderated LiRA' in text


def test_a_filter_names_the_column_and_what_is_shown_at_first():
    table = pd.DataFrame({"variant": ["a", "b"], "attack": ["<x>", "y"]})
    text = page.controls(table, "t", {"attack": "y"}, "every metric")
    assert 'data-table="t" data-column="1"' in text
    assert (
        '<option value="">all</option><option>&lt;x&gt;</option><option selected>y</option>' in text
    )
    assert "every metric" in text
    parsed(text)


def test_conclusions_as_markdown():
    table = pd.DataFrame({"variant": ["a"], "x": [Interval(1, 0.5, 2, 1, difference=True)]})
    text = as_markdown(
        [("net", [Section("Why?", ("So.", "Thus."), table), Section("How?", ("S.",))])]
    )
    assert text == (
        f"# What can be concluded\n\n{NOTE}\n\n## net\n\n### Why?\n\n- So.\n- Thus.\n\n"
        "| variant | x |\n| --- | ---: |\n| a | **+1.0 [+0.5, +2.0]** |\n\n### How?\n\n- S.\n"
    )


def test_a_caption_of_restructured_text_is_html_and_includes_no_file():
    assert front_page.as_html("*Left*: 1 < 2.\n") == "<p><em>Left</em>: 1 &lt; 2.</p>\n"
    assert "root:" not in front_page.as_html(".. include:: /etc/passwd\n")


def test_adversaries_stand_side_by_side():
    summary = pd.DataFrame(
        [
            ("a", "full", "transfer", 0.5, 0.4, 0.6),
            ("a", "obc-w2", "transfer", 0.1, 0.05, 0.2),
            ("a", "obc-w2", "adaptive", 0.3, 0.25, 0.4),
        ],
        columns=[
            "attack",
            "variant",
            "adversary",
            *(f"{TPR}_{p}" for p in ("mean", "low", "high")),
        ],
    )
    compared = pd.DataFrame(
        [
            ("a", TPR, "against_full", "obc-w2", "transfer", -0.4, -0.5, -0.3, 0.01, True),
            ("a", TPR, "against_transfer", "obc-w2", "adaptive", 0.2, 0.1, 0.3, 0.01, True),
            ("a", TPR, "taken_back", "obc-w2", "adaptive", 0.5, 0.2, 0.8, 0.01, True),
            ("a", "auc", "taken_back", "obc-w2", "adaptive", 0.9, 0.8, 1.0, 0.01, True),
        ],
        columns=["attack", "metric", *KNOWN, "estimate", "low", "high", "p_value", "supported"],
    )
    (row,) = side_by_side.side_by_side(compared, summary).to_dict("records")
    expected = {"attack": "a", "variant": "obc-w2", "full": 0.5}
    expected |= {"p_value": 0.01, "supported": True}
    expected |= {"transfer": 0.1, "transfer_low": 0.05, "transfer_high": 0.2}
    expected |= {"adaptive": 0.3, "adaptive_low": 0.25, "adaptive_high": 0.4}
    expected |= {"difference": 0.2, "difference_low": 0.1, "difference_high": 0.3}
    expected |= {"taken_back": 0.5, "taken_back_low": 0.2, "taken_back_high": 0.8}
    unknown = ["added", "added_low", "added_high", "added_p_value"]
    assert np.isnan([row.pop(name) for name in unknown]).all()
    assert row == expected
    one_adversary = summary[summary["adversary"] == "transfer"]
    assert side_by_side.side_by_side(compared, one_adversary).empty


def test_a_second_release_stands_beside_the_other_adversaries():
    """The informed adversary and who has both stand there too, whatever else was run."""
    rows = [("full", "transfer", 0.5), ("obc-w2", "informed", 0.3), ("obc-w2", "both", 0.52)]
    summary = pd.DataFrame(rows, columns=["variant", "adversary", f"{TPR}_mean"]).assign(attack="a")
    for part in ("low", "high"):
        summary[f"{TPR}_{part}"] = summary[f"{TPR}_mean"]
    known = {"attack": "a", "metric": TPR, "kind": "against_full", "variant": "obc-w2"}
    known |= {"low": -0.1, "high": 0.1, "p_value": 0.4, "q_value": 0.6, "supported": True}
    compared = pd.DataFrame(
        [
            {**known, "adversary": "informed", "estimate": -0.2},
            {**known, "adversary": "both", "estimate": 0.02},
        ]
    )
    (row,) = side_by_side.side_by_side(compared, summary).to_dict("records")
    assert (row["informed"], row["both"], row["added"]) == (0.3, 0.52, 0.02)
    assert (row["added_p_value"], row["added_q_value"]) == (0.4, 0.6)
    assert np.isnan([row["difference"], row["taken_back"], row["p_value"]]).all()
    assert "transfer" not in row


def exposures():
    """Sample 3 is caught most, 1 as often as 2 at 0.1% but more at 1%, 0 never told, 4 unknown."""
    return pd.DataFrame(
        {
            "variant": "full",
            "sample": np.arange(5),
            "label": [0, 1, 0, 1, 0],
            "caught_0.001": [0.0, 0.5, 0.5, 0.9, np.nan],
            "false_0.001": [0.5, 0.0, 0.0, 0.1, 0.0],
            "caught_0.01": [0.0, 0.9, 0.6, 0.9, np.nan],
            "false_0.01": [0.5, 0.0, 0.0, 0.1, 0.0],
        }
    )


def test_the_most_exposed_are_those_caught_and_not_falsely_called():
    table = exposures()
    chosen = contact_sheet.most_exposed(
        pd.concat([table, table.assign(variant="obc-w2")]), "full", 9, 0.001
    )
    assert chosen["sample"].tolist() == [3, 1, 2, 0]
    assert contact_sheet.most_exposed(table, "full", 2, 0.001)["sample"].tolist() == [3, 1]
    assert contact_sheet.most_exposed(table, "full", 2, 0.01)["sample"].tolist() == [1, 3]


def test_the_sheet_shows_the_most_accurate_of_the_fewest_bits():
    rows = [
        ("full", "full", 32.0, np.nan, np.nan, 0.99),
        ("obc-w2", "obc", 2.0, np.nan, np.nan, 0.7),
        ("brecq-w2", "brecq", 2.0, np.nan, np.nan, 0.8),
        ("brecq-w2a8", "brecq", 2.0, np.nan, 8.0, 0.85),
        ("brecq-w2-head8", "brecq", 2.0, 8.0, np.nan, 0.9),
        ("brecq-w4", "brecq", 4.0, np.nan, np.nan, 0.95),
    ]
    columns = ["variant", "method", "bits", "head_bits", "activation_bits", "test_accuracy_mean"]
    table = pd.DataFrame(rows, columns=columns)
    assert contact_sheet.shown_variants(table) == ["full", "brecq-w2"]
    assert contact_sheet.shown_variants(table[:1]) == ["full"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_names_classes_and_frames_what_both_blocks_share(tmp_path, channels):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (5, channels, 4, 4), np.uint8)
    labels = np.array([0, 1, 0, 1, 0])
    data = Dataset(
        name="d",
        classes=("boot", "an endlessly long class name"),
        train_inputs=images,
        train_labels=labels,
        test_inputs=images,
        test_labels=labels,
        source="",
    )
    table = exposures()
    both = pd.concat([table, table.iloc[[3, 0]].assign(variant="obc-w2")])
    path = tmp_path / "sheet.svg"
    style.save(contact_sheet.draw(both, data, ["full", "obc-w2"], "title", 1000), [path])
    text = path.read_text()
    assert text.count("<image") == 4 + 2
    assert text.count("an endlessly …") == 3
    assert "90 / 10 %" in text
    assert "most exposed: OBC 2 bits" in text
    assert "falsely accused at 0.1 % FPR; framed: in both blocks" in text
    framed = re.findall("stroke-width: 1.5; stroke-linejoin: miter", text)
    assert len(framed) == 2 * 2  # two samples in two blocks
    few = contact_sheet.draw(both, data, ["full", "obc-w2"], "title", 100)
    assert "falsely accused at 1 % FPR" in few.get_suptitle()
    (none,) = contact_sheet.draw(both, data, ["full", "obc-w2"], "title", 99).axes
    assert "99 non-members" in none.texts[0].get_text()
    plt.close("all")


def test_a_sheet_shows_rows_and_calls_them_so():
    rows = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    labels = np.array([0, 1, 0, 1, 0])
    data = Dataset("d", ("a", "b"), rows, labels, rows, labels, source="", kind="rows")
    figure = contact_sheet.draw(exposures(), data, ["full"], "title", 1000)
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.images[0].get_array().shape for axis in shown] == [(3, 3)] * 4
    (none,) = contact_sheet.draw(exposures(), data, ["full"], "title", 99).axes
    assert "which rows are exposed most cannot be told" in none.texts[0].get_text()
    plt.close("all")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (Interval(1.2345, 1.0, 2.0, 2), "1.23 [1.00, 2.00]"),
        (Interval(-0.001, -0.004, 0.004, 2, difference=True), "+0.00 [+0.00, +0.00]"),
        (Interval(-0.2, -0.4, 0.1, 1, difference=True), "-0.2 [-0.4, +0.1]"),
        (Interval(3.0, float("nan"), float("nan"), 0), "3"),
        (Interval(float("nan"), float("nan"), float("nan"), 0), UNKNOWN),
    ],
)
def test_a_value_is_rounded_without_a_zero_below_zero(cell, shown):
    assert str(cell) == shown

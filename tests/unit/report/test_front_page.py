"""The report: the answer comes first, figures lie inside, and a card draws what it says."""

import base64
import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from ptq_privacy.report import front_page, quoted
from ptq_privacy.report.cards import Card, Line
from ptq_privacy.report.cells import Interval
from ptq_privacy.report.sentences import Section

NAN = float("nan")


def line(name, leak, **changes):
    known = {"bits": 2.5, "accuracy": 90.0, "lost": 1.0, "adversary": "transfer"}
    known |= {"kept": Interval(40, 30, 50, 0), "below_full": True, "above_chance": True}
    known |= {"by": "", "added": Interval(NAN, NAN, NAN, 2)}
    return Line(**{"name": name, "leak": leak, "best": False, **known, **changes})


def card(network):
    lines = (
        line("full precision", Interval(4, 3, 5, 2), kept=Interval(NAN, NAN, NAN, 0), best=True),
        line("OBC 2 bits", Interval(2, 1, 3, 2), above_chance=False),
    )
    return Card(
        dataset="digits",
        network=network,
        measure=quoted.quoted(500),
        guessing=1.0,
        attack="LiRA online",
        answer="of <all> samples are named",
        facts="2 networks",
        remarks=("Ship it.",),
        lines=lines,
    )


@pytest.fixture
def drawn(tmp_path):
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    svg.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>" + " " * 9999)
    Image.new("RGB", (800, 400)).save(png)
    return str(svg), str(png)


def summary():
    row = {"dataset": "digits", "network": "net", "variant": "full", "attack": "lira_online"}
    row |= {"adversary": "transfer", "nonmembers": 500, "bits_per_weight": 32.0}
    row |= {
        "test_accuracy_mean": 0.9,
        "zero_fraction": 0.0,
        "epsilon_lower": 0.5,
        "epsilon_promised": float("nan"),
        "delta": 1e-5,
        "chosen": "",
    }
    metrics = ("tpr_at_fpr_0.01", "auc", "balanced_accuracy", "log_auc_loglog", "log_auc_semilog")
    row |= {f"{metric}_{part}": 0.5 for metric in metrics for part in ("mean", "low", "high")}
    return pd.DataFrame([row])


def test_the_answer_comes_first_then_figures_then_detail(drawn):
    figures = [
        front_page.Figure(f"digits, {network}", "How much?", "trade", "*So.*", drawn)
        for network in ("net", "other")
    ]
    said = [("digits, net", [Section("Why?", ("Because.",))])]
    text = front_page.build(
        "mine",
        [card("net"), card("other")],
        figures,
        said,
        summary(),
        pd.DataFrame(),
        "lira_online",
    )
    order = ['id="card-0"', 'id="card-1"', "<h3>How much?</h3>", "<h3>Why?</h3>", 'id="summary"']
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    for place in ("card-0", "card-1", "figures", "conclusions", "summary-heading", "made"):
        assert f'href="#{place}"' in text
        assert f'id="{place}"' in text
    assert "of &lt;all&gt; samples are named" in text
    assert "<em>So.</em>" in text
    assert 'id="adversaries"' not in text


def test_a_figure_is_shown_by_its_smaller_file_at_one_scale(drawn):
    text = front_page._figure(front_page.Figure("n", "q", "a < b", "So.", drawn))
    data = base64.b64encode(Path(drawn[1]).read_bytes()).decode()
    assert f'src="data:image/png;base64,{data}" width="600" alt="a &lt; b"' in text


def test_an_interval_is_drawn_to_scale_and_its_colour_says_what_is_told():
    own = card("net")
    texts = [front_page._drawn(line, 0, 5, 1.0, 4.0).svg for line in own.lines]
    unit = front_page.WIDTH / 5
    whole = re.search(r'<line x1="([\d.]+)" x2="([\d.]+)"[^>]*stroke="var\(--less', texts[1])
    assert [float(x) for x in whole.groups()] == pytest.approx([1 * unit, 3 * unit], abs=0.06)
    assert f'<circle cx="{2 * unit:.1f}"' in texts[1]
    assert f'<line x1="{1 * unit:.1f}" x2="{1 * unit:.1f}"' in texts[1]  # guessing
    open_ = front_page._drawn(line("a", Interval(2, 1, 3, 2), below_full=False), 0, 5, 1, 4).svg
    assert "--less" not in open_


@pytest.mark.parametrize(
    ("below_full", "above_chance", "told"),
    [
        (True, True, "full, guessing"),
        (True, False, "full"),
        (False, True, "guessing"),
        (False, False, "neither"),
    ],
)
def test_what_a_variant_is_told_apart_from_is_a_word(below_full, above_chance, told):
    own = line("a", Interval(2, 1, 3, 2), below_full=below_full, above_chance=above_chance)
    assert front_page._told(own) == told


def test_a_value_without_an_interval_is_a_dot():
    text = front_page._drawn(line("a", Interval(2, NAN, NAN, 2)), 0, 5, 1, 4).svg
    assert "nan" not in text
    assert "<circle" in text


def test_where_nothing_is_above_guessing_all_stand_at_the_left():
    text = front_page._drawn(line("a", Interval(0, 0, 0, 2)), 0, 0, 0, 0).svg
    assert 'cx="0.0"' in text

"""What is said and drawn of networks by their size, from tables with planted trends."""

import numpy as np
import pandas as pd
import pytest

from ptq_privacy.files.scores import Scores
from ptq_privacy.measures import leakage, scale
from ptq_privacy.measures.scale import Sized
from ptq_privacy.report import by_size, claims, style

NETWORKS = {"mlp-16": 7_000, "mlp-64": 30_000, "mlp-256": 150_000, "mlp-1088": 1_100_000}
METRIC = "tpr_at_fpr_0.01"
CELLS = [("full", "transfer"), ("obc-w1.58", "transfer"), ("obc-w1.58", "adaptive")]


def levels(leaks):
    """Rows of networks that leak so much, in per cent, at each cell."""
    rows = []
    for (variant, adversary), values in zip(CELLS, leaks, strict=True):
        for place, (network, size) in enumerate(NETWORKS.items()):
            value = values[place] / 100
            known = {"kind": "leak", "network": network, "parameters": size, "variant": variant}
            ends = {"estimate": value, "low": value - 0.01, "high": value + 0.01, "p_value": 1e-6}
            rows.append({**known, "accuracy": 0.5 + 0.05 * place, "adversary": adversary, **ends})
    return rows


def table(leaks, trends):
    """With rows (kind, cell, estimate, low, high, p) of trends, in points."""
    rows = levels(leaks)
    for kind, (variant, adversary), *ends, p_value in trends:
        values = dict(zip(("estimate", "low", "high"), np.divide(ends, 100), strict=True))
        known = {"kind": kind, "network": "all", "parameters": 0, "accuracy": np.nan}
        rows.append({**known, "variant": variant, "adversary": adversary, **values})
        rows[-1]["p_value"] = p_value
    shared = {"dataset": "locations", "family": "mlp-16", "attack": "strongest", "metric": METRIC}
    return pd.DataFrame(rows).assign(**shared, supported=True, nonmembers=500)


LEAKS = ([5, 10, 15, 20], [2, 3, 4, 5], [2, 4, 6, 9])
TRENDS = (
    ("trend", CELLS[0], 7, 6, 8, 1e-6),
    ("trend", CELLS[1], 1, -1, 3, 0.6),
    ("trend", CELLS[2], 3, 2, 4, 1e-6),
    ("trend_of_drop", CELLS[1], 6, 5, 7, 1e-6),
    ("trend_of_drop", CELLS[2], 4, -1, 9, 0.4),
)


def counted(rows):
    none = pd.DataFrame({"p_value": []})
    summary = pd.DataFrame({"attack": ["strongest"], "nonmembers": 500, f"{METRIC}_p_value": 1e-6})
    own = claims.Measured(summary, None, None, {}, None, none, none, None, scale=rows)
    (found,) = claims.weighed([own], ["strongest"])
    assert claims.count([found])[0] == 1 + rows["kind"].str.startswith("trend").sum()
    return found.scale


def test_sentences_say_which_trends_are_told_and_of_whom():
    name, section = by_size.section(counted(table(LEAKS, TRENDS)), "strongest")
    assert name == "locations, mlp-16 to mlp-1088"
    assert section.sentences == (
        "4 networks that are alike but for their size; at full precision the TPR at 1 % FPR of the "
        "strongest attack goes from 5.00 % [4.00, 6.00] with 7,000 parameters (mlp-16, accuracy "
        "50.0 %) to 20.00 % [19.00, 21.00] with 1,100,000 parameters (mlp-1088, accuracy 65.0 %).",
        "The sentences are of the adaptive adversary, who finds most.",
        "The larger the network, the more leaks at full precision, by at least 6.00 points for ten "
        "times as many parameters.",
        "The larger the network, the more leaks at OBC 1.58 bits, by at least 2.00 points for ten "
        "times as many parameters.",
        "Whether what quantization hides goes with the size cannot be told at OBC 1.58 bits; its "
        "interval reaches from -1.00 to +9.00 points for ten times as many parameters.",
        "To the transfer adversary, 1 of 2 such differences are claimed to lie above zero and 0 "
        "below; the table has them.",
    )
    assert "mlp-64: 30,000 parameters" in section.table
    assert len(section.table) == 2


def test_networks_of_one_size_show_no_trend():
    rows = table(LEAKS, ()).assign(parameters=5000)
    _, section = by_size.section(counted(rows), "strongest")
    assert section.sentences[-1].startswith("All of these networks are of one size")


def test_every_network_and_variant_is_drawn_with_its_interval(tmp_path):
    figure = by_size.draw(table(LEAKS, TRENDS), "strongest")
    left, right = figure.axes
    lines = [line for line in left.get_lines() if len(line.get_xdata()) == len(NETWORKS)]
    assert [list(line.get_ydata()) for line in lines] == [
        pytest.approx(LEAKS[0]),
        pytest.approx(LEAKS[2]),  # of the adversary who finds most
    ]
    assert left.get_xscale() == "log"
    assert list(lines[0].get_xdata()) == pytest.approx(list(NETWORKS.values()), rel=0.05)
    across = [line for line in right.get_lines() if len(line.get_xdata()) == len(NETWORKS)]
    assert list(across[0].get_xdata()) == pytest.approx([50, 55, 60, 65])
    assert len(left.collections) == len(right.collections) == 2
    style.save(figure, [tmp_path / "a.svg"])
    assert "to the adaptive adversary" in (tmp_path / "a.svg").read_text()


def measured(shift, samples=400, targets=6):
    generator = np.random.default_rng(0)
    member = generator.random((targets, samples)) < 0.5
    values = generator.normal(size=member.shape) + shift * member
    scores = Scores(tuple(range(targets)), np.zeros(samples, np.int16), member, {"a": values})
    return leakage.values(scores, 4)["a"]["auc"]


def test_a_slope_is_each_targets_least_squares_line():
    sizes, shifts = (1_000, 8_000, 1_000_000), (0.5, 1.5, 1.0)
    networks = [Sized(n, measured(shift)) for n, shift in zip(sizes, shifts, strict=True)]
    found = scale.slope(networks)
    place = np.log10(sizes)
    for name in ("each", "drawn"):
        values = np.stack([getattr(one.leak, name) for one in networks])
        lines = np.polyfit(place, values.reshape(3, -1), 1)[0].reshape(values.shape[1:])
        np.testing.assert_allclose(getattr(found, name), lines, atol=1e-12)
    assert scale.slope([Sized(10, networks[0].leak)] * 3) is None


def test_a_drop_that_grows_with_the_size_is_told():
    sizes = (10**3, 10**4, 10**5)
    full = [Sized(n, measured(s)) for n, s in zip(sizes, (1.0, 1.5, 2.0), strict=True)]
    flat = [Sized(n, measured(0.5)) for n in sizes]
    rows = scale.trends(full, {("full", "transfer"): full, ("obc-w2", "adaptive"): flat})
    assert [(row["kind"], row["variant"]) for row in rows] == [
        ("trend", "full"),
        ("trend", "obc-w2"),
        ("trend_of_drop", "obc-w2"),
    ]
    rising, same, drop = rows
    assert (same["estimate"], same["p_value"]) == (pytest.approx(0, abs=1e-15), 1)
    assert 0 < drop["low"] < drop["estimate"] == pytest.approx(rising["estimate"])

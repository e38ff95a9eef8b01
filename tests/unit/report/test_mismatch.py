"""The mismatch's share is told of drops that are told, and of nothing else."""

import numpy as np
import pandas as pd
import pytest

from ptq_privacy.report import cells, mismatch, quoted
from ptq_privacy.report.claims import Measured, weighed

NAN = float("nan")
MEASURE = quoted.quoted(5000)
SURE, OPEN = 1e-9, 0.6

# Drop, what adapting takes back, the share, each with its interval, and p of the first two.
VARIANTS = {
    "obc-w1.58": ((0.2, 0.18, 0.22), (0.11, 0.1, 0.12), (0.55, 0.504, 0.596), SURE, SURE),
    "brecq-w1.58": ((0.2, 0.18, 0.22), (0.01, -0.01, 0.03), (0.05, -0.054, 0.154), SURE, OPEN),
    "refit-w1.58": ((0.2, 0.18, 0.22), (-0.02, -0.03, -0.01), (-0.1, -0.15, -0.05), SURE, SURE),
    "obc-w4": ((0.001, -0.002, 0.004), (0.0, -0.1, 0.1), (NAN,) * 3, OPEN, OPEN),
}


def compared(adversary="adaptive", attack="lira_online"):
    """Comparisons with such rows of the AUC and, a tenth as large, of the quoted rate."""
    rows = []
    for metric, scale in (("auc", 1), (MEASURE.metric, 0.1)):
        for variant, (drop, back, share, *p) in VARIANTS.items():
            for kind, to, values, p_value in (
                ("against_full", "transfer", [-drop[0], -drop[2], -drop[1]], p[0]),
                ("against_transfer", adversary, back, p[1]),
                ("taken_back", adversary, np.divide(share, scale), p[1]),
            ):
                estimate, low, high = scale * np.array(values)
                rows.append((attack, metric, kind, variant, to, estimate, low, high, p_value))
    columns = ["attack", "metric", "kind", "variant", "adversary"]
    table = pd.DataFrame(rows, columns=[*columns, "estimate", "low", "high", "p_value"])
    return table.assign(other="", supported=True)


def summary(attack="lira_online"):
    rows = [("full", 0.9, 0.4), *((variant, 0.7, 0.2) for variant in VARIANTS)]
    table = pd.DataFrame(rows, columns=["variant", "auc_mean", f"{MEASURE.metric}_mean"])
    known = {"adversary": "transfer", "attack": attack, "nonmembers": 5000}
    return table.assign(**known, **{f"{MEASURE.metric}_p_value": SURE})


def counted(table, known):
    none = pd.DataFrame({"p_value": []})
    own = Measured(known, table, None, {}, None, none, none, None)
    return weighed([own], ["strongest"])[0].compared


@pytest.fixture
def section():
    (found,) = mismatch.sections(counted(compared(), summary()), summary(), MEASURE, "strongest")
    return found


def test_a_share_is_told_where_drop_and_mismatch_are(section):
    assert section.sentences[1:] == (
        "Of the drop in AUC at 1.58 bits to LiRA online, the attacker's mismatch is 55 % [50, 60] "
        "with OBC; no mismatch is told with BRECQ (5 % [-5, 15]); adapting takes nothing back with "
        "refit.",
        "The drop in AUC at 4 bits to LiRA online is not told from none with OBC, so no share of "
        "it is given.",
    )
    table = cells.markdown(section.table)
    assert "| OBC 1.58 bits; LiRA online, AUC | **+0.200 [+0.180, +0.220]** |" in table
    assert "| OBC 1.58 bits; LiRA online, TPR at 0.1 % FPR | **+2.00 [+1.80, +2.20]** |" in table


def test_the_table_has_every_number_of_every_attack():
    both = pd.concat([compared(), compared("informed", "rmia_online")])
    known = pd.concat([summary(), summary("rmia_online")])
    table = mismatch.tabulate(counted(both, known), known, MEASURE)
    assert len(table) == 2 * 2 * len(VARIANTS)
    assert set(zip(table["attack"], table["adversary"], strict=True)) == {
        ("lira_online", "adaptive"),
        ("rmia_online", "informed"),
    }
    row = table.query("metric == 'auc' and variant == 'obc-w1.58'").iloc[0]
    assert (row["full"], row["transfer"]) == (0.9, 0.7)
    assert tuple(row[["drop", "drop_low", "drop_high"]]) == pytest.approx((0.2, 0.18, 0.22))
    assert tuple(row[["back", "share_low"]]) == pytest.approx((0.11, 0.504))
    assert table[["drop_q_value", "back_q_value"]].notna().all(axis=None)
    assert table["share"].isna().sum() == 4  # those without a drop


def test_a_drop_whose_claim_does_not_stand_has_no_share_in_words():
    table = compared()
    table.loc[table["kind"] == "against_full", "p_value"] = OPEN
    (found,) = mismatch.sections(counted(table, summary()), summary(), MEASURE, "strongest")
    assert "the attacker's mismatch is" not in " ".join(found.sentences)


def test_where_transfer_alone_was_run_there_is_no_section():
    table = compared()
    alone = table[table["adversary"] == "transfer"]
    assert mismatch.sections(counted(alone, summary()), summary(), MEASURE, "strongest") == []
    assert mismatch.tabulate(None, summary(), MEASURE).empty

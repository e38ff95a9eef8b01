"""Lower bounds on epsilon in words: rounded down, and silent where there is none."""

import pandas as pd

from ptq_privacy.report import cells, guarantees

ROWS = [("full", "transfer", 1.7369), ("obc-w2", "transfer", 0.3), ("obc-w2", "adaptive", 0.0)]


def summary(rows=ROWS):
    table = pd.DataFrame(rows, columns=["variant", "adversary", "epsilon_lower"])
    return table.assign(attack="lira_online", delta=1e-5)


def test_a_bound_is_rounded_down():
    text = guarantees.remark(summary(), "lira_online")
    assert "with an epsilon below 1.73 (delta 1e-05) can hold" in text
    found = cells.rounded_down(pd.Series([0.0, 0.2999, 1.9999])).tolist()
    assert found == [0.0, 0.29, 1.99]


def test_nothing_found_is_no_guarantee():
    none = summary([(*row[:2], 0.0) for row in ROWS])
    assert guarantees.remark(none, "lira_online") == ""
    section = guarantees.section(summary(), "lira_online")
    assert section.sentences[-1] == "For these variants it is 0: 1 of 1 to the adaptive adversary."
    assert "a stronger attack" in section.sentences[1]
    table = section.table.set_index("variant")
    assert list(map(str, table["epsilon at least, transfer"])) == ["1.73", "0.30"]
    assert list(map(str, table["epsilon at least, adaptive"])) == ["1.73", "0.00"]

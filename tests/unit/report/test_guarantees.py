"""Lower bounds on epsilon in words: rounded down, and silent where there is none."""

import numpy as np
import pandas as pd

from ptq_privacy.report import cells, guarantees

ROWS = [("full", "transfer", 1.7369), ("obc-w2", "transfer", 0.3), ("obc-w2", "adaptive", 0.0)]


def summary(rows=ROWS):
    table = pd.DataFrame(rows, columns=["variant", "adversary", "epsilon_lower"])
    nothing = {"epsilon_promised": np.nan, "epsilon_promised_replacing": np.nan}
    return table.assign(attack="lira_online", delta=1e-5, delta_promised=np.nan, **nothing)


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


def promised(lower):
    """Of full precision and what looks at no data; a row is (variant, adversary, lower bound)."""
    table = summary([("full", "transfer", lower), ("nearest-w2", "transfer", 0.1), *ROWS[1:]])
    kept = table["variant"].isin(["full", "nearest-w2"])
    promise = {"epsilon_promised": 0.9969, "epsilon_promised_replacing": 2.151}
    table.loc[kept, [*promise, "delta_promised"]] = [*promise.values(), 1e-5]
    return guarantees.section(table, "lira_online")


def test_what_was_promised_stands_beside_what_was_found():
    section = promised(2.1)
    (text,) = (sentence for sentence in section.sentences if "promised an epsilon" in sentence)
    assert "promised an epsilon of 1.00 (delta 1e-05) where neighbours add or remove" in text
    assert "2.16 at the same delta follows where they replace one" in text  # rounded up
    assert "Nothing found contradicts it." in text
    shown = section.table.set_index("variant")["epsilon promised"]
    assert list(map(str, shown)) == ["1.00", "1.00", "–"]


def test_a_broken_promise_is_said_to_be_broken():
    (text,) = (sentence for sentence in promised(2.2).sentences if "promised an eps" in sentence)
    assert "It is broken: more is found of full precision." in text
    assert "Nothing found" not in text

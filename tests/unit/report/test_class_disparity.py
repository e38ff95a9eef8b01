"""Classes in words: named where their q-value allows it, and where they are too few to measure."""

import numpy as np
import pandas as pd

from ptq_privacy.report import cells, class_disparity

NAN = float("nan")


def table(q=(0.01, 0.2, 0.03), difference=(0.05, 0.01, -0.04), change=(NAN, 0.01)):
    rows = []
    for variant, changed in zip(("full", "obc-w2"), change, strict=True):
        for place, name in enumerate(("ant", "bee", "cat")):
            row = {"variant": variant, "adversary": "transfer", "fpr_limit": 0.01, "name": name}
            row |= {"members": 75, "q_value": q[place], "ratio_change_q_value": changed, "note": ""}
            values = {"tpr": 0.06, "fpr": 0.01, "exposure": 0.05, "ratio": 1.5}
            for column, value in {**values, "difference": difference[place]}.items():
                row |= {
                    column: value,
                    f"{column}_low": value - 0.02,
                    f"{column}_high": value + 0.02,
                }
            rows.append(row)
    return pd.DataFrame(rows)


def test_classes_are_named_by_their_q_values():
    section = class_disparity.section(table(), "lira_online_fixed")
    start = "At full precision class "
    end = " than all samples together, by LiRA online (fixed variance) at 1 % FPR."
    assert section.sentences[:2] == (f"{start}ant leaks more{end}", f"{start}cat leaks less{end}")
    assert "In 1 of 1 pairs" in section.sentences[2]
    assert "classes ant, bee and cat leak." in section.sentences[2]
    text = cells.markdown(section.table)
    assert "| ant | 75 | 6.00 [4.00, 8.00] | 1.00 [-1.00, 3.00] |" in text
    none = class_disparity.section(table(q=(0.2,) * 3, change=(NAN, 0.5)), "lira_online_fixed")
    assert none.sentences[0].startswith("At full precision no class is told apart")
    assert "is not seen to change" in none.sentences[1]


def test_too_few_are_said_and_not_shown():
    few = table().assign(exposure=np.nan, note="fewer than 50 members")
    section = class_disparity.section(few, "lira_online_fixed")
    assert section.sentences == ("No class is measured: fewer than 50 members.",)
    assert section.table is None
    some = table()
    some.loc[some["name"] == "ant", ["exposure", "q_value"]] = NAN
    some.loc[some["name"] == "ant", "note"] = "fewer than 50 members"
    section = class_disparity.section(some, "lira_online_fixed")
    assert section.sentences[0] == "1 of 3 classes are not measured: fewer than 50 members."
    assert "ant" not in list(section.table.iloc[:, 0])
    many = pd.concat([table().assign(name=[f"{k}{n}" for n in "abcabc"]) for k in range(15)])
    section = class_disparity.section(many, "lira_online_fixed")
    assert len(section.table) == class_disparity.LISTED
    assert section.sentences[0].startswith("At full precision 15 of 45 classes leak more")

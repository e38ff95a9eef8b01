"""The tables that people read: what comes first, and what nothing resolves and none quotes."""

import numpy as np
import pandas as pd

from ptq_privacy.report import summary_tables

METRICS = ("tpr_at_fpr_0.001", "tpr_at_fpr_0.01", "auc", *summary_tables.OTHERS)


def row(variant, attack, adversary, nonmembers, dataset="digits", value=0.02):
    found = {"dataset": dataset, "network": "net", "variant": variant, "attack": attack}
    found |= {"adversary": adversary, "nonmembers": nonmembers, "members": nonmembers}
    found |= {"bits_per_weight": 2.5, "zero_fraction": 0.1, "targets": 2, "shadow_models": 4}
    found |= {"epsilon_lower": 1.239, "delta": 1e-5, "chosen": ""}
    found |= {"epsilon_promised": float("nan")}
    found |= {"test_accuracy_mean": 0.9, "test_accuracy_std": np.nan}
    for place, metric in enumerate(METRICS):
        found |= {f"{metric}_mean": value + place / 1000, f"{metric}_low": value / 2}
        found |= {f"{metric}_high": value * 2}
    return found


def study(nonmembers=750, **more):
    places = (("full", "transfer"), ("obc-w2", "transfer"), ("obc-w2", "adaptive"))
    return [
        row(variant, attack, adversary, nonmembers, **more)
        for attack in ("lira_online", "rmia_online")
        for variant, adversary in places
    ]


def test_the_headlines_rows_and_columns_come_first():
    text = "".join(summary_tables.summary_as_html(pd.DataFrame(study()), "rmia_online"))
    rows = text.split("<tbody>")[1].split("<tr>")[1:]
    assert ["RMIA" in part for part in rows] == [True] * 3 + [False] * 3
    assert "<option selected>RMIA online</option>" in text
    heads = text.split("<thead>")[1].split("</thead>")[0]
    assert "TPR at 0.1 % FPR" not in heads
    shown = [part for part in heads.split("<th")[1:] if "more" not in part]
    titles = [part.partition(">")[2].partition("<")[0] for part in shown]
    expected = ["variant", "adversary", "attack", "bits a weight", "accuracy, %"]
    assert titles == [*expected, "TPR at 1 % FPR, %", "AUC", "epsilon at least"]
    assert "750 non-members a target do not resolve 0.1" in text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_rate_stands_only_where_it_is_resolved():
    table = pd.DataFrame([*study(), *study(5000, dataset="more")])
    text = "".join(summary_tables.summary_as_html(table, "rmia_online"))
    heads = text.split("<thead>")[1].split("</thead>")[0]
    assert "TPR at 0.1 % FPR, %" in heads
    first, *_, last = text.split("<tbody>")[1].split("<tr>")[1:]
    assert first.startswith("<td>digits</td>")
    assert '<td class="number" data-value="">–</td>' in first
    assert last.startswith("<td>more</td>")
    assert '<td class="number" data-value="">–</td>' not in last
    assert "A dash stands where" in text
    assert "do not resolve 0.1" not in text
    one = pd.DataFrame(study(5000))
    assert "data set" not in "".join(summary_tables.summary_as_html(one, "rmia_online"))


def test_markdown_has_a_row_a_variant_and_full_precision_under_each_adversary():
    text = summary_tables.summary_as_markdown(pd.DataFrame(study()), "rmia_online")
    assert "## digits, net" in text
    assert "750 non-members a target do not resolve 0.1 % FPR" in text
    cells = "2.10 [1.00, 4.00] | 0.022 [0.010, 0.040]"
    assert f"| full precision | 2.50 | 90.00 | {cells} | {cells} |" in text
    assert f"| OBC 2 bits | 2.50 | 90.00 | {cells} | {cells} |" in text
    assert text.count("OBC") == 1
    resolved = summary_tables.summary_as_markdown(pd.DataFrame(study(1000)), "rmia_online")
    assert "TPR at 0.1 % FPR, %, transfer" in resolved
    assert "do not resolve" not in resolved


def test_adversaries_stand_in_the_networks_own_metric():
    known = {
        "dataset": "digits",
        "network": "net",
        "variant": "obc-w2",
        "p_value": 0.04,
        "q_value": 0.05,
    }
    known |= {"full": 0.05, "transfer": 0.02, "adaptive": 0.03, "difference": 0.01}
    known |= {f"{name}_low": 0.005 for name in ("transfer", "adaptive", "difference")}
    known |= {f"{name}_high": 0.04 for name in ("transfer", "adaptive", "difference")}
    known |= {f"taken_back{part}": np.nan for part in ("", "_low", "_high")}
    known |= {"added": 0.004, "added_low": -0.001, "added_high": 0.009}
    known |= {"added_p_value": 0.1, "added_q_value": 0.2}
    rows = [
        {**known, "attack": "lira_online", "metric": "tpr_at_fpr_0.01"},
        {**known, "attack": "rmia_online", "metric": "auc"},
    ]
    table = pd.DataFrame(rows)
    text = summary_tables.adversaries_as_markdown(table, ["lira_online"])
    assert "TPR at 1 % FPR (%); at full precision 5.00." in text
    line = "| OBC 2 bits | 2.00 [0.50, 4.00] | 3.00 [0.50, 4.00] | **+1.00 [+0.50, +4.00]** |"
    assert f"{line} 0.040 | 0.050 | +0.40 [-0.10, +0.90] | 0.100 | 0.200 |" in text
    assert "gain taken back, %" not in text  # of no variant it could be told
    assert "RMIA" not in text
    page = "".join(summary_tables.adversaries_as_html(table, "rmia_online"))
    assert page.index("<td>RMIA online</td><td>AUC</td>") < page.index("<td>LiRA online</td>")
    assert "<strong>+0.010 <small>[+0.005, +0.040]</small></strong>" in page

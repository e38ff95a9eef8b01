"""Who leaks more, in words: of outliers only what exposure and signal both say."""

import pandas as pd

from ptq_privacy.report import cells, quoted, whose_samples

NAN = float("nan")
TPR = "tpr_at_fpr_0.001"


def kept(statistic, rows):
    table = pd.DataFrame(rows, columns=["variant", "low", "high"])
    table = table.assign(estimate=(table["low"] + table["high"]) / 2, p_value=0.01)
    difference = table.assign(statistic=f"{statistic}_top_minus_other", group="top_1%")
    groups = [table.assign(statistic=statistic, group=group) for group in ("top_1%", "other_99%")]
    return pd.concat([difference, *groups]).assign(fpr=0.01, note="")


def test_outliers_are_compared_with_the_others():
    rows = [
        ("brecq-w2", 0.10, 0.30),
        ("obc-w2", -0.30, -0.10),
        ("nearest-w2", NAN, NAN),
        ("refit-w2", 0.2, 0.4),
        ("adaround-w2", -0.1, 0.1),
    ]
    signal = [*rows[:3], ("refit-w2", -0.1, 0.05), rows[4]]
    exposed = kept("kept", rows)
    both = {"transfer": pd.concat([exposed, kept("signal_kept", signal)])}
    both["transfer"] = pd.concat([both["transfer"], exposed.assign(fpr=0.001, low=0.5, high=0.6)])
    section = whose_samples.outliers(both, 500, "transfer")
    assert len(section.sentences) == 5
    assert section.sentences[0].endswith(
        "keep a larger share than the others, both of their exposure and of their signal, at "
        "BRECQ 2 bits, by at least 10 points."
    )
    assert "keep a smaller share" in section.sentences[1]
    assert section.sentences[1].endswith("at OBC 2 bits, by at least 10 points.")
    assert "cannot be told at refit 2 bits and AdaRound 2 bits" in section.sentences[2]
    assert section.sentences[3].startswith("For nearest 2 bits this could not be told")
    assert section.sentences[4].startswith(
        "At refit 2 bits they do keep a larger share of their exposure, but that they do of their "
    )
    assert "| BRECQ 2 bits | 20 [10, 30] |" in cells.markdown(section.table)
    claims = whose_samples.top_against_others(both["transfer"]).set_index("variant")
    assert claims.loc["refit-w2", ["low", "high"]].tolist() == [-0.1, 0.4]


def test_without_signals_nothing_is_claimed_of_outliers():
    alone = {"transfer": kept("kept", [("brecq-w2", 0.10, 0.30)])}
    section = whose_samples.outliers(alone, 500, "transfer")
    assert section.sentences[0].startswith("For BRECQ 2 bits this could not be told")
    few = whose_samples.outliers(alone, 99, "transfer")
    assert few.sentences == (
        "This cannot be told: 99 non-members a target do not resolve 1 % FPR.",
    )
    without = pd.DataFrame({"statistic": ["exposure"], "variant": ["full"], "fpr": [0.01]})
    without = without.assign(note="needs a whole pair of targets", group="all")
    without = without.assign(estimate=NAN, low=NAN, high=NAN, p_value=NAN)
    assert whose_samples.outliers({"transfer": without}, 500, "transfer").sentences == (
        "This cannot be told: it needs a whole pair of targets.",
    )


def calibration():
    table = pd.DataFrame(
        {
            "metric": TPR,
            "adversary": "adaptive",
            "variant": ["brecq-w2", "obc-w2"],
            "low": [0.001, -0.002],
            "high": [0.004, 0.002],
            "calibration": [0.012, 0.01],
            "other": [0.01, 0.01],
            "difference": [0.002, 0.0],
        }
    )
    auc = table.assign(metric="auc", low=[0.01, -0.01], high=[0.03, 0.01], difference=[0.02, 0.0])
    change = auc.assign(metric="auc_of_change", adversary="both", calibration=[0.52, 0.5])
    return pd.concat([table, auc, change.assign(placebo_mean=0.5001, placebo_deviation=0.005)])


def test_calibration_samples_are_compared_with_other_members():
    section = whose_samples.calibrated(calibration(), quoted.quoted(5000), "adaptive")
    assert section.sentences == (
        "To whoever has the network at full precision too, calibration samples of BRECQ 2 bits "
        "stand out from other members, since quantization changed their answers less, by at least "
        "0.010 AUC.",
        "To whoever has the network at full precision too, calibration samples of OBC 2 bits do "
        "not stand out from other members by how far their answers changed; its interval reaches "
        "from -0.010 to +0.010 AUC.",
        "By the TPR at 0.1 % FPR, to the adaptive adversary calibration samples of BRECQ 2 bits "
        "are easier to tell from non-members than other members, by at least 0.10 points.",
        "By the TPR at 0.1 % FPR, to the adaptive adversary calibration samples of OBC 2 bits are "
        "not distinguishable from other members; its interval reaches from -0.20 to +0.20 points.",
        "By the AUC, to the adaptive adversary calibration samples of BRECQ 2 bits are easier to "
        "tell from non-members than other members, by at least 0.010 AUC.",
        "By the AUC, to the adaptive adversary calibration samples of OBC 2 bits are not "
        "distinguishable from other members; its interval reaches from -0.010 to +0.010 AUC.",
    )
    text = cells.markdown(section.table)
    assert "| BRECQ 2 bits | 0.520 | **+0.020 [+0.010, +0.030]** | 0.500 | 0.005 |" in text
    assert "| 1.20 | 1.00 | **+0.20 [+0.10, +0.40]** |" in text

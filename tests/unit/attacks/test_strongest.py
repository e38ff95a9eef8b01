"""The strongest attack is chosen on stand-ins, from all that an adversary has, and is named."""

import numpy as np
import pytest

from ptq_privacy import attacks
from ptq_privacy.attacks import metrics, stand_ins, strongest
from ptq_privacy.attacks.evidence import Evidence
from ptq_privacy.files import scores as score_files
from ptq_privacy.measures import leakage
from tests.unit.attacks import pools
from tests.unit.attacks.test_lira_moderated import case

OTHERS = {"lira": {}, "lira_moderated": {}, "global_threshold": {}}


def scored(evidence, others=OTHERS):
    chosen = {}
    found = attacks.score({**others, "strongest": {}}, evidence, ["strongest"], chosen)
    return found["strongest"], chosen["strongest"]


def test_each_targets_scores_are_those_of_the_best_on_the_stand_ins_of_its_fold():
    member, phi, compressed = case(18, 800)
    evidence = pools.held("adaptive", member, phi, compressed, range(18))
    values, chosen = scored(evidence)
    each = attacks.score(OTHERS, evidence)
    for rows, theirs in stand_ins.folds(evidence, models=strongest.STAND_INS):
        tried = attacks.score(OTHERS, theirs)
        inside = theirs.member[list(theirs.targets)]
        best = max(tried, key=lambda name: stand_ins.worth(inside, tried[name]))
        for row in rows:
            assert chosen[row] == best
            np.testing.assert_array_equal(values[row], each[best][row])


def test_nothing_of_the_target_enters_into_the_choice():
    member, phi, compressed = case(8, 500)
    evidence = pools.held("adaptive", member, phi, compressed, [2])
    _, before = scored(evidence)
    other = compressed.copy()
    other[2:4] = np.random.default_rng(9).normal(size=other[2:4].shape) * 50
    _, after = scored(pools.held("adaptive", member, phi, other, [2]))
    assert before == after


@pytest.mark.parametrize(
    ("adversary", "parts"),
    [
        ("transfer", {""}),
        ("adaptive", {""}),
        (
            "informed",
            {", compressed", ", full shadow models", ", compressed and full shadow models"},
        ),
        (
            "both",
            {
                ", compressed",
                ", full shadow models",
                ", compressed and full shadow models",
                ", full",
                ", both",
            },
        ),
    ],
)
def test_an_adversary_tries_what_he_has_and_no_more(adversary, parts):
    evidence = pools.held(adversary, *case(6, 60), range(6))
    tried = strongest.candidates(evidence, OTHERS)
    assert {"," + name.partition(",")[2] if "," in name else "" for name in tried} == parts
    alone = {
        ", compressed": pools.held("adaptive", *case(6, 60), range(6)),
        ", full shadow models": pools.held("transfer", *case(6, 60), range(6)),
        ", compressed and full shadow models": pools.held("informed", *case(6, 60), range(6)),
        ", full": pools.held("full", *case(6, 60), range(6)),
        ", both": evidence,
        "": evidence,
    }
    for part in parts:
        expected = attacks.score({"lira_moderated": {}}, alone[part])["lira_moderated"]
        np.testing.assert_array_equal(tried[f"lira_moderated{part}"], expected)
    others = {name for name in tried if not name.startswith("lira_moderated")}
    assert not any(name.endswith((" and full shadow models", ", both")) for name in others)


def test_where_only_the_full_network_leaks_both_of_them_leak_as_much():
    member, phi, _ = case(12, 1500, effect=2.0)
    blank = np.random.default_rng(3).normal(size=(12, 1, 1500, 1))
    evidence = pools.held("both", member, phi, blank, range(12))
    values, chosen = scored(evidence)
    assert all(name.endswith((", full", ", both")) for name in chosen)
    alone, _ = scored(pools.held("full", member, phi, blank, range(12)))
    auc = [
        np.mean([metrics.auc(m, v) for m, v in zip(member, found, strict=True)])
        for found in (values, alone)
    ]
    assert auc[0] == pytest.approx(auc[1], abs=0.01)


def test_too_few_to_stand_in_leave_the_first_attack():
    evidence = pools.evidence(pools.answers(pools.in_pairs(4, 50)), pools.in_pairs(4, 50), [0])
    values, chosen = scored(evidence)
    assert chosen == ["lira_online"]
    np.testing.assert_array_equal(values, attacks.score(OTHERS, evidence)["lira_online"])


def test_it_needs_others():
    member = pools.in_pairs(6, 50)
    phi = pools.answers(member)
    with pytest.raises(ValueError, match=r"attacks.methods: strongest needs other attacks"):
        attacks.score({"strongest": {}}, Evidence.of(phi, phi, member, range(6)))


def test_what_was_chosen_is_in_the_score_file_and_the_leakage_table(tmp_path):
    member, phi, compressed = case(8, 200)
    evidence = pools.held("informed", member, phi, compressed, range(8))
    values, chosen = scored(evidence)
    path, label = tmp_path / "scores", np.zeros(200, np.int16)
    known = {"strongest": values, "other": values}
    score_files.write(path, range(8), label, member, known, None, {"strongest": chosen})
    assert score_files.read(path).chosen == {"strongest": chosen}
    table = leakage.measure(path, 0).set_index("attack")["chosen"]
    assert all(name in table["strongest"] for name in set(chosen))
    assert table["other"] == ""

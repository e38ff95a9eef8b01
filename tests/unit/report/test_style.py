"""What people call methods and scores, and how a variant looks: as fragments say, or by name."""

from itertools import combinations

import matplotlib as mpl
import pytest

from ptq_privacy.report import style
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant


def variants(*texts):
    return [Variant.recorded(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("full", "full precision"),
        ("brecq-w1.58-head8", "BRECQ 1.58 bits, head 8"),
        ("adaround-w4", "AdaRound 4 bits"),
        ("nearest-w2", "nearest 2 bits"),
        ("mine-w3", "mine 3 bits"),
    ],
)
def test_a_variant_has_a_name_in_words(text, name):
    assert style.name(Variant.recorded(text)) == name


def test_every_score_of_every_attack_has_a_title_and_any_other_is_refused():
    for attack in fragments.of_kind("attacks").values():
        for score, title in attack.more["scores"].items():
            assert style.score_title(score) == title
    assert style.score_title("lira_online_fixed") == "LiRA online (fixed variance)"
    with pytest.raises(ValueError, match="score 'lira_sideways' is of no attack"):
        style.score_title("lira_sideways")


def test_methods_have_colours_of_their_own_in_the_studys_order():
    chosen = variants("full", "mine-w2", "obc-w4", "obc-w2", "brecq-w2", "brecq-w2-head8")
    found = style.colours(chosen)
    assert list(found) == [None, "mine", "obc", "brecq"]
    assert len(set(found.values())) == 4
    assert found[None] == style.FULL_COLOUR
    assert all(mpl.colors.is_color_like(colour) for colour in found.values())


def test_there_is_a_colour_for_every_method_however_many():
    chosen = variants("full", *(f"method{n}-w2" for n in range(20)))
    found = style.colours(chosen)
    assert len(found) == 1 + 20
    assert len(set(found.values())) == 1 + len(style.PALETTE)


def test_widths_of_one_method_look_different_and_a_decoupled_head_is_hollow():
    chosen = variants("full", "obc-w4", "obc-w2", "obc-w1.58", "obc-w1.58-head8")
    looks = [style.look(variant, chosen) for variant in chosen]
    assert all(one != other for one, other in combinations(looks, 2))
    assert [look["fillstyle"] for look in looks] == ["full"] * 4 + ["none"]

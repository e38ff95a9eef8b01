"""What people call methods and scores, and that each colour and mark means one thing alone."""

from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest

from ptq_privacy.report import style
from ptq_privacy.study import fragments
from ptq_privacy.study.variants import Variant

# What the colour-blind see of linear RGB (Machado, Oliveira and Fernandes 2009, at severity 1).
EYES = {
    "usual": np.eye(3),
    "protanope": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranope": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def variants(*texts):
    return [Variant.recorded(text) for text in texts]


def lab(colour, eyes):
    part = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(eyes @ linear, 0, 1) / (0.9505, 1, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("full", "full precision"),
        ("brecq-w1.58-head8", "BRECQ 1.58 bits, head 8"),
        ("adaround-w4", "AdaRound 4 bits"),
        ("adaround-w4a8-head8", "AdaRound 4 bits, activations 8, head 8"),
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


def test_no_two_methods_or_attacks_share_a_colour_however_many():
    methods = style.colours(variants("full", *(f"method{n}-w2" for n in range(40))))
    attacks = [style.attack(place)["color"] for place in range(12)]
    neutral = [style.NEUTRAL, style.FAINT]
    every = [mpl.colors.to_hex(c) for c in (*methods.values(), *attacks, *neutral)]
    assert len(every) == 1 + 40 + 12 + 2
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("palette", ["PALETTE", "ATTACK_PALETTE"])
def test_the_colour_blind_tell_the_palette_apart(eyes, palette):
    """By the distance in CIELAB; about 2.3 are just noticed."""
    seen = [lab(c, EYES[eyes]) for c in (*getattr(style, palette), style.FULL_COLOUR)]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 12


def test_marks_of_bits_adversaries_groups_and_attacks_differ():
    looks = [*style.ADVERSARIES.values(), *style.GROUPS.values(), style.ESTIMATE]
    marks = ["*", *style.MARKERS, *style.ATTACK_MARKERS, *(look["marker"] for look in looks)]
    assert len(set(marks)) == len(marks)


def test_every_recipe_has_a_mark_and_a_line_of_its_own_and_a_decoupled_head_is_hollow():
    recipes = ["w8", "w4", "w4a8", "w4a4", "w2", "w1.58", "w2-head8", "w1.58-head8", "w1.58-head4"]
    chosen = variants("full", *(f"obc-{recipe}" for recipe in recipes))
    for drawn in (style.mark, style.line):
        looks = [drawn(variant, chosen) for variant in chosen[1:]]
        assert all(one != other for one, other in combinations(looks, 2))
    hollow = style.mark(chosen[-2], chosen)
    assert hollow["markerfacecolor"] == "white"
    assert hollow["marker"] == style.mark(chosen[6], chosen)["marker"]
    same = variants("full", "obc-w4", "brecq-w4")
    assert style.mark(same[1], same) == style.mark(same[2], same)

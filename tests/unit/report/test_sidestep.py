"""Marks that would hide each other stand side by side, and no farther away than need be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.report import sidestep

WIDE = (-1000.0, 1000.0)


def apart(x, y, sizes):
    """The least free space between two marks, in points, across or upwards."""
    return min(
        (
            max(abs(x[i] - x[j]), abs(y[i] - y[j])) - (sizes[i] + sizes[j]) / 2
            for i in range(len(x))
            for j in range(i)
        ),
        default=np.inf,
    )


@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.floats(0, 30), st.sampled_from([6.0, 12.0])),
        min_size=1,
        max_size=25,
    )
)
def test_no_mark_hides_another(marks):
    x, y, sizes = (np.array(part) for part in zip(*marks, strict=True))
    moved = x + sidestep.offsets(x, y, sizes, WIDE)
    assert moved[0] == x[0]
    assert apart(moved, y, sizes) >= sidestep.GAP - 1e-9


def test_marks_that_are_apart_stay():
    assert sidestep.offsets([0, 20, 0], [0, 0, 20], [6, 6, 6], WIDE).tolist() == [0, 0, 0]


def test_a_pile_spreads_to_both_sides():
    assert sidestep.offsets([0] * 4, [0] * 4, [6] * 4, WIDE).tolist() == [0, -7, 7, -14]


def test_bars_of_marks_at_other_heights_stand_apart_too():
    bars = [(0, 60), (0, 60), (0, 20)]
    found = sidestep.offsets([0] * 3, [10, 50, 90], [6] * 3, WIDE, bars)
    assert found[1] == -np.ceil(sidestep.BAR_GAP)
    assert min(abs(found[2] - found[:2])) >= sidestep.BAR_GAP


def test_no_mark_leaves_the_panel_and_a_full_one_is_filled_evenly():
    found = sidestep.offsets([50] * 6, [0] * 6, [6] * 6, (20, 52))
    assert ((found + 50 >= 23) & (found + 50 <= 50)).all()
    crowded = sidestep.offsets([5] * 9, [0] * 9, [6] * 9, (0, 20))
    assert len(set(crowded)) > 2
    assert np.abs(crowded).max() <= 12


@pytest.mark.parametrize("x", [[], [3.0]])
def test_there_may_be_none_or_one(x):
    assert sidestep.offsets(x, x, [6] * len(x), WIDE).tolist() == [0] * len(x)

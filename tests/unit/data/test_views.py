import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.data.kinds.images import views
from ptq_privacy.data.kinds.images.views import View

IMAGES = torch.arange(1, 2 * 3 * 4 * 5 + 1, dtype=torch.uint8).reshape(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("identity", View()),
        ("flip", View(flip=True)),
        ("shift:1,0", View(right=1)),
        ("shift:-2,13", View(right=-2, down=13)),
        ("flip+shift:0,-1", View(flip=True, down=-1)),
    ],
)
def test_views_are_read(text, view):
    assert views.parse(text) == view


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Flip",
        "flip,shift:1,0",
        "shift:1",
        "shift:1.5,0",
        "shift:0,0",
        "shift:1, 0",
        "shift:a,b",
    ],
)
def test_other_texts_are_refused_by_name(text):
    with pytest.raises(ValueError, match="query") as refusal:
        views.parse(text)
    assert repr(text) in str(refusal.value)
    assert "identity" in str(refusal.value)


def test_a_list_of_views_holds_each_once():
    assert views.parse_all(["identity", "flip"]) == [View(), View(flip=True)]
    with pytest.raises(ValueError, match="'flip' is there twice"):
        views.parse_all(["flip", "identity", "flip"])
    with pytest.raises(ValueError, match="none given"):
        views.parse_all([])


@given(st.booleans(), st.integers(-4, 4), st.integers(-3, 3))
def test_a_view_is_the_crop_of_the_padded_image(flip, right, down):
    shown = views.apply(IMAGES, View(flip, right, down))
    padded = torch.nn.functional.pad(IMAGES.flip(3) if flip else IMAGES, (4, 4, 3, 3))
    assert torch.equal(shown, padded[:, :, 3 - down : 7 - down, 4 - right : 9 - right])
    assert shown.dtype == IMAGES.dtype


def test_content_moves_right_and_down():
    shown = views.apply(IMAGES, views.parse("shift:1,2"))
    assert torch.equal(shown[:, :, 2:, 1:], IMAGES[:, :, :2, :4])
    assert not shown[:, :, :2].any()
    assert not shown[:, :, :, 0].any()


def test_images_are_left_as_they_were():
    before = IMAGES.clone()
    for text in ("identity", "flip", "shift:1,1", "flip+shift:-1,0"):
        views.apply(IMAGES, views.parse(text))
    assert torch.equal(IMAGES, before)


@pytest.mark.parametrize("text", ["shift:5,0", "shift:0,-4"])
def test_a_shift_out_of_the_image_is_refused(text):
    with pytest.raises(ValueError, match=f"{text}: leaves nothing of 4x5 images"):
        views.apply(IMAGES, views.parse(text))

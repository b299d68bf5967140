"""Crops around faces."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from animetools.colors import Color
from animetools.errors import ItemError
from animetools.images.crop import (
    Border,
    Crop,
    Fill,
    Frame,
    aligned_crop_of,
    crop_of,
    margin,
    portrait,
)
from animetools.images.face import Face
from animetools.images.nvxs import Box

SIZE = (400, 300)
sizes = st.tuples(st.integers(1, 900), st.integers(1, 900))
room = st.floats(0, 4)


@st.composite
def boxes_in(draw: st.DrawFn, size: tuple[int, int]) -> Box:
    """A box inside a picture of a size."""
    width, height = draw(st.integers(1, size[0])), draw(st.integers(1, size[1]))
    x, y = draw(st.integers(0, size[0] - width)), draw(st.integers(0, size[1] - height))
    return x, y, width, height


def is_inside(box: Box, other: Box) -> bool:
    """Whether a box lies in another."""
    x, y, width, height = box
    left, top, wide, high = other
    return left <= x and top <= y and x + width <= left + wide and y + height <= top + high


@given(st.data(), sizes, room, st.booleans())
def test_shifted_squares_hold_the_face_and_stay_inside_where_they_can(
    data: st.DataObject, size: tuple[int, int], room: float, is_portrait: bool
) -> None:
    face = data.draw(boxes_in(size))
    crop = crop_of(face, portrait() if is_portrait else margin(room), size)
    assert crop.box[2] == crop.box[3]
    assert is_inside(face, crop.box)
    if max(face[2:]) <= min(size):
        assert is_inside(crop.box, (0, 0, *size))


@given(st.data(), sizes, room)
def test_free_crops_stay_inside_and_keep_proportions_far_from_the_edge(
    data: st.DataObject, size: tuple[int, int], room: float
) -> None:
    face = data.draw(boxes_in(size))
    shifted = crop_of(face, margin(room, square=False), size)
    assert is_inside(face, shifted.box)
    assert is_inside(shifted.box, (0, 0, *size))
    padded = crop_of(face, margin(room, square=False), size, "pad")
    for side, of in zip(padded.box[2:], face[2:], strict=True):
        assert abs(side - max(1, of * (1 + 2 * room))) <= 1


@given(st.data(), sizes, room)
def test_clipped_crops_are_the_padded_ones_without_the_padding(
    data: st.DataObject, size: tuple[int, int], room: float
) -> None:
    face = data.draw(boxes_in(size))
    x, y, width, height = crop_of(face, margin(room), size, "pad").box
    left, top, right, low = max(0, x), max(0, y), min(size[0], x + width), min(size[1], y + height)
    assert crop_of(face, margin(room), size, "clip").box == (left, top, right - left, low - top)


@given(st.data(), sizes, st.sampled_from([margin(0.3), portrait()]))
def test_padded_crops_have_the_face_in_the_same_place(
    data: st.DataObject, size: tuple[int, int], frame: Frame
) -> None:
    x, y, width, height = data.draw(boxes_in(size))
    here = crop_of((x, y, width, height), frame, size, "pad").box
    there = crop_of((x + 7, y + 5, width, height), frame, size, "pad").box
    # Python rounds halves to even, so that a middle between two pixels may go either way.
    assert abs(there[0] - here[0] - 7) <= 1
    assert abs(there[1] - here[1] - 5) <= 1
    assert there[2:] == here[2:]


@pytest.mark.parametrize(
    ("face", "border", "box"),
    [
        ((100, 100, 80, 80), "shift", (60, 40, 160, 160)),
        ((100, 100, 80, 60), "shift", (60, 35, 160, 160)),  # grown to 160 x 120 from y 55
        ((0, 100, 80, 80), "shift", (0, 40, 160, 160)),  # moved in from the left
        ((320, 220, 80, 80), "shift", (240, 140, 160, 160)),
        ((100, 100, 160, 160), "shift", (30, 0, 300, 300)),  # 320 rows of 300: shrunk
        ((100, 100, 160, 160), "pad", (20, -20, 320, 320)),
        ((0, 100, 80, 80), "pad", (-40, 40, 160, 160)),
        ((0, 100, 80, 80), "clip", (0, 40, 120, 160)),
    ],
)
def test_portrait_is_grown_as_the_danbooru_portraits(face: Box, border: Border, box: Box) -> None:
    assert crop_of(face, portrait(), SIZE, border).box == box


def test_a_portrait_shrinks_and_still_holds_its_face_in_its_place() -> None:
    assert crop_of((120, 0, 160, 160), portrait(), SIZE).box == (50, 0, 300, 300)
    assert crop_of((120, 140, 160, 160), portrait(), SIZE).box == (50, 0, 300, 300)
    # As much less above the face as below it, in proportion.
    assert crop_of((50, 40, 200, 200), portrait(), (900, 300)).box == (0, 0, 300, 300)
    assert crop_of((50, 90, 200, 200), portrait(), (300, 900)).box == (0, 15, 300, 300)


def test_only_a_square_that_cannot_hold_its_face_sticks_out() -> None:
    assert crop_of((10, 0, 200, 150), portrait(), (400, 150)).box == (10, -25, 200, 200)
    assert crop_of((10, 0, 200, 150), portrait(square=False), (400, 150)).box == (0, 0, 400, 150)


def test_a_margin_gives_way_where_the_picture_ends() -> None:
    assert crop_of((50, 10, 200, 200), margin(0.5), SIZE).box == (0, 0, 300, 300)
    assert crop_of((50, 10, 200, 200), margin(0.5), SIZE, "pad").box == (-50, -90, 400, 400)


def test_pixels_are_the_pictures_own_and_background_beyond() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert np.array_equal(Crop((5, 6, 10, 12)).pixels(rgb), rgb[6:18, 5:15])
    crop = Crop((-4, 25, 10, 10)).pixels(rgb, Color(1, 2, 3))
    assert crop.shape == (10, 10, 3)
    assert np.array_equal(crop[:5, 4:], rgb[25:, :6])
    assert (crop[5:] == (1, 2, 3)).all()
    assert (crop[:, :4] == (1, 2, 3)).all()
    assert (Crop((100, 100, 4, 4)).pixels(rgb, Color(9, 9, 9)) == 9).all()


def test_turned_crops_agree_with_straight_ones_at_right_angles() -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    for side in (20, 21):
        straight = rgb[10 : 10 + side, 15 : 15 + side]
        turned = Crop((15, 10, side, side), 90).pixels(rgb)
        assert np.abs(turned.astype(int) - np.rot90(straight)).max() <= 1


def test_a_crop_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(ItemError, match="too large"):
        Crop((0, 0, 100_000, 100_000)).pixels(np.zeros((9, 9, 3), np.uint8))


def test_a_second_face_is_held_by_its_middle_or_by_a_fifth_of_it() -> None:
    crop = Crop((100, 100, 100, 100))
    assert crop.holds((120, 120, 20, 20))
    assert crop.holds((160, 90, 70, 70))  # its middle
    assert crop.holds((0, 0, 400, 400))  # the middle of a larger one
    assert crop.holds((190, 120, 40, 40))  # a quarter of it
    assert not crop.holds((193, 120, 40, 40))
    assert not crop.holds((0, 0, 50, 50))
    turned = Crop((100, 100, 100, 100), 45)
    assert not turned.holds((96, 96, 12, 12))  # in the corner that is turned away
    assert turned.holds((196, 145, 12, 10))


@given(st.floats(-40, 40), st.integers(60, 140), st.integers(60, 140), st.sampled_from([0.25, 0.6]))
def test_aligned_crops_have_the_eyes_level_and_in_one_place(
    degrees: float, x: int, y: int, room: float
) -> None:
    """Two dots are the eyes of a turned face; in the crop they are found where they belong."""
    apart = 32
    angle = np.radians(degrees)
    half = np.array([np.cos(angle), np.sin(angle)]) * apart / 2
    middle = np.array([x, y])
    right, left = middle - half, middle + half
    size = (200, 200)
    rgb = np.zeros((*size, 3), np.uint8)
    for at, color in ((right, (255, 0, 0)), (left, (0, 255, 0))):
        cv2.circle(rgb, (round(at[0]), round(at[1])), 3, color, cv2.FILLED)
    marks = {
        "right_eye": (round(right[0]), round(right[1])),
        "left_eye": (round(left[0]), round(left[1])),
    }
    face = Face((x - 40, y - 36, 80, 80), 1, "nvxs", marks)
    crop = aligned_crop_of(face, margin(room), size, "pad")
    assert crop
    side = crop.box[2]
    pixels = crop.pixels(rgb, Color(0, 0, 0)).astype(float)
    assume(min(pixels[..., 0].sum(), pixels[..., 1].sum()) > 3000)
    found = [
        (np.indices(plane.shape) * plane).sum((1, 2)) / plane.sum()
        for plane in (pixels[..., 0], pixels[..., 1])
    ]
    (right_down, right_across), (left_down, left_across) = found
    width = side / (1 + 2 * room)
    level = (0.455 + room) * width
    assert right_down == pytest.approx(left_down, abs=1.5)
    assert left_down == pytest.approx(level, abs=2)
    assert left_across - right_across == pytest.approx(width / 2.5, abs=2)
    assert (left_across + right_across) / 2 == pytest.approx(side / 2, abs=2)


def test_unknown_or_impossible_eyes_align_nothing() -> None:
    assert aligned_crop_of(Face((0, 0, 80, 80), 1, "lbp"), margin(0), SIZE) is None
    upright = {"right_eye": (40, 10), "left_eye": (42, 60)}
    assert aligned_crop_of(Face((0, 0, 80, 80), 1, "nvxs", upright), margin(0), SIZE) is None


def test_eyes_close_together_do_not_make_a_face_small() -> None:
    marks = {"right_eye": (40, 40), "left_eye": (48, 40)}
    crop = aligned_crop_of(Face((0, 0, 80, 80), 1, "nvxs", marks), margin(0), SIZE)
    assert crop
    assert crop.box[2:] == (68, 68)


def turned_face(degrees: float, x: int, y: int) -> Face:
    """One of 80 pixels whose eyes are on both sides of a point."""
    angle = np.radians(degrees)
    across, down = round(16 * np.cos(angle)), round(16 * np.sin(angle))
    marks = {"right_eye": (x - across, y - down), "left_eye": (x + across, y + down)}
    return Face((x - 40, y - 36, 80, 80), 1, "nvxs", marks)


@given(
    st.floats(-40, 40),
    st.integers(60, 240),
    st.integers(60, 140),
    st.sampled_from([margin(0.25), margin(1.5), portrait(), portrait(square=False)]),
    st.sampled_from(["shift", "clip"]),
)
def test_aligned_crops_are_moved_and_shrunk_until_nothing_is_filled_up(
    degrees: float, x: int, y: int, frame: Frame, border: Border
) -> None:
    face = turned_face(degrees, x, y)
    crop = aligned_crop_of(face, frame, (300, 200), border)
    assert crop
    assert min(crop.box[2:]) >= 68
    assert crop.holds((x - 2, y - 2, 4, 4))
    assert crop.beyond((300, 200)) == 0


def test_what_lies_beyond_is_measured_as_a_share() -> None:
    assert Crop((10, 20, 100, 100)).beyond((110, 120)) == 0
    assert Crop((-25, 20, 100, 100)).beyond((400, 300)) == 0.25
    assert Crop((-50, -50, 100, 100), 45).beyond((400, 300)) == 0.75
    assert Crop((500, 20, 100, 100)).beyond((400, 300)) == 1


@pytest.mark.parametrize("border", ["shift", "clip", "pad", "blur"])
def test_aligned_crops_far_from_the_edge_are_the_same_with_every_border(border: Border) -> None:
    face = turned_face(20, 400, 400)
    crop = aligned_crop_of(face, portrait(), (800, 800), border)
    assert crop == aligned_crop_of(face, portrait(), (800, 800), "pad")


def test_an_aligned_face_at_the_very_edge_is_filled_up_rather_than_lost() -> None:
    face = Face((0, 0, 80, 80), 1, "nvxs", {"right_eye": (8, 2), "left_eye": (40, 14)})
    crop = aligned_crop_of(face, margin(1), (200, 200))
    assert crop
    assert crop.holds((4, 0, 40, 20))
    filled = crop.pixels(np.full((200, 200, 3), 255, np.uint8), Color(0, 0, 0)).mean(axis=2) == 0
    assert 0 < filled.mean() < 0.3


@pytest.mark.parametrize("degrees", [0, 30])
@pytest.mark.parametrize("fill", ["reflect", "blur"])
def test_fills_go_on_where_the_picture_ends(fill: Fill, degrees: float) -> None:
    rgb = np.full((100, 100, 3), 128, np.uint8)
    rgb[:, ::10] = 200
    crop = Crop((-40, -30, 120, 120), degrees)
    white = crop.pixels(np.full((100, 100, 3), 255, np.uint8), Color(0, 0, 0))
    there = cv2.erode(white, np.ones((7, 7))) == 255  # cubic sampling mixes at the very edge
    filled, plain = crop.pixels(rgb, fill), crop.pixels(rgb, Color(0, 0, 0))
    assert np.array_equal(filled[there], plain[there])
    assert filled.min() >= 110
    spread = np.ptp(filled[:20, :20].astype(int))
    assert spread > 60 if fill == "reflect" else spread < 30


def test_reflection_is_of_the_pictures_own_pixels() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    crop = Crop((-5, 20, 20, 15)).pixels(rgb, "reflect")
    assert np.array_equal(crop, np.pad(rgb, ((0, 9), (5, 0), (0, 0)), "reflect")[20:35, :20])


@pytest.mark.parametrize("fill", ["reflect", "blur", (1, 2, 3)])
@pytest.mark.parametrize("degrees", [0, 20])
def test_pictures_of_any_shape_are_filled_up(fill: Fill, degrees: float) -> None:
    for shape in ((1, 1, 3), (40_000, 3, 3), (3, 40_000, 3)):
        rgb = np.full(shape, (1, 2, 3), np.uint8)
        crop = Crop((-3, shape[0] - 20, 30, 30), degrees).pixels(rgb, fill)
        assert (crop == (1, 2, 3)).all()

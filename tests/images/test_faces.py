"""Faces and the detectors that find them."""

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.artist.artist import draw
from animetools.errors import Advice, FatalError
from animetools.images import faces as room
from animetools.images import hits, nvxs
from animetools.images.face import Face, overlap
from animetools.images.faces import choose_detector, with_landmarks
from animetools.images.files import read_rgb
from animetools.images.nvxs import Box, Pixels
from animetools.images.pieces import _pieces, in_pieces
from animetools.images.view import View
from tests.conftest import REAL
from tests.images.cascades import old_form

CASCADE = str(REAL.parent / "lbpcascade_animeface.xml")
needs_nvxs = pytest.mark.skipif(not nvxs.is_installed(), reason="no wheel of animeface here")
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no real images here")

# A real picture for every stage: where its face is.
BY_LBP = ("p109_lllyasviel.jpg", (55, 67, 164, 172))
BY_NVXS = ("p005_kiteretsu77.png", (389, 91, 245, 230))
BY_TILTED = ("p142_nagadomi.png", (223, 187, 288, 259))

boxes = st.tuples(*[st.integers(0, 50)] * 2, *[st.integers(1, 50)] * 2)


def no_cascade() -> str:
    """Stands for a fetch without a network."""
    raise FatalError("it cannot be fetched")


def drawn(scale: float = 1, degrees: float = 0) -> Pixels:
    """The drawn face on white, 100 pixels from the left and 90 from above, perhaps turned."""
    canvas = np.full((260, 260), 255, np.uint8)
    turn = cv2.getRotationMatrix2D((48, 48), degrees, 1) + np.array([[0, 0, 100], [0, 0, 90]])
    cv2.warpAffine(
        nvxs.drawn_face(), turn, (260, 260), dst=canvas, borderMode=cv2.BORDER_TRANSPARENT
    )
    larger = cv2.resize(canvas, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(larger, cv2.COLOR_GRAY2RGB).astype(np.uint8)


def real(name: str) -> Pixels:
    """A real picture."""
    return read_rgb(str(REAL / name))


@given(boxes, boxes)
def test_overlap_is_of_pixels(one: Box, other: Box) -> None:
    masks = []
    for x, y, width, height in (one, other):
        mask = np.zeros((100, 100), bool)
        mask[y : y + height, x : x + width] = True
        masks.append(mask)
    both, any_of_them = (masks[0] & masks[1]).sum(), (masks[0] | masks[1]).sum()
    assert overlap(one, other) == overlap(other, one) == pytest.approx(both / any_of_them)


@given(st.integers(0, 299), st.integers(0, 199), st.sampled_from([100, 150, 333, 1000]))
def test_points_of_a_view_lead_back_to_the_source(x: int, y: int, longest: int) -> None:
    grey = np.zeros((200, 300), np.uint8)
    grey[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5] = 255
    view = View.of(grey, longest)
    pixels = view.pixels.astype(float)
    down, across = (np.indices(pixels.shape) * pixels).sum((1, 2)) / pixels.sum()
    expected = np.argwhere(grey).mean(axis=0)
    assert view.point_in_source(across + 0.5, down + 0.5) == pytest.approx(
        (expected[1] + 0.5, expected[0] + 0.5), abs=0.8 + 0.5 / view.scale
    )


@given(st.floats(-300, 600), st.floats(-300, 600), st.floats(1, 900))
def test_boxes_lie_in_the_source(x: float, y: float, side: float) -> None:
    box = View.of(np.zeros((200, 300), np.uint8), 150).box_in_source(x, y, side)
    if box:
        assert 0 <= box[0] < box[0] + box[2] <= 300
        assert 0 <= box[1] < box[1] + box[3] <= 200
    assert View.of(np.zeros((200, 300), np.uint8), 300).box_in_source(0, 0, 40) == (0, 0, 20, 20)


def together(lbp: list[Face], nvxs: list[Face], points: list[Face]) -> list[Face]:
    """What auto makes of what the detectors find in a white picture."""
    by_lbp, by_nvxs, by_points = (lambda _, found=found: found for found in (lbp, nvxs, points))
    search = partial(room._together, by_lbp=by_lbp, by_nvxs=by_nvxs, by_points=by_points)
    return in_pieces(np.full((90, 160, 3), 255, np.uint8), search)


def test_a_face_that_two_detectors_find_is_surer_than_a_hand_that_one_finds() -> None:
    hand, face = Face((9, 9, 40, 40), 0.99, "lbp"), Face((60, 9, 40, 40), 0.97, "lbp")
    marks = {"left_eye": (90, 20), "right_eye": (70, 20)}
    spot = Face((61, 10, 40, 40), 0.9, "points", marks)
    first, second = together([hand, face], [], [spot])
    assert (first.box, first.detector, first.landmarks) == (face.box, "lbp", marks)
    assert first.score == pytest.approx(1 - 0.03 * 0.1)
    assert second == hand


def test_of_what_one_detector_finds_alone_only_the_likely_counts() -> None:
    sure, unsure = hits.points_score(0.9), hits.points_score(0.55)
    face = Face((60, 9, 40, 40), sure, "points")
    doubtful = Face((9, 9, 40, 40), unsure, "points")
    assert together([], [], [face, doubtful]) == [face]
    # A part of a face is not another one.
    eye = Face((62, 12, 15, 15), sure, "points")
    assert together([Face((60, 9, 40, 40), 0.9, "lbp")], [], [eye])[0].box == face.box


def test_nvxs_is_asked_only_where_a_face_is_in_doubt() -> None:
    seen = Face((10, 10, 40, 40), 0.7, "nvxs")
    faint = Face((9, 9, 40, 40), hits.points_score(room.POINTS_DOUBTFUL), "points")
    (both,) = together([], [seen], [faint])
    assert (both.box, both.detector) == (seen.box, "nvxs")
    assert both.score == pytest.approx(1 - 0.3 * (1 - faint.score))
    # A hit elsewhere does not count.
    assert together([], [seen], [replace(faint, box=(90, 9, 40, 40))]) == []
    # Nor where the spot is smaller than any face that nvxs finds, or where there is another face.
    assert together([], [seen], [replace(faint, box=(20, 20, 20, 20))]) == []
    other = Face((100, 9, 40, 40), 0.9, "lbp")
    assert together([other], [seen], [faint]) == [other]


@needs_nvxs
@needs_real
def test_where_landmarks_are_wanted_they_are_those_of_nvxs() -> None:
    for name, box in (BY_LBP, BY_NVXS):
        (plain,) = choose_detector("auto", cascade=CASCADE)(real(name))
        (marked,) = choose_detector("auto", cascade=CASCADE, landmarks=True)(real(name))
        assert plain.landmarks is not None and "chin" not in plain.landmarks
        assert marked.landmarks is not None and "chin" in marked.landmarks
        assert replace(marked, landmarks=plain.landmarks) == plain
        assert overlap(marked.box, box) > 0.6


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_scores_are_probabilities_that_grow_with_the_evidence(
    count: int, likelihood: float
) -> None:
    few, many = (hits._lbp_score(n) for n in (count, count + 1))
    assert 0 < few <= many <= 1
    assert 0 < hits._nvxs_score(0) <= hits._nvxs_score(likelihood) <= hits._nvxs_score(1) < 1
    middle = min(max(likelihood, 0.01), 0.99)
    assert 0 < hits.points_score(middle) <= hits.points_score(0.999) < 1
    assert hits._lbp_score(4) < 0.8 < hits._lbp_score(5) < hits._lbp_score(6)


def test_one_hit_of_lbp_does_not_silence_others(tmp_path: Path) -> None:
    cascade = tmp_path / "squares.xml"
    cascade.write_text(old_form())
    detector = choose_detector("auto", cascade=str(cascade))
    rgb = np.full((400, 700, 3), 255, np.uint8)
    rgb[60:340, 410:690] = 0
    rgb[130:270, 480:620] = 255
    assert [face.detector for face in detector(rgb)] == ["lbp"]
    rgb[60:316, 60:316] = draw(3, 1, 256).rgb
    found = {face.detector for face in detector(rgb)}
    assert found == {"lbp", "points"}


def strip(*starts: int, length: int = 6000) -> tuple[Pixels, list[Box]]:
    """A picture of 300 pixels' width with the drawn face at these heights, and its boxes."""
    rgb = np.full((length, 300, 3), 255, np.uint8)
    for start in starts:
        rgb[start : start + 260, 20:280] = drawn()
    return rgb, [(128, start + 100, 80, 80) for start in starts]


@needs_nvxs
@pytest.mark.parametrize("is_tall", [True, False])
@pytest.mark.parametrize("name", ["auto", "nvxs"])
def test_long_pictures_are_searched_in_pieces(
    monkeypatch: pytest.MonkeyPatch, name: room.Name, is_tall: bool
) -> None:
    monkeypatch.setattr(room, "fetch", no_cascade)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Advice)
        detector = choose_detector(name)
    # At every distance from the edges of pieces, so that some are cut.
    rgb, boxes = strip(*range(0, 5700, 333))
    if not is_tall:
        rgb = np.concatenate([drawn()] * 18, axis=1)
        boxes = [(260 * n + 108, 100, 80, 80) for n in range(18)]
    found = detector(rgb)
    for box in boxes:
        assert sum(overlap(box, face.box) > 0.3 for face in found) == 1
    assert len(found) == len(boxes)


@given(st.integers(1, 900), st.integers(1, 9000), st.integers(1, 450), st.data())
def test_pieces_cover_a_picture_and_one_holds_any_face_whole(
    width: int, height: int, side: int, data: st.DataObject
) -> None:
    pieces = list(_pieces(width, height))
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in pieces)
    assert sum(w * h for _, _, w, h in pieces) <= 2.5 * width * height
    side = min(side, width // 2, height // 2)
    x, y = data.draw(st.integers(0, width - side)), data.draw(st.integers(0, height - side))
    assert any(
        left <= x and top <= y and x + side <= left + w and y + side <= top + h
        for left, top, w, h in pieces
    )
    mirrored = [(y, x, h, w) for x, y, w, h in _pieces(height, width)]
    assert width == height or pieces == mirrored


@needs_real
def test_faces_in_a_strip_of_real_pictures_are_found() -> None:
    detector = choose_detector("lbp", cascade=CASCADE)
    pictures = [cv2.resize(real(name), (320, 320)) for name in (BY_LBP[0], "p074_kanosawa.png")]
    alone = [len(detector(np.asarray(picture, np.uint8))) for picture in pictures]
    assert len(detector(np.vstack(pictures * 3).astype(np.uint8))) == 3 * sum(alone)


@needs_nvxs
@pytest.mark.parametrize("scale", [1, 1.5, 2])
def test_boxes_and_landmarks_are_in_pixels_of_the_picture(scale: float) -> None:
    (face,) = choose_detector("nvxs")(drawn(scale))
    x, y, width, height = (side / scale for side in face.box)
    assert (x + width / 2, y + height / 2) == pytest.approx((148, 140), abs=9)
    assert 60 <= width <= 95
    assert face.landmarks
    eye, other = face.landmarks["right_eye"], face.landmarks["left_eye"]
    assert (eye[0] / scale, eye[1] / scale) == pytest.approx((131, 142), abs=8)
    assert (other[0] / scale, other[1] / scale) == pytest.approx((165, 142), abs=8)


def test_points_finds_tilted_faces_and_their_eyes() -> None:
    portrait = draw(3, 1, 256).rgb

    def angle(degrees: float) -> float:
        turn = cv2.getRotationMatrix2D((128, 128), degrees, 0.8) + np.array([[0, 0, 72]] * 2)
        turned = cv2.warpAffine(portrait, turn, (400, 400), borderValue=(255, 255, 255))
        rgb = np.asarray(turned, np.uint8)
        (face,) = choose_detector("points")(rgb)
        marks = with_landmarks(rgb, face).landmarks
        assert marks
        (left, low), (right, high) = marks["left_eye"], marks["right_eye"]
        return float(np.degrees(np.arctan2(high - low, left - right)))

    # Turned anticlockwise, the eye on the viewer's right is the higher one.
    for degrees in (-30, 30):
        assert angle(degrees) - angle(0) == pytest.approx(degrees, abs=8)


def test_nobody_is_found_in_empty_and_tiny_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "fetch", no_cascade)
    monkeypatch.setattr(nvxs, "is_installed", lambda: False)
    with pytest.warns(Advice):
        detector = choose_detector("auto")
    for shape in ((1, 1, 3), (1, 3000, 3), (3000, 1, 3), (300, 200, 3)):
        assert detector(np.full(shape, 200, np.uint8)) == []


def test_lbp_without_a_cascade_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "fetch", no_cascade)
    with pytest.raises(FatalError, match="cannot be fetched"):
        choose_detector("lbp")


def test_a_bad_cascade_is_an_error_to_auto_too(tmp_path: object) -> None:
    with pytest.raises(FatalError, match="cannot be read"):
        choose_detector("auto", cascade=f"{tmp_path}/none.xml")


@needs_real
@pytest.mark.parametrize("size", [(5, 4000), (1, 3000), (3000, 1), (1, 1)])
def test_strips_have_no_landmarks(size: tuple[int, int]) -> None:
    high, wide = size
    face = Face((0, 0, wide, high), 0.9, "onnx")
    assert with_landmarks(np.zeros((high, wide, 3), np.uint8), face) == face


def test_auto_without_the_others_is_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvxs, "is_installed", lambda: False)
    monkeypatch.setattr(room, "fetch", no_cascade)
    with pytest.warns(Advice) as told:
        detector = choose_detector("auto")
    assert ["without" in str(each.message) for each in told] == [True, True]
    assert detector.found == "points"
    (face,) = detector(real(BY_NVXS[0]))
    assert overlap(face.box, BY_NVXS[1]) > 0.6
    assert face.detector == "points"


@needs_real
@pytest.mark.parametrize("picture", [BY_LBP, BY_NVXS, BY_TILTED])
def test_auto_finds_a_real_face_and_its_landmarks(picture: tuple[str, Box]) -> None:
    (face,) = choose_detector("auto", cascade=CASCADE)(real(picture[0]))
    assert overlap(face.box, picture[1]) > 0.6
    assert 0.5 <= face.score <= 1
    assert face.landmarks


@needs_nvxs
@needs_real
@pytest.mark.parametrize("name", ["lbp", "points"])
@pytest.mark.parametrize("smallest", [64, 128, 250])
def test_small_faces_left_out_change_no_other(name: room.Name, smallest: int) -> None:
    whole = choose_detector(name, cascade=CASCADE)
    short = choose_detector(name, cascade=CASCADE, smallest=smallest)
    for file in ("p030_shuhongchen.png", "p055_jerryli27.jpg", "p074_kanosawa.png", BY_TILTED[0]):
        rgb = real(file)
        kept = [face for face in whole(rgb) if min(face.box[2:]) >= smallest]
        assert [face for face in short(rgb) if min(face.box[2:]) >= smallest] == kept


@needs_real
def test_equalised_grey_is_another_search() -> None:
    plain = choose_detector("lbp", cascade=CASCADE)
    equalised = choose_detector("lbp", cascade=CASCADE, equalize=True)
    assert plain(real("p035_animede.jpg")) != equalised(real("p035_animede.jpg"))


@needs_real
def test_eyes_are_found_in_a_face_of_lbp() -> None:
    rgb = real("p073_jonathonyan.jpg")
    (face,) = choose_detector("lbp", cascade=CASCADE)(rgb)
    marks = with_landmarks(rgb, face).landmarks
    assert marks
    x, y, width, height = face.box
    for name, across, down in (("right_eye", 0.3, 0.5), ("left_eye", 0.7, 0.5)):
        assert marks[name] == pytest.approx((x + across * width, y + down * height), abs=width / 8)


def test_where_there_are_no_eyes_a_face_stays_as_it_is() -> None:
    face = Face((50, 50, 100, 100), 0.5, "lbp")
    assert with_landmarks(np.full((200, 200, 3), 255, np.uint8), face) == face


@needs_nvxs
@needs_real
def test_detectors_go_to_threads_and_processes() -> None:
    detector = choose_detector("auto", cascade=CASCADE)
    copy = pickle.loads(pickle.dumps(detector))
    pictures = [real(name) for name, _ in (BY_LBP, BY_NVXS, BY_TILTED)] * 2
    alone = [detector(picture) for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(copy, pictures)) == alone

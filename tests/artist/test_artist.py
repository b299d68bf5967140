"""The artist: the same picture every time, told truly."""

import hashlib

import numpy as np
import pytest

from animetools.artist import tags
from animetools.artist.artist import Drawing, draw
from animetools.artist.character import EYE_COLORS, HAIR_COLORS, Character, invent
from animetools.artist.clothes import CUTS
from animetools.artist.tags import Tag
from animetools.images import nvxs
from animetools.images.face import overlap
from animetools.images.faces import choose_detector
from tests.conftest import REAL

CASCADE = REAL.parent / "lbpcascade_animeface.xml"
SAMPLE = range(20)


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    return [draw(3, index) for index in SAMPLE]


def characters(count: int, view: str = "front") -> list[Character]:
    return [invent(np.random.default_rng(seed), view) for seed in range(count)]


def test_a_picture_does_not_depend_on_what_was_drawn_before(drawings: list[Drawing]) -> None:
    for index in (17, 2):
        again = draw(3, index)
        assert (
            hashlib.md5(again.rgb.tobytes()).digest()
            == hashlib.md5(drawings[index].rgb.tobytes()).digest()
        )
        assert again.tags == drawings[index].tags
        assert again.faces == drawings[index].faces


def test_seeds_and_indices_give_other_pictures(drawings: list[Drawing]) -> None:
    seen = {hashlib.md5(drawing.rgb.tobytes()).digest() for drawing in drawings}
    seen.add(hashlib.md5(draw(4, 0).rgb.tobytes()).digest())
    assert len(seen) == len(drawings) + 1


def test_sizes_are_a_boorus(drawings: list[Drawing]) -> None:
    for drawing in drawings:
        height, width, channels = drawing.rgb.shape
        assert channels == 3
        assert drawing.rgb.dtype == np.uint8
        assert min(height, width) >= 500
        assert max(height, width) <= 1600


def test_portraits_are_squares_with_one_large_face() -> None:
    for index in range(8):
        drawing = draw(3, index, portrait=96)
        assert drawing.rgb.shape == (96, 96, 3)
        [face] = drawing.faces
        assert face.box[2] > 38
        assert Tag("portrait") in drawing.tags


def test_boxes_lie_in_the_picture_and_there_is_one_a_visible_face(drawings: list[Drawing]) -> None:
    for drawing in drawings:
        height, width = drawing.rgb.shape[:2]
        for face in drawing.faces:
            x, y, wide, high = face.box
            assert 0 <= x < x + wide <= width
            assert 0 <= y < y + high <= height
        names = {tag.name for tag in drawing.tags}
        people = {"1girl": 1, "2girls": 2, "3girls": 3, "1boy": 1, "2boys": 2, "3boys": 3}
        count = sum(number for name, number in people.items() if name in names)
        assert len(drawing.faces) == (0 if "from_behind" in names else count)
        assert ("no_humans" in names) == (count == 0)


def test_tags_say_what_the_design_is() -> None:
    for who in characters(300):
        names = tags.face_tags(who)
        assert [name for name in names if name in HAIR_COLORS] == [who.hair.name]
        told = {name for name in names if name in EYE_COLORS}
        assert told <= set(who.eyes.names)
        assert ("closed_eyes" in names) == (not told)
        assert ("twintails" in names) == (who.hair.bundle in ("twintails", "low_twintails"))
        assert ("glasses" in names) == bool(who.glasses)
        assert ("cat_ears" in names) == (who.animal_ears == "cat_ears")
        assert ("smile" in names) <= (who.mouth not in ("frown", "pout", "line", "grit", "wavy"))
        assert len(names) == len(set(names))
        assert set(CUTS[who.outfit].tags) <= set(tags.body_tags(who, 3.0))


def test_only_what_is_in_sight_is_told() -> None:
    for who in characters(40):
        assert "shoes" not in tags.body_tags(who, 12.0)
        assert not {"skirt", "pants", "shorts"} & set(tags.body_tags(who, 4.0))
    for who in characters(40, "from_behind"):
        assert not {*EYE_COLORS, "smile", "blush", "glasses"} & set(tags.face_tags(who))


def test_people_are_counted() -> None:
    girls = [who for who in characters(60) if who.girl]
    boys = [who for who in characters(60) if not who.girl]
    assert tags.people_tags(girls[:1]) == ["1girl", "solo"]
    assert tags.people_tags([*girls[:2], boys[0]]) == ["2girls", "multiple_girls", "1boy"]


def test_no_two_tags_share_a_number(drawings: list[Drawing]) -> None:
    names = {name for who in characters(400) for name in tags.face_tags(who)}
    names |= {name for who in characters(100) for name in tags.body_tags(who, 15.0)}
    names |= {tag.name for drawing in drawings for tag in drawing.tags}
    assert len({Tag(name).id for name in names}) == len(names)


def test_the_detectors_find_the_frontal_faces(drawings: list[Drawing]) -> None:
    if CASCADE.exists():
        find, share = choose_detector("auto", cascade=str(CASCADE)), 0.9
    elif nvxs.is_installed():
        find, share = choose_detector("nvxs"), 0.7
    else:
        pytest.skip("no detector here")
    found = wanted = 0
    for drawing in drawings:
        hits = [hit.box for hit in find(drawing.rgb)]
        for face in drawing.faces:
            if face.frontal and face.box[2] >= 100:
                wanted += 1
                found += any(overlap(hit, face.box) >= 0.4 for hit in hits)
    assert wanted >= 8
    assert found >= share * wanted

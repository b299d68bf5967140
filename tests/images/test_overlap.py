"""Crops of copies are duplicates; other faces, and other expressions of a face, are not."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from animetools.images.crop import Crop
from animetools.images.files import Pixels, decode_rgb, encode_jpeg, encode_png, read_rgb
from animetools.images.hashes import Fingerprint, fingerprint, source_hash
from animetools.images.nvxs import Box
from animetools.images.origins import Origin
from animetools.images.quality import shrunk
from tests.conftest import REAL
from tests.images import galleries
from tests.images.test_hashes import scaled
from tests.images.test_quality import noise

FACE: Box = (140, 120, 200, 200)


def picture() -> Pixels:
    """Colors that are no stronger, and change no faster, than those of a drawing."""
    rgb = scaled(noise(192, 160, seed=3), 4)
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(rgb, 0.4, grey, 0.6, 0).astype(np.uint8)


def cut(rgb: Pixels, face: Box, margin: int = 40, degrees: float = 0.0) -> Fingerprint:
    """The fingerprint of a crop, which knows where it comes from."""
    x, y, w, h = face
    crop = Crop((x - margin, y - margin, w + 2 * margin, h + 2 * margin), degrees)
    pixels = crop.pixels(rgb)
    facts: dict[str, Any] = {
        "source_size": [rgb.shape[1], rgb.shape[0]],
        "source_hash": source_hash(shrunk(rgb)).hex(),
        "box": list(face),
        "crop": list(crop.box),
        "degrees": degrees,
    }
    print_ = fingerprint(encode_png(pixels), pixels, shrunk(pixels))
    return replace(print_, origin=Origin.of(facts))


def kind(one: Fingerprint, other: Fingerprint, near: float = 0.97) -> str | None:
    """What the other is to the one."""
    return galleries.kind(one, other, near)


@pytest.mark.parametrize("near", [0.97, 0.9])
def test_a_box_that_moved_hides_no_copy(near: float) -> None:
    copy = decode_rgb(encode_jpeg(picture(), 60))
    moved = cut(copy, (148, 114, 192, 206))
    assert kind(cut(picture(), FACE), moved, near) == "near-duplicate"
    assert kind(cut(picture(), FACE), replace(moved, origin=None), 0.97) is None  # why it is done
    half = cut(scaled(copy, 0.5), (72, 58, 97, 101), margin=18)
    assert kind(cut(picture(), FACE), half, near) == "near-duplicate"


def test_crops_of_another_margin_and_turn_are_copies() -> None:
    assert kind(cut(picture(), FACE), cut(picture(), FACE, margin=70)) == "near-duplicate"
    assert kind(cut(picture(), FACE), cut(picture(), FACE, degrees=12.0)) == "near-duplicate"


def test_two_faces_of_one_picture_are_never_duplicates() -> None:
    rgb = picture()
    rgb[120:440, 340:580] = decode_rgb(encode_jpeg(rgb[120:440, 20:260], 90))
    one, other = cut(rgb, (60, 160, 160, 160)), cut(rgb, (380, 160, 160, 160))
    assert kind(replace(one, origin=None), replace(other, origin=None)) == "near-duplicate"
    assert kind(one, other) is None
    copy = decode_rgb(encode_jpeg(rgb, 80))
    assert kind(one, cut(copy, (380, 160, 160, 160))) is None
    assert kind(one, cut(copy, (60, 160, 160, 160))) == "near-duplicate"


def test_another_expression_is_another_face() -> None:
    rgb = picture()
    other = rgb.copy()
    cv2.ellipse(other, (240, 280), (22, 14), 0, 0, 360, (20, 10, 15), -1)
    assert kind(cut(rgb, FACE), cut(other, FACE)) is None
    tinted = rgb.copy()
    tinted[140:200, 180:300] = np.clip(tinted[140:200, 180:300] + np.array([40.0, -20, 0]), 0, 255)
    assert kind(cut(rgb, FACE), cut(tinted, FACE)) is None


def test_crops_of_other_pictures_are_compared_as_they_are() -> None:
    rgb = picture()
    alone = np.full((900, 900, 3), 255, np.uint8)
    alone[500:800, 500:800] = rgb[70:370, 90:390]
    other = cut(alone, (550, 550, 200, 200))
    assert kind(cut(rgb, FACE), other) == "same bytes"
    again = decode_rgb(encode_jpeg(alone, 85))
    assert kind(cut(rgb, FACE), cut(again, (550, 550, 200, 200))) == "near-duplicate"


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"source_hash": "xyz"},
        {"source_hash": "00" * 31},
        {"source_hash": 5},
        {"source_size": [0, 10]},
        {"source_size": [10]},
        {"box": [0, 0, -5, 5]},
        {"box": [0, 0, "nan", 5]},
        {"crop": None},
        {"crop": [0, 0, 1e400, 5]},
        {"degrees": "left"},
        {"degrees": float("inf")},
    ],
)
def test_facts_that_make_no_sense_are_no_origin(facts: dict[str, Any]) -> None:
    good = {
        "source_hash": "00" * 32,
        "source_size": [10, 10],
        "box": [0, 0, 5, 5],
        "crop": [0, 0, 5, 5],
    }
    assert Origin.of(good)
    assert Origin.of(facts and good | facts) is None


def whole(rgb: Pixels) -> Fingerprint:
    """The fingerprint of a picture."""
    return fingerprint(encode_png(rgb), rgb, shrunk(rgb))


@pytest.mark.skipif(not REAL.is_dir(), reason="no real images here")
def test_cropped_copies_of_real_images_are_seen_and_no_others() -> None:
    rng = np.random.default_rng(0)
    gallery = galleries.empty(0.97, mirrored=True, cropped=True)
    paths = sorted(REAL.iterdir())[::4]
    seen = {0.01: 0, 0.02: 0, 0.03: 0}
    pictures = []
    for path in paths:
        rgb = read_rgb(str(path))
        pictures.append(scaled(rgb, min(1.0, 512 / max(rgb.shape))))
        assert galleries.first(gallery, whole(pictures[-1])) is None
        galleries.put(gallery, path.name, whole(pictures[-1]))
    for path, rgb in zip(paths, pictures, strict=True):
        for most in seen:
            height, width = rgb.shape[:2]
            cut = rng.uniform(0, most, 4)
            cut[rng.integers(4)] = most
            top, bottom = round(cut[0] * height), height - round(cut[1] * height)
            left, right = round(cut[2] * width), width - round(cut[3] * width)
            copy = decode_rgb(encode_jpeg(rgb[top:bottom, left:right], 85))
            turned = np.ascontiguousarray(copy[:, ::-1])
            for each in (copy, turned):
                found = galleries.first(gallery, whole(each))
                assert found is None or found[0] == path.name
                seen[most] += found is not None
    assert all(count >= 0.9 * 2 * len(paths) for count in seen.values()), seen


def test_a_recolored_copy_is_not_a_cropped_one() -> None:
    rgb = picture()
    ycc = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)
    ycc[:120, :120, 1] = np.clip(ycc[:120, :120, 1].astype(int) + 14, 0, 255)
    other = np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.uint8)
    assert galleries.kind(whole(rgb), whole(other), 0.97, cropped=True) is None
    cut = whole(np.ascontiguousarray(rgb[6:, :-6]))
    assert galleries.kind(whole(rgb), cut, 0.97, cropped=True) in ("cropped", "near-duplicate")

"""Posts: files that are what they say, flawed files that have their flaw."""

import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from animetools.artist.flaws import FLAWS, encode
from animetools.artist.posts import Post, flaw_of, make_post, total

SHARE = 0.9
NUMBERS = range(1, total(19, SHARE) + 1)


@pytest.fixture(scope="module")
def flawed() -> dict[str, Post]:
    """A post of every flaw."""
    numbers = {flaw_of(number, SHARE): number for number in NUMBERS}
    return {flaw: make_post(5, number, SHARE) for flaw, number in numbers.items() if flaw}


def opened(post: Post) -> Image.Image:
    return Image.open(io.BytesIO(post.data))


def test_numbers_hold_the_good_pictures_and_the_share_of_bad_ones() -> None:
    for count in (1, 7, 100):
        for share in (0.0, 0.2, 1.0):
            flaws = [flaw_of(number, share) for number in range(1, total(count, share) + 1)]
            assert flaws.count("") == count
            assert abs(len(flaws) - count * (1 + share)) <= 1


def test_every_flaw_comes_up(flawed: dict[str, Post]) -> None:
    assert set(flawed) == set(FLAWS)


def test_a_line_of_metadata_has_the_layout_of_2018() -> None:
    post = make_post(5, 1)
    line = json.loads(json.dumps(post.metadata))
    assert line["id"] == "1"
    assert line["rating"] == "s"
    assert line["md5"] == hashlib.md5(post.data).hexdigest()
    assert post.path == f"original/0001/1.{line['file_ext']}"
    with opened(post) as image:
        assert image.size == (int(line["image_width"]), int(line["image_height"]))
    assert line["is_deleted"] is False
    assert line["is_banned"] is False
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", line["created_at"])
    assert line["tags"]
    for tag in line["tags"]:
        assert set(tag) == {"id", "name", "category"}
        assert tag["id"].isdigit()
        assert tag["category"] in ("0", "1", "3", "4", "5")


def test_a_post_is_the_same_every_time(flawed: dict[str, Post]) -> None:
    numbers = {flaw_of(number, SHARE): number for number in NUMBERS}
    assert make_post(5, numbers["rescaled"], SHARE) == flawed["rescaled"]
    assert make_post(5, 1) == make_post(5, 1)


def test_a_duplicate_is_another_good_file_byte_for_byte(flawed: dict[str, Post]) -> None:
    duplicate = flawed["duplicate"]
    good = (make_post(5, n, SHARE) for n in range(int(duplicate.metadata["id"]) - 1, 0, -1))
    assert any(post.data == duplicate.data for post in good)


def test_broken_files_are_broken(flawed: dict[str, Post]) -> None:
    assert flawed["empty"].data == b""
    with pytest.raises(OSError, match=r"truncated|broken"):
        opened(flawed["truncated"]).load()
    for flaw in ("text", "page"):
        with pytest.raises(OSError, match="cannot identify"):
            opened(flawed[flaw])
    assert flawed["text"].path.endswith(".txt")
    assert flawed["page"].path.endswith(".jpg")
    for flaw in ("empty", "truncated", "text", "page"):
        assert flawed[flaw].boxes["faces"] == []


def test_unusual_files_are_what_they_are_called(flawed: dict[str, Post]) -> None:
    tiny = flawed["tiny"]
    assert opened(tiny).size == (tiny.boxes["width"], tiny.boxes["height"])
    assert max(opened(tiny).size) == 20
    assert opened(flawed["cmyk"]).mode == "CMYK"
    assert opened(flawed["monochrome"]).mode == "L"
    assert opened(flawed["transparent"]).mode == "RGBA"
    assert np.asarray(opened(flawed["transparent"]))[0, 0, 3] == 0
    assert opened(flawed["palette"]).mode == "P"
    assert "transparency" in opened(flawed["palette"]).info
    assert flawed["sixteen_bits"].data[24] == 16  # the bit depth in a PNG's first chunk
    assert flawed["wrong_extension"].path.endswith(".jpg")
    assert opened(flawed["wrong_extension"]).format == "PNG"
    for flaw, kind in (("gif", "GIF"), ("png", "PNG"), ("webp", "WEBP")):
        image = opened(flawed[f"animated_{flaw}"])
        assert image.format == kind
        assert getattr(image, "n_frames", 1) == 3


def test_boxes_follow_the_scale(flawed: dict[str, Post]) -> None:
    for flaw in ("rescaled", "recompressed", "animated_webp"):
        told = flawed[flaw].boxes
        assert opened(flawed[flaw]).size == (told["width"], told["height"])
        for face in told["faces"]:
            x, y, wide, high = face["box"]
            assert x + wide <= told["width"] + 1
            assert y + high <= told["height"] + 1


def test_a_png_keeps_every_pixel() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode(rgb, "png")))), rgb)

"""Files say what they are, and hold the same pixels as without."""

import struct
from io import BytesIO

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from animetools.images.containers import Format
from animetools.images.described import LONGEST, encode_described
from animetools.images.files import check_file, decode_rgb, encode_jpeg

SIDE = 24
NOISE = np.random.default_rng(0).integers(0, 255, (6, 6, 4), dtype=np.uint8)
SMOOTH = np.asarray(cv2.resize(NOISE, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)
KINDS = {"L": SMOOTH[..., 0], "RGB": SMOOTH[..., :3], "RGBA": SMOOTH}
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200)


@pytest.mark.parametrize("mode", KINDS)
@settings(max_examples=10)
@given(text=TEXT)
def test_a_png_has_the_pixels_and_the_text(mode: str, text: str) -> None:
    data = encode_described(np.ascontiguousarray(KINDS[mode]), "png", 90, text)
    check_file(data)  # checksums and all
    with Image.open(BytesIO(data)) as image:
        assert image.mode == mode
        assert (np.asarray(image) == KINDS[mode]).all()
        assert image.info["Description"] == text


@pytest.mark.parametrize("image_format", ["jpg", "webp"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_exif_has_the_text(image_format: Format, mode: str) -> None:
    text = "x" * LONGEST
    pixels = np.ascontiguousarray(KINDS[mode])
    data = encode_described(pixels, image_format, 95, text)
    check_file(data)
    with Image.open(BytesIO(data)) as image:
        assert image.size == (SIDE, SIDE)
        assert image.getexif()[0x10E] == text
    rgb = decode_rgb(data)
    wanted = pixels if mode == "RGB" else np.repeat(pixels[..., None], 3, axis=2)
    assert np.abs(rgb.astype(int) - wanted).mean() < 10


def test_a_jpeg_is_the_plain_one_with_a_segment_more() -> None:
    pixels = np.ascontiguousarray(KINDS["RGB"])
    plain, described = encode_jpeg(pixels, 90), encode_described(pixels, "jpg", 90, "seed 5")
    at = described.index(b"\xff\xe1")
    (length,) = struct.unpack(">H", described[at + 2 : at + 4])
    assert described[:at] + described[at + 2 + length :] == plain


def test_webp_keeps_opacity() -> None:
    data = encode_described(KINDS["RGBA"], "webp", 95, "seed 5")
    with Image.open(BytesIO(data)) as image:
        assert image.mode == "RGBA"

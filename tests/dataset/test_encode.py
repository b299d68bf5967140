"""What is encoded is decoded again and compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.dataset import encode as module
from animetools.dataset.encode import encode
from animetools.errors import ItemError
from animetools.images.files import decode_rgb, encode_jpeg, encode_png
from animetools.images.fit import Rgb
from tests.dataset.pictures import picture


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_png_comes_back_exactly(width: int, height: int, seed: int) -> None:
    pixels = picture(seed, width, height)
    assert np.array_equal(decode_rgb(encode(pixels)), pixels)


@pytest.mark.parametrize("quality", [1, 33, 100])
def test_the_worst_cases_of_jpeg_pass(quality: int) -> None:
    checks = np.indices((64, 64)).sum(axis=0) % 2
    for one, other in (([255, 0, 0], [0, 0, 255]), ([0, 255, 0], [255, 0, 255])):
        pixels = np.where(checks[..., None] > 0, one, other).astype(np.uint8)
        assert encode(pixels, quality).startswith(b"\xff\xd8")
    for seed in range(10):
        assert encode(picture(seed, 64, 64) // 128 * 255, quality)


def lost_piece(pixels: Rgb) -> Rgb:
    """A picture with a grey hole."""
    return np.where(np.arange(len(pixels))[:, None, None] < 48, pixels, np.uint8(128))


def test_an_image_that_decodes_to_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    monkeypatch.setattr(module, "encode_png", lambda pixels: encode_png(pixels // 2 * 2))
    monkeypatch.setattr(
        module, "encode_jpeg", lambda pixels, quality: encode_jpeg(lost_piece(pixels), quality)
    )
    with pytest.raises(ItemError, match="gives another image"):
        encode(white)
    with pytest.raises(ItemError, match="gives another image"):
        encode(white, 33)

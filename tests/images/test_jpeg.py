"""The quality of JPEG files from their tables."""

from io import BytesIO
from itertools import cycle
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from animetools.images.files import encode_jpeg, encode_png
from animetools.images.jpeg import quality

PIXELS = np.zeros((16, 16, 3), np.uint8)


def saved(mode: str = "RGB", **settings: Any) -> bytes:
    """A JPEG of Pillow's."""
    file = BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, "JPEG", **settings)
    return file.getvalue()


def tables_of(data: bytes) -> dict[int, list[int]]:
    """The quantization tables of a file, row by row."""
    with Image.open(BytesIO(data)) as image:
        assert isinstance(image, JpegImageFile)
        return image.quantization


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_quality_of_pillow(mode: str) -> None:
    assert [quality(saved(mode, quality=n)) for n in range(1, 101)] == [*range(1, 101)]


def test_every_quality_of_opencv() -> None:
    for n in range(1, 101):
        assert quality(encode_jpeg(PIXELS, n)) == n
        assert quality(encode_jpeg(PIXELS[..., 0], n)) == n
        settings = [cv2.IMWRITE_JPEG_QUALITY, n, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
        assert quality(cv2.imencode(".jpg", PIXELS, settings)[1].tobytes()) == n


def moved(quality: int, *by: int) -> list[list[int]]:
    """The two tables of Pillow at a quality, each step moved by the next of `by`, over and over."""
    moves = cycle(by)
    tables = tables_of(saved(quality=quality)).values()
    return [[min(max(step + next(moves), 1), 255) for step in table] for table in tables]


def found(tables: list[list[int]]) -> int:
    """The quality that is read out of a file with these tables."""
    number = quality(saved(qtables=tables))
    assert number is not None
    return number


def test_tables_all_one_finer_or_coarser_are_close_to_a_quality_s() -> None:
    """A step of 3 made 2 is a third finer: close is not equal."""
    for n in range(3, 98):
        assert n - 4 <= found(moved(n, 1)) <= n <= found(moved(n, -1)) <= n + 4
        assert abs(found(moved(n, 1, 0, -1, 0, 0)) - n) <= 1


@given(st.integers(3, 97), st.lists(st.sampled_from([-1, 0, 1]), min_size=128, max_size=128))
def test_tables_close_to_a_quality_s_are_close_to_it(n: int, by: list[int]) -> None:
    assert found(moved(n, 1)) <= found(moved(n, *by)) <= found(moved(n, -1))


@pytest.mark.parametrize(("n", "by"), [(51, -1), (51, 1), (83, -1), (83, 1)])
def test_a_file_weighs_what_one_of_the_quality_found_does(n: int, by: int) -> None:
    """The steps of 83, all one finer, do make the file that 86 makes."""
    noise = np.random.default_rng(0).normal(size=(128, 128, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), 1) + 4 * cv2.GaussianBlur(noise, (0, 0), 4)
    picture = Image.fromarray(np.clip(128 + 128 * soft, 0, 255).astype(np.uint8))

    def size(**settings: Any) -> int:
        file = BytesIO()
        picture.save(file, "JPEG", **settings)
        return len(file.getvalue())

    tables = moved(n, by)
    alike = min(range(1, 101), key=lambda q: abs(size(quality=q) - size(qtables=tables)))
    assert abs(found(tables) - alike) <= 1


@given(st.integers(1, 60), st.integers(1, 60))
def test_finer_tables_are_of_no_lesser_quality(first: int, second: int) -> None:
    """Of another program: flatter than the standard's."""

    def of(step: int) -> int:
        return found([[step + n // 8 for n in range(64)]] * 2)

    assert (first <= second) == (of(first) >= of(second)) or of(first) == of(second)


def test_presets_of_another_program() -> None:
    """Photoshop's, whose coarsest steps are cut off."""
    for names in (("low", "medium", "high", "maximum"), ("web_low", "web_medium", "web_high")):
        numbers = [quality(saved(quality=name)) or 0 for name in names]
        assert numbers == sorted(numbers)
        assert 30 < numbers[0] < 60 < numbers[1] < 80 < numbers[2] < 90


def test_tables_of_16_bits() -> None:
    data = saved(quality=5)
    at = data.index(b"\xff\xdb")
    table = tables_of(data)[0]
    wide = b"\xff\xdb" + (2 + 65 + 64).to_bytes(2) + b"\x10"
    plain = data[at + 5 : at + 5 + 64]
    wide += b"".join((300 if level == 255 else level).to_bytes(2) for level in plain)
    assert sorted(plain) == sorted(table)
    length = int.from_bytes(data[at + 2 : at + 4])
    assert length == 67
    assert quality(data[:at] + wide + data[at + 2 + length :]) == 5


def test_what_has_no_quality() -> None:
    data = saved(quality=50)
    for other in (b"", b"a text", encode_png(PIXELS), data[:3], data[:30]):
        assert quality(other) is None
    assert quality(data.replace(b"\xff\xdb", b"\xff\xee")) is None


@given(st.binary(max_size=200))
def test_random_bytes_never_crash(rest: bytes) -> None:
    quality(b"\xff\xd8\xff\xdb" + rest)

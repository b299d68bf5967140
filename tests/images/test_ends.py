"""What loses pixels is damaged; what only departs from its format is read, and named."""

import struct
import zlib
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from animetools.images.errors import ImageError
from animetools.images.files import Pixels, check_file, decode_rgb, encode_jpeg, encode_png
from animetools.images.formats.png import chunk
from tests.images.test_files import ENCODERS, png_of, saved, scene
from tests.images.test_picture import png_with, values_of

TAILS = {
    "a newline": b"\n",
    "zeros": bytes(512),
    "text": b"rubbish at the end",
    "a zip": b"PK\3\4" + bytes(range(256)),
    "a video": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(99),
    "an older JPEG": encode_jpeg(scene(), 90),
}
JPEGS = [(quality, progressive) for quality in (50, 95) for progressive in (False, True)]
RESTARTS = [bytes([0xFF, 0xD0 + n]) for n in range(8)]


def jpeg_pixels() -> Pixels:
    """A picture with detail up to its last pixel."""
    noise = np.random.default_rng(5).integers(0, 60, (90, 70, 3), np.uint8)
    return np.asarray(scene(90, 70) // 2 + noise, np.uint8)


@cache
def jpeg(quality: int, progressive: bool) -> bytes:
    image = Image.fromarray(jpeg_pixels())
    return saved(image, "JPEG", quality=quality, progressive=progressive, optimize=True)


def shown(data: bytes) -> Pixels:
    """What libjpeg shows, whatever is missing at the end."""
    with Image.open(BytesIO(data.rstrip(b"\xff") + b"\xff\xd9"), formats=("JPEG",)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("image_format", ENCODERS)
def test_whole_files_are_whole(image_format: str) -> None:
    data = saved(Image.fromarray(scene()), image_format, **ENCODERS[image_format])
    assert check_file(data) == ""


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("image_format", ENCODERS)
def test_bytes_after_the_end_cost_no_pixel(image_format: str, tail: str) -> None:
    data = saved(Image.fromarray(scene()), image_format, **ENCODERS[image_format])
    longer = data + TAILS[tail]
    assert (decode_rgb(longer) == decode_rgb(data)).all()
    if image_format != "TIFF" and (image_format, tail) != ("AVIF", "a video"):  # it has boxes too
        count = len(TAILS[tail])
        words = f"{count} byte{'s' * (count > 1)} after the end of the {image_format}"
        assert check_file(longer) == words


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_a_half_is_damaged(image_format: str) -> None:
    data = saved(Image.fromarray(scene(90, 70)), image_format, **ENCODERS[image_format])
    with pytest.raises(ImageError, match=f"^(truncated|damaged) {image_format}$"):
        decode_rgb(data[: len(data) // 2])


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "WEBP", "BMP"])
def test_every_cut_near_the_end_gives_the_pixels_or_is_damage(image_format: str) -> None:
    data = saved(Image.fromarray(scene(20, 21)), image_format, **ENCODERS[image_format])
    pixels = decode_rgb(data)
    for cut in range(1, 64):
        try:
            found = decode_rgb(data[:-cut])
        except ImageError as error:
            assert str(error) == f"truncated {image_format}"
        else:
            assert (found == pixels).all()
            assert check_file(data[:-cut])


@pytest.mark.parametrize(("quality", "progressive"), JPEGS)
def test_a_jpeg_without_its_end_is_whole_if_its_scans_are(quality: int, progressive: bool) -> None:
    data = jpeg(quality, progressive)
    for cut in range(1, 64):
        part = data[:-cut]
        try:
            lapse = check_file(part)
        except ImageError as error:
            assert cut > 2
            assert str(error) == "truncated JPEG"
        else:
            assert lapse == "JPEG without its end"
            assert (decode_rgb(part) == shown(data)).all()


@pytest.mark.parametrize("tail", [bytes(4000), b"\0\0\0", b"\xff" * 9, TAILS["an older JPEG"]])
@pytest.mark.parametrize(("quality", "progressive"), JPEGS)
def test_what_follows_an_incomplete_scan_does_not_make_it_whole(
    quality: int, progressive: bool, tail: bytes
) -> None:
    data = jpeg(quality, progressive)
    assert check_file(data[:-2] + tail) == "JPEG without its end"
    for cut in (30, 300, len(data) // 2):
        with pytest.raises(ImageError, match="truncated JPEG"):
            check_file(data[:-cut] + tail)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(JPEGS), cut=st.floats(0.1, 1))
def test_no_cut_jpeg_passes_with_other_pixels(kind: tuple[int, bool], cut: float) -> None:
    data = jpeg(*kind)
    part = data[: int(cut * len(data))]
    try:
        found = decode_rgb(part)
    except ImageError:
        return
    assert (found == shown(data)).all()


def test_a_jpeg_with_restarts_is_damaged_wherever_it_is_cut() -> None:
    image = Image.fromarray(jpeg_pixels())
    data = saved(image, "JPEG", quality=90, restart_marker_blocks=2)
    restarts = [at for at in range(len(data)) if data[at : at + 2] in RESTARTS]
    assert len(restarts) > 8
    for at in restarts:
        for cut in (at - 1, at, at + 1, at + 2, at + 3):
            with pytest.raises(ImageError, match="truncated JPEG"):
                check_file(data[:cut])
    assert check_file(data[:-2]) == "JPEG without its end"


ANIMATIONS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True},
    "GIF": {},
}


@pytest.mark.parametrize("image_format", ANIMATIONS)
def test_an_animation_that_is_cut_has_lost_pixels(image_format: str) -> None:
    frames = [Image.fromarray(np.roll(scene(20, 21), 5 * n, axis=0)) for n in range(3)]
    more = {"save_all": True, "append_images": frames[1:], **ANIMATIONS[image_format]}
    data = saved(frames[0], image_format, **more)
    kept = []
    for cut in range(1, len(data)):
        try:
            found = decode_rgb(data[:-cut])
        except ImageError:
            continue
        assert (found == decode_rgb(data)).all()
        kept.append(cut)
    # The end of a PNG, and its checksums; of a GIF nothing tells how many pictures there should be.
    assert len(kept) <= {"PNG": 20, "WEBP": 2, "GIF": 64}[image_format]
    if image_format == "PNG":
        assert kept[:12] == list(range(1, 13))


def test_an_animation_that_ends_in_zeros_has_lost_pixels() -> None:
    frames = [Image.fromarray(np.roll(scene(20, 21), 5 * n, axis=0)) for n in range(3)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    for kept in (len(data) // 2, len(data) - 40):
        with pytest.raises(ImageError, match="truncated GIF"):
            decode_rgb(data[:kept] + bytes(len(data) - kept))
    assert (decode_rgb(data + bytes(40)) == decode_rgb(data)).all()


def test_a_wrong_checksum_in_a_later_picture_of_a_png_is_damage() -> None:
    frames = [Image.fromarray(scene(20, 21)), Image.fromarray(scene(20, 21)[::-1])]
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    for kind in (b"fcTL", b"fdAT"):
        broken = bytearray(data)
        broken[data.rindex(kind) + 15] ^= 1
        with pytest.raises(ImageError, match=f"wrong checksum in its '{kind.decode()}' chunk"):
            decode_rgb(bytes(broken))


def test_a_flat_jpeg_of_zeros_is_whole_without_its_end() -> None:
    data = saved(Image.new("L", (400, 400), 128), "JPEG", optimize=True)
    assert data.endswith(bytes(9) + b"\xff\xd9")
    assert check_file(data[:-2]) == "JPEG without its end"
    assert (decode_rgb(data[:-2]) == 128).all()


def test_padding_between_the_segments_of_a_jpeg_is_skipped() -> None:
    data = jpeg(95, False)
    after = 4 + int.from_bytes(data[4:6])  # JFIF's segment
    for padding in (b"\xff" * 7, bytes(3), b"stray"):
        padded = data[:after] + padding + data[after:]
        assert (decode_rgb(padded) == decode_rgb(data)).all()
        assert bool(check_file(padded)) == (padding[0] != 0xFF)  # fill bytes are right


def test_a_jpeg_whose_scan_is_broken_by_a_marker_is_damaged() -> None:
    data = jpeg(95, False)
    middle = len(data) // 2
    for marker in (b"\xff\xc0", b"\xff\x42", b"\xff\xe1\0\5abc", b"\xff\xd9"):
        broken = data[:middle] + marker + data[middle + len(marker) :]
        if marker != b"\xff\xd9":
            with pytest.raises(ImageError, match="truncated JPEG"):
                check_file(broken)


def test_jpegs_that_the_first_announces_are_no_rubbish() -> None:
    frames = [Image.fromarray(scene()), Image.fromarray(scene()[::-1].copy())]
    data = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    for tail in (b"", bytes(9)):
        assert check_file(data + tail) == ""
        assert decode_rgb(data + tail).shape == scene().shape
    assert check_file(data + b"rubbish") == "7 bytes after the end of the JPEG"
    assert (decode_rgb(data[:-9]) == decode_rgb(data)).all()


def test_a_wrong_checksum_counts_where_pixels_are() -> None:
    data = encode_png(scene())
    words = chunk(b"tEXt", b"Title\0words")
    wrong = data[:33] + words[:-1] + b"?" + data[33:]
    assert check_file(wrong) == "PNG with a wrong checksum in its 'tEXt' chunk"
    assert (decode_rgb(wrong) == scene()).all()
    assert check_file(data[:-1] + b"?") == "PNG with a wrong checksum in its 'IEND' chunk"
    assert (decode_rgb(data[:-1] + b"?") == scene()).all()
    broken = bytearray(data)
    broken[-20] ^= 1
    key = chunk(b"tRNS", b"\0\1\0\2\0\3")
    for damaged in (bytes(broken), data[:33] + key[:-1] + b"?" + data[33:]):
        with pytest.raises(ImageError, match=r"wrong checksum in its '(IDAT|tRNS)' chunk"):
            decode_rgb(damaged)


def test_a_profile_with_a_wrong_checksum_is_left_out() -> None:
    data = encode_png(scene())
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    assert (decode_rgb(data[:33] + gamma + data[33:]) != scene()).any()
    assert (decode_rgb(data[:33] + gamma[:-1] + b"?" + data[33:]) == scene()).all()


def test_rows_that_a_png_lacks_are_damage() -> None:
    with pytest.raises(ImageError, match=r"^damaged PNG$"):
        decode_rgb(png_of(40, 40))


def test_an_interlaced_png_without_its_end() -> None:
    values = values_of(6, 16)
    data = png_with(values, 6, 16, interlaced=True)
    assert (decode_rgb(data[:-12]) == decode_rgb(data)).all()
    with pytest.raises(ImageError, match="truncated PNG"):
        decode_rgb(data[:-60])


def test_a_webp_may_lack_what_follows_its_pixels() -> None:
    data = saved(Image.fromarray(scene()), "WEBP", lossless=True, exif=b"Exif\0\0II*\0" + bytes(99))
    for cut in (1, 30, 100):
        assert (decode_rgb(data[:-cut]) == scene()).all()
        assert check_file(data[:-cut]) == "WEBP without its end"


def test_a_gif_may_have_stray_zeros_and_no_trailer() -> None:
    data = saved(Image.fromarray(scene()), "GIF")
    assert check_file(data[:-1]) == "GIF without its end"
    assert check_file(data[:-1] + b"\0\0;") != ""
    assert (decode_rgb(data[:-1] + b"\0\0;") == decode_rgb(data)).all()


def test_the_size_in_a_bmp_may_be_wrong() -> None:
    data = bytearray(saved(Image.fromarray(scene()), "BMP"))
    for size in (0, 1, len(data) + 9, 2**32 - 1):
        data[2:6] = size.to_bytes(4, "little")
        assert (decode_rgb(bytes(data)) == scene()).all()


def test_huge_claims_are_not_looked_into() -> None:
    data = bytearray(jpeg(50, False)[:-2])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xff\xdc" * 2  # its sides
    with pytest.raises(ImageError, match="more than --max-pixels"):
        decode_rgb(bytes(data))
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 16, 6, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    bomb += chunk(b"IDAT", zlib.compress(bytes(1 << 24), 9))
    with pytest.raises(ImageError, match="truncated PNG"):
        decode_rgb(bomb)

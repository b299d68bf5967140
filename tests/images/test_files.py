"""Every kind of image file comes out as upright 8-bit sRGB, and every kind of rubbish as an error."""

import os
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from animetools.colors import Color
from animetools.errors import ItemError, PassedOver
from animetools.images.errors import ImageError, Unsupported
from animetools.images.files import (
    Pixels,
    check_file,
    decode_rgb,
    encode_jpeg,
    encode_png,
    read_bytes,
    read_rgb,
)
from animetools.images.formats.png import SIGNATURE, chunk

# pytest makes errors of all warnings again; files.py has Pillow's ignored for good reason.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

ENCODERS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95},
    "GIF": {},
    "WEBP": {"lossless": True},
    "BMP": {},
    "TIFF": {},
    "AVIF": {"quality": 90},
}


def scene(height: int = 24, width: int = 32) -> Pixels:
    """A smooth picture in which no two corners are alike."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 99 // (height + width)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def saved(image: Image.Image, image_format: str, **settings: Any) -> bytes:
    """The image as a file's bytes."""
    file = BytesIO()
    image.save(file, format=image_format, **settings)
    return file.getvalue()


def grey_profile(gamma: float) -> bytes:
    """A grey ICC profile of one gamma, built by hand: Pillow can make none."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    white = b"XYZ " + struct.pack(">Iiii", 0, 63190, 65536, 54061)
    tags = [(b"wtpt", white), (b"kTRC", curve)]
    table, bodies, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, body in tags:
        table += name + struct.pack(">II", offset + len(bodies), len(body))
        bodies += body
    illuminant = struct.pack(">iii", 63190, 65536, 54061)
    head = struct.pack(">I4sI4s4s4s", 0, b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + illuminant
    head = head.ljust(128, b"\0")
    size = struct.pack(">I", len(head + table + bodies))
    return size + head[4:] + table + bodies


def test_plain_pixels_survive_every_lossless_format() -> None:
    for image_format in ("PNG", "TIFF", "BMP", "WEBP"):
        data = saved(Image.fromarray(scene()), image_format, **ENCODERS[image_format])
        assert (decode_rgb(data) == scene()).all(), image_format


def test_lossy_formats_are_close() -> None:
    for image_format in ("JPEG", "AVIF"):
        data = saved(Image.fromarray(scene()), image_format, quality=95, subsampling="4:4:4")
        assert cv2.norm(decode_rgb(data), scene(), cv2.NORM_INF) <= 8, image_format


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_laid_on_the_background(image_format: str) -> None:
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[..., :3] = (200, 100, 0)
    rgba[..., 3] = [0, 128, 255]
    settings = {"lossless": True, "exact": True} if image_format == "WEBP" else {}
    data = saved(Image.fromarray(rgba), image_format, **settings)
    assert decode_rgb(data)[0].tolist() == [[255, 255, 255], [227, 177, 127], [200, 100, 0]]
    assert decode_rgb(data, background=Color(0, 0, 0))[0, 0].tolist() == [0, 0, 0]


def test_grey_with_alpha_is_laid_on_white() -> None:
    pixels = np.array([[[90, 0], [90, 255]]], np.uint8)
    data = saved(Image.fromarray(pixels, "LA"), "PNG")
    assert decode_rgb(data).tolist() == [[[255] * 3, [90] * 3]]


def test_palette_and_its_transparency() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    opaque = [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
    for image_format in ("PNG", "GIF", "BMP", "TIFF"):
        assert decode_rgb(saved(image, image_format)).tolist() == opaque, image_format
    one_color = saved(image, "GIF", transparency=1)
    assert decode_rgb(one_color)[0, 1].tolist() == [255, 255, 255]
    table = saved(image, "PNG", transparency=bytes([255, 0, 128]))
    assert decode_rgb(table).tolist() == [[[10, 20, 30], [255] * 3, [162, 167, 172]]]


def test_a_transparent_color_of_a_png_without_alpha() -> None:
    color = saved(Image.new("RGB", (2, 2), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert (decode_rgb(color) == 255).all()
    grey = saved(Image.new("L", (2, 2), 7), "PNG", transparency=7)
    assert (decode_rgb(grey) == 255).all()


def test_a_transparent_grey_of_few_bits() -> None:
    for bits, row in ((2, 0b00_01_10_11), (4, 0x01)):
        header = struct.pack(">IIBBBBB", 8 // bits, 1, bits, 0, 0, 0, 0)
        chunks = (b"IHDR", header), (b"tRNS", b"\0\1"), (b"IDAT", zlib.compress(bytes([0, row])))
        data = SIGNATURE + b"".join(chunk(*parts) for parts in (*chunks, (b"IEND", b"")))
        levels = decode_rgb(data)[0, :, 0].tolist()
        assert levels == {2: [0, 255, 170, 255], 4: [0, 255]}[bits]
        assert decode_rgb(data, background=Color(9, 9, 9))[0, 1, 0] == 9


def test_one_bit() -> None:
    image = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1")
    for image_format in ("PNG", "TIFF", "BMP", "GIF"):
        pixels = decode_rgb(saved(image, image_format))
        assert pixels[..., 1].tolist() == [[0, 255], [255, 0]], image_format


@pytest.mark.parametrize("extension", [".png", ".tiff"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_16_bits_are_scaled_not_clipped(extension: str, shape: tuple[int, ...]) -> None:
    values = np.linspace(0, 65535, int(np.prod(shape)), dtype=np.uint16).reshape(shape)
    data = cv2.imencode(extension, values)[1].tobytes()
    expected = (values >> 8).astype(np.uint8)
    expected = np.dstack([expected] * 3) if expected.ndim == 2 else expected[..., ::-1]
    assert (decode_rgb(data) == expected).all()


def test_16_bit_alpha() -> None:
    values = np.full((2, 2, 4), 0x8000, np.uint16)
    values[..., 3] = [0, 65535]
    data = cv2.imencode(".png", values)[1].tobytes()
    assert decode_rgb(data)[0].tolist() == [[255] * 3, [128] * 3]


def test_wide_integers_and_floats() -> None:
    wide = np.array([[0, 32768, 65535]], np.int32)
    data = saved(Image.fromarray(wide), "TIFF")
    assert decode_rgb(data)[..., 0].tolist() == [[0, 128, 255]]
    floats = np.array([[0, 0.5, 1, np.nan]], np.float32)
    data = saved(Image.fromarray(floats), "TIFF")
    assert decode_rgb(data)[..., 2].tolist() == [[0, 128, 255, 0]]


@pytest.mark.parametrize("values", [[0.0, 7.0], [-1.0, 0.5], [0.0, np.inf], [-5, 9], [0, 99999]])
def test_numbers_that_may_mean_anything_are_refused(values: list[float]) -> None:
    kind = np.float32 if isinstance(values[0], float) else np.int32
    data = saved(Image.fromarray(np.array([values], kind)), "TIFF")
    with pytest.raises(Unsupported, match=r"^unsupported: (image of floating|TIFF of signed)"):
        decode_rgb(data)


def test_cmyk_of_adobe_is_not_inverted() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red, green, blue = decode_rgb(saved(image, "JPEG", quality=95))[4, 4].tolist()
    assert red > 250
    assert green < 5
    assert blue < 5
    assert decode_rgb(saved(image, "TIFF"))[4, 4].tolist() == [255, 0, 0]


def test_lab_tiff() -> None:
    image = Image.new("LAB", (4, 4), (255, 128, 128))
    assert (decode_rgb(saved(image, "TIFF")) >= 250).all()


def test_profile_is_brought_to_srgb() -> None:
    grey = np.full((4, 4), 128, np.uint8)
    linear = saved(Image.fromarray(grey), "PNG", icc_profile=grey_profile(1.0))
    assert abs(int(decode_rgb(linear)[0, 0, 0]) - 188) <= 1  # sRGB's curve: 0.5 of the light


def test_profile_works_beside_alpha() -> None:
    pixels = np.array([[[128, 255], [128, 0]]], np.uint8)
    data = saved(Image.fromarray(pixels, "LA"), "PNG", icc_profile=grey_profile(1.0))
    first, second = decode_rgb(data)[0, :, 0].tolist()
    assert abs(first - 188) <= 1
    assert second == 255


def test_srgb_profile_touches_no_pixel() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(Image.fromarray(scene()), "PNG", icc_profile=profile)
    assert (decode_rgb(data) == scene()).all()


@pytest.mark.parametrize("profile", [b"rubbish", b"\0" * 200, grey_profile(2.2)[:150]])
def test_broken_profile_is_ignored(profile: bytes) -> None:
    data = saved(Image.fromarray(scene()), "PNG", icc_profile=profile)
    assert (decode_rgb(data) == scene()).all()


def test_profile_of_another_kind_of_color_is_ignored() -> None:
    data = saved(Image.fromarray(scene()), "PNG", icc_profile=grey_profile(1.0))
    assert (decode_rgb(data) == scene()).all()


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed(image_format: str, orientation: int) -> None:
    upright = scene()
    undo = {  # how the stored pixels follow from the upright ones
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation]))
    data = saved(stored, image_format, **ENCODERS[image_format], exif=exif)
    assert (decode_rgb(data) == upright).all()


def test_broken_exif_costs_nothing() -> None:
    data = saved(Image.fromarray(scene()), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert (decode_rgb(data) == scene()).all()


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(image_format: str) -> None:
    frames = [Image.new("RGB", (4, 4), (90 * n, 0, 0)) for n in range(3)]
    data = saved(
        frames[0], image_format, save_all=True, append_images=frames[1:], **ENCODERS[image_format]
    )
    assert (decode_rgb(data) == 0).all()


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "really.jpg"
    path.write_bytes(encode_png(scene()))
    assert (read_rgb(str(path)) == scene()).all()
    (tmp_path / "no extension").write_bytes(encode_png(scene()))
    assert (read_rgb(str(tmp_path / "no extension")) == scene()).all()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", b"", "empty file"),
        ("a.png", b"words, words", "not an image though named .png"),
        ("a.JPG", b"BM, a text about the gold bugs", "not an image though named .JPG"),
        ("a.png", encode_png(scene())[:-30], "truncated PNG"),
        ("a.jpg", encode_jpeg(scene(400, 400), 90)[:2000], "truncated JPEG"),
        ("a", b"\x89PNG\r\n\x1a\n", "truncated PNG"),
        ("a.gif", b"GIF89a", "truncated GIF"),
    ],
)
def test_what_claims_to_be_an_image(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=f"^{message}$"):
        read_rgb(str(tmp_path / name))


@pytest.mark.parametrize(
    "content", [b"", b"a text", b"BM, a text about the gold bugs", b"%PDF-1.4"]
)
def test_what_is_no_image_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.txt").write_bytes(content)
    with pytest.raises(PassedOver):
        read_rgb(str(tmp_path / "notes.txt"))


def test_formats_that_run_programs_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "a.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(PassedOver):
        read_rgb(str(tmp_path / "a.eps"))


def test_missing_file_stays_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_rgb(str(tmp_path / "none.png"))


def test_fifo_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ItemError, match="not a regular file"):
        read_rgb(str(tmp_path / "a.png"))
    with pytest.raises(ItemError, match="not a regular file"):
        read_bytes("/dev/zero")


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims any size and holds nearly nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_bomb_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(
        ImageError, match=r"^image of 20000x20000 pixels, more than --max-pixels 178M$"
    ):
        decode_rgb(png_of(20000, 20000))
    for bomb in (
        png_of(2**31 - 1, 2**31 - 1),
        b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",\0\0\0\0\1\0\1\0\0\2\2L\1\0;",
        b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + b",\0\0\0\0\xff\xff\xff\xff\0\2\2L\1\0;",
    ):
        with pytest.raises(ImageError, match="more than --max-pixels"):
            decode_rgb(bomb)
    with pytest.raises(ImageError, match="more than --max-pixels"):
        decode_rgb(encode_png(scene()), max_pixels=100)


def test_written_pixels_are_read_back() -> None:
    grey = scene()[..., 0]
    assert (decode_rgb(encode_png(scene())) == scene()).all()
    assert (decode_rgb(encode_png(grey)) == grey[..., None]).all()
    assert cv2.norm(decode_rgb(encode_jpeg(scene(64, 64), 95)), scene(64, 64), cv2.NORM_INF) <= 20
    assert cv2.norm(decode_rgb(encode_jpeg(grey, 95))[..., 0], grey, cv2.NORM_INF) <= 8
    assert len(encode_jpeg(scene(64, 64), 20)) < len(encode_jpeg(scene(64, 64), 95))


def test_decoders_print_nothing_of_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg"):
        data = saved(Image.fromarray(scene(64, 64)), "TIFF", compression=compression)
        for place in range(8, len(data) - 150, 7):
            damaged = data[:place] + b"\xa5" + data[place + 1 :]
            with suppress(ImageError):
                decode_rgb(damaged)
    assert capfd.readouterr() == ("", "")


@settings(max_examples=250, deadline=None)
@given(
    image_format=st.sampled_from(sorted(ENCODERS)),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
)
def test_damage_gives_an_array_or_an_image_error(
    image_format: str, cut: float, flips: list[tuple[float, int]]
) -> None:
    data = bytearray(saved(Image.fromarray(scene()), image_format, **ENCODERS[image_format]))
    for place, mask in flips:
        data[int(place * len(data))] ^= mask
    for damaged in (bytes(data), bytes(data[: int(cut * len(data))])):
        for look in (decode_rgb, check_file):
            try:
                found = look(damaged, max_pixels=10**6) if look is decode_rgb else look(damaged)
            except ImageError as error:
                assert "\n" not in str(error)
            else:
                assert isinstance(found, str) or found.dtype == np.uint8


@settings(max_examples=150, deadline=None)
@given(
    head=st.sampled_from(
        [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"II*\0"]
    ),
    rest=st.binary(max_size=300),
)
def test_random_bytes_never_crash(tmp_path_factory: Any, head: bytes, rest: bytes) -> None:
    path = str(tmp_path_factory.getbasetemp() / "random.png")
    Path(path).write_bytes(head + rest)
    for look in (read_rgb, lambda path: check_file(read_bytes(path))):
        try:
            look(path)
        except (ImageError, PassedOver) as error:
            assert str(error)

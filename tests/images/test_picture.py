"""Pictures keep what their files hold, and files keep what their pictures hold."""

import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image, ImageCms

from animetools.errors import ItemError
from animetools.images.containers import Format
from animetools.images.errors import ImageError, TooManyPixels
from animetools.images.files import check_file, decode_rgb
from animetools.images.formats.png import SIGNATURE, chunk
from animetools.images.jpeg import quality as quality_of
from animetools.images.picture import (
    Picture,
    decode_picture,
    is_animated,
    size_of,
    software_of,
)
from animetools.images.saving import encode_picture
from tests.images.test_files import ENCODERS, grey_profile, png_of, saved, scene

# pytest makes errors of all warnings again; files.py has Pillow's ignored for good reason.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

Levels = NDArray[np.uint8 | np.uint16]

FORMATS: tuple[Format, ...] = ("png", "jpg", "webp")
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's color types
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [(color, depth) for color, depths in DEPTHS.items() for depth in depths]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # fmt: skip


def values_of(color: int, depth: int, height: int = 9, width: int = 11) -> Levels:
    """Samples [H, W, C] for a PNG of this kind; every level of up to 6 bits is among them."""
    shape = (height, width, CHANNELS[color])
    kind = np.uint16 if depth == 16 else np.uint8
    spread = np.random.default_rng(depth).permutation(int(np.prod(shape))) * 331
    return (spread % (1 << depth)).reshape(shape).astype(kind)


def png_with(
    values: Levels, color: int, depth: int, chunks: bytes = b"", *, interlaced: bool = False
) -> bytes:
    """A PNG of samples [H, W, C], written as simply as can be."""
    height, width = values.shape[:2]
    wide = values.astype(values.dtype.newbyteorder(">"))
    body = b""
    for left, top, across, down in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        for row in wide[top::down, left::across] if left < width else ():
            bits = np.unpackbits(np.ascontiguousarray(row).view(np.uint8).reshape(-1, 1), axis=1)
            body += b"\0" + np.packbits(bits[:, -min(depth, 8) :].reshape(-1)).tobytes()
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    parts = (chunk(b"IHDR", header), chunks, chunk(b"IDAT", zlib.compress(body)))
    return SIGNATURE + b"".join(parts) + chunk(b"IEND", b"")


def palette(depth: int) -> NDArray[np.uint8]:
    """Colors [n, 3] for a palette."""
    return np.random.default_rng(7).integers(0, 256, (1 << depth, 3), np.uint8)


def tiff_with(
    values: Levels, order: str, *, extra: int | None = None, orientation: int = 1
) -> bytes:
    """An uncompressed TIFF of 16-bit samples [H, W, C]."""
    height, width, channels = values.shape
    body = values.astype(f"{order}u2").tobytes()
    entries = [(256, [width]), (257, [height]), (258, [16] * channels), (259, [1])]
    entries += [(262, [2 if channels > 1 else 1]), (273, [8]), (274, [orientation])]
    entries += [(277, [channels]), (278, [height]), (279, [len(body)])]
    entries += [] if extra is None else [(338, [extra])]
    after = 8 + len(body) + 2 + 12 * len(entries) + 4
    table, far = struct.pack(f"{order}H", len(entries)), b""
    for tag, numbers in entries:
        field = struct.pack(f"{order}{len(numbers)}H", *numbers).ljust(4, b"\0")
        if len(field) > 4:
            field, far = struct.pack(f"{order}I", after + len(far)), far + field
        table += struct.pack(f"{order}HHI", tag, 3, len(numbers)) + field
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(body))
    return head + body + table + b"\0\0\0\0" + far


def rgb_profile(gamma: float, *, swapped: bool = False) -> bytes:
    """An ICC profile of sRGB's colors with one gamma, or with red and green changed over."""

    def fixed(*numbers: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(
            f">{len(numbers)}i", *(round(65536 * n) for n in numbers)
        )

    red, green = fixed(0.4361, 0.2225, 0.0139), fixed(0.3851, 0.7169, 0.0971)
    if swapped:
        red, green = green, red
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    tags = [(b"wtpt", fixed(0.9642, 1, 0.8249)), (b"rXYZ", red), (b"gXYZ", green)]
    tags += [(b"bXYZ", fixed(0.1431, 0.0606, 0.7141))]
    tags += [(b"rTRC", curve), (b"gTRC", curve), (b"bTRC", curve)]
    table, bodies, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, body in tags:
        table += name + struct.pack(">II", offset + len(bodies), len(body))
        bodies += body
    head = struct.pack(">I4sI4s4s4s", 0, b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    head = (head + struct.pack(">iii", 63190, 65536, 54061)).ljust(128, b"\0")
    return struct.pack(">I", len(head + table + bodies)) + head[4:] + table + bodies


def on_white(picture: Picture) -> NDArray[Any]:
    """The picture as decode_rgb shows it, in floats of 0 to 255."""
    most = np.iinfo(picture.pixels.dtype).max
    pixels = picture.pixels / most * np.ones(3)
    if picture.alpha is not None:
        alpha = picture.alpha[..., None] / most
        pixels = pixels * alpha + 1 - alpha
    return pixels * 255


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("color", "depth"), KINDS)
def test_every_kind_of_png(color: int, depth: int, interlaced: bool) -> None:
    values = values_of(color, depth)
    colors = chunk(b"PLTE", palette(depth).tobytes()) if color == 3 else b""
    data = png_with(values, color, depth, colors, interlaced=interlaced)
    picture = decode_picture(data)
    if color == 3:
        values = palette(depth)[values[..., 0]]
    elif depth < 8:
        values = values * (255 // ((1 << depth) - 1))
    assert picture.pixels.dtype == (np.uint16 if depth == 16 else np.uint8)
    assert (picture.pixels == (values[..., :-1] if color in (4, 6) else values)).all()
    if color in (4, 6):
        assert picture.alpha is not None
        assert (picture.alpha == values[..., -1]).all()
    else:
        assert picture.alpha is None


@pytest.mark.parametrize(("color", "depth"), [kind for kind in KINDS if kind[0] in (0, 2)])
def test_the_transparent_color_of_a_png(color: int, depth: int) -> None:
    values = values_of(color, depth)
    key = values[4, 5]
    alpha = decode_picture(png_with(values, color, depth, transparency(key))).alpha
    assert alpha is not None
    opaque = np.any(values != key, axis=-1)
    assert (alpha == np.where(opaque, np.iinfo(alpha.dtype).max, 0)).all()


def transparency(key: Levels) -> bytes:
    """The chunk that makes a color transparent."""
    return chunk(b"tRNS", key.astype(">u2").tobytes())


def test_the_transparent_color_differs_from_others_by_its_low_byte() -> None:
    values = np.array([[[0x1234, 1, 2], [0x1235, 1, 2]]], np.uint16)
    alpha = decode_picture(png_with(values, 2, 16, transparency(values[0, 0]))).alpha
    assert alpha is not None
    assert alpha.tolist() == [[0, 65535]]


@pytest.mark.parametrize("depth", DEPTHS[3])
def test_the_transparent_entries_of_a_palette(depth: int) -> None:
    values = values_of(3, depth)
    opacity = np.arange(0, 256, 256 >> depth).astype(np.uint8)
    chunks = chunk(b"PLTE", palette(depth).tobytes()) + chunk(b"tRNS", opacity.tobytes())
    picture = decode_picture(png_with(values, 3, depth, chunks))
    assert (picture.pixels == palette(depth)[values[..., 0]]).all()
    assert picture.alpha is not None
    assert (picture.alpha == opacity[values[..., 0]]).all()


def test_the_transparent_entry_of_a_gif() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    alpha = decode_picture(saved(image, "GIF", transparency=1)).alpha
    assert alpha is not None
    assert alpha.tolist() == [[255, 0, 255]]


def test_the_usual_gamma_and_background_change_nothing() -> None:
    for color, depth in ((2, 8), (2, 16), (0, 16), (6, 16)):
        values = values_of(color, depth)
        chunks = chunk(b"gAMA", struct.pack(">I", 45_455)) + chunk(b"sBIT", b"\5" * CHANNELS[color])
        chunks += chunk(b"bKGD", struct.pack(">H", 1) * (3 if color & 2 else 1))
        picture = decode_picture(png_with(values, color, depth, chunks))
        assert (picture.pixels == values[..., :3]).all()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("channels", "extra"), [(1, None), (3, None), (4, 2), (4, 0), (4, None)])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_tiff_of_16_bits(order: str, channels: int, extra: int | None, orientation: int) -> None:
    values = np.random.default_rng(1).integers(0, 65536, (5, 7, channels), np.uint16)
    data = tiff_with(values, order, extra=extra, orientation=orientation)
    picture = decode_picture(data)
    turned = {1: values, 3: values[::-1, ::-1], 6: np.rot90(values, -1)}[orientation]
    assert picture.pixels.dtype == np.uint16
    assert (picture.pixels == turned[..., :3]).all()
    if channels == 4 and extra != 0:
        assert picture.alpha is not None
        assert (picture.alpha == turned[..., 3]).all()
    else:
        assert picture.alpha is None
    assert size_of(data) == (picture.pixels.shape[1], picture.pixels.shape[0])


@pytest.mark.parametrize("compression", [5, 8, 32946])  # LZW, Deflate, old Deflate
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (6, 5, 4)])
def test_compressed_tiff_of_16_bits(compression: int, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).integers(0, 65536, shape, np.uint16)
    flags = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    picture = decode_picture(cv2.imencode(".tiff", values, flags)[1].tobytes())
    rgb = values.reshape(6, 5, -1)[..., :3]
    assert (picture.pixels == (rgb[..., ::-1] if len(shape) == 3 else rgb)).all()
    assert (picture.alpha is None) == (shape[-1] != 4)
    assert picture.alpha is None or (picture.alpha == values[..., 3]).all()


def test_wide_integers_and_floats() -> None:
    wide = np.array([[0, 32768, 65535]], np.int32)
    picture = decode_picture(saved(Image.fromarray(wide), "TIFF"))
    assert picture.pixels[..., 0].tolist() == [[0, 32768, 65535]]
    floats = np.array([[0, 0.5, 1, np.nan]], np.float32)
    picture = decode_picture(saved(Image.fromarray(floats), "TIFF"))
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels[..., 0].tolist() == [[0, 32768, 65535, 0]]


FILES = [
    *((kind, mode) for kind in ("PNG", "WEBP", "TIFF", "AVIF") for mode in ("RGB", "RGBA")),
    *(("PNG", mode) for mode in ("1", "L", "LA", "P")),
    *(("TIFF", mode) for mode in ("1", "L", "P", "CMYK", "LAB", "YCbCr")),
    *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
    *(("GIF", mode) for mode in ("1", "P")),
    *(("BMP", mode) for mode in ("1", "L", "P", "RGB", "RGBA")),
]


@pytest.mark.parametrize(("image_format", "mode"), FILES)
def test_other_files_show_what_decode_rgb_shows(image_format: str, mode: str) -> None:
    rgba = np.dstack((scene(40, 30), scene(40, 30)[..., 1]))
    if mode == "LAB":
        image = Image.fromarray(scene(40, 30), "LAB")
    else:
        image = Image.fromarray(rgba[..., : 4 if mode.endswith("A") else 3].copy()).convert(mode)
    data = saved(image, image_format, **ENCODERS[image_format])
    picture = decode_picture(data)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape[2] == (1 if mode in ("1", "L", "LA") else 3)
    assert (picture.alpha is not None) == (mode.endswith("A") and image_format != "BMP")
    assert np.abs(on_white(picture) - decode_rgb(data)).max() <= 1
    assert size_of(data) == (30, 40)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_obeyed(image_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(scene())
    data = saved(image, image_format, **ENCODERS[image_format], exif=exif)
    picture = decode_picture(data)
    assert (picture.pixels == decode_rgb(data)).all()
    assert size_of(data) == (picture.pixels.shape[1], picture.pixels.shape[0])


@pytest.mark.parametrize("depth", [8, 16])
def test_orientation_after_the_pixels_of_a_png(depth: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = png_with(values_of(6, depth), 6, depth)
    turned = data[:-12] + chunk(b"eXIf", exif.tobytes()[6:]) + data[-12:]
    picture, stored = decode_picture(turned), decode_picture(data)
    assert picture.alpha is not None
    assert stored.alpha is not None
    assert (picture.pixels == np.rot90(stored.pixels, -1)).all()
    assert (picture.alpha == np.rot90(stored.alpha, -1)).all()
    assert size_of(turned) == size_of(data)[::-1]


def test_the_opaque_has_no_alpha() -> None:
    for depth, most in ((8, 255), (16, 65535)):
        values = values_of(6, depth)
        values[..., 3] = most
        assert decode_picture(png_with(values, 6, depth)).alpha is None
        values[8, 10, 3] -= 1
        assert decode_picture(png_with(values, 6, depth)).alpha is not None


def test_8_bits_are_brought_to_srgb() -> None:
    for profile in (rgb_profile(1.0), rgb_profile(2.2, swapped=True)):
        data = saved(Image.fromarray(scene()), "PNG", icc_profile=profile)
        picture = decode_picture(data)
        assert (picture.pixels == decode_rgb(data)).all()
        assert (picture.pixels != scene()).any()
        assert picture.profile == b""


def test_grey_with_a_grey_profile_stays_grey() -> None:
    image = Image.fromarray(np.array([[[128, 255], [128, 9]]], np.uint8), "LA")
    picture = decode_picture(saved(image, "PNG", icc_profile=grey_profile(1.0)))
    assert picture.pixels.shape == (1, 2, 1)
    assert abs(int(picture.pixels[0, 0, 0]) - 188) <= 1
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 9]]


def iccp(profile: bytes) -> bytes:
    """The chunk that holds a profile."""
    return chunk(b"iCCP", b"any name\0\0" + zlib.compress(profile))


@pytest.mark.parametrize(
    ("color", "profile", "is_kept"),
    [
        (2, rgb_profile(1.0), True),
        (6, rgb_profile(1.0), True),
        (0, grey_profile(1.0), True),
        (4, grey_profile(1.0), True),
        (0, rgb_profile(1.0), False),
        (2, grey_profile(1.0), False),
        (2, b"rubbish", False),
        (2, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), False),
    ],
)
def test_16_bits_keep_their_profile(color: int, profile: bytes, is_kept: bool) -> None:
    values = values_of(color, 16)
    picture = decode_picture(png_with(values, color, 16, iccp(profile)))
    assert (picture.pixels == values[..., : picture.pixels.shape[2]]).all()
    assert picture.profile == (profile if is_kept else b"")
    for image_format in FORMATS:
        data = bytes(encode_picture(replace(picture, alpha=None), image_format, 90))
        if image_format == "webp" and color in (0, 4) and is_kept:  # WebP has no grey
            png = bytes(encode_picture(replace(picture, alpha=None), "png", 90))
            tones = decode_rgb(data).astype(int) - decode_rgb(png)
            assert abs(tones.mean()) < 2
            assert decode_picture(data).profile == b""
            continue
        with Image.open(BytesIO(data)) as image:
            assert image.info.get("icc_profile") == (profile if is_kept else None)


def test_a_profile_of_many_segments() -> None:
    profile = rgb_profile(1.0) + np.random.default_rng(0).bytes(150_000)
    profile = struct.pack(">I", len(profile)) + profile[4:]
    picture = Picture(np.zeros((8, 8, 3), np.uint16), None, profile)
    data = bytes(encode_picture(picture, "jpg", 90, "a program"))
    with Image.open(BytesIO(data)) as image:
        assert image.info["icc_profile"] == profile
    for number in (1, 2, 3):
        assert b"ICC_PROFILE\0" + bytes([number, 3]) in data
    check_file(data)
    with pytest.raises(ItemError, match="profile of 20000000 bytes does not fit into a JPEG"):
        encode_picture(replace(picture, profile=bytes(20_000_000)), "jpg", 90)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Pictures of any kind."""
    kind = draw(st.sampled_from([np.uint8, np.uint16]))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    pixels = draw(arrays(kind, (*size, draw(st.sampled_from([1, 3])))))
    alpha = draw(st.none() | arrays(kind, size))
    return Picture(pixels, alpha)


@given(pictures())
def test_png_keeps_everything(picture: Picture) -> None:
    data = bytes(encode_picture(picture, "png", 90, "some program 1.0"))
    check_file(data)
    found = decode_picture(data)
    assert found.pixels.dtype == picture.pixels.dtype
    assert (found.pixels == picture.pixels).all()
    most = np.iinfo(picture.pixels.dtype).max
    if picture.alpha is None or picture.alpha.min() == most:
        assert found.alpha is None
    else:
        assert found.alpha is not None
        assert (found.alpha == picture.alpha).all()
    assert software_of(data) == "some program 1.0"
    other = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    colors = other if other.ndim == 2 else other[..., 2::-1]
    assert (colors.reshape(*colors.shape[:2], -1) == picture.pixels).all()


def test_png_of_many_bands() -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (700, 301, 3), np.uint16)
    pixels[100:500] //= 9000
    assert (
        decode_picture(bytes(encode_picture(Picture(pixels), "png", 90))).pixels == pixels
    ).all()


def smooth(height: int, width: int, channels: int) -> Picture:
    """A picture that lossy formats hardly hurt."""
    return Picture(scene(height, width)[..., :channels].copy())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_jpeg(channels: int, kind: type[Any]) -> None:
    wide = smooth(64, 48, channels)
    picture = Picture(wide.pixels.astype(kind) * (257 if kind is np.uint16 else 1))
    before = picture.pixels.copy()
    data = bytes(encode_picture(picture, "jpg", 95, "some program"))
    assert (picture.pixels == before).all()
    check_file(data)
    assert quality_of(data) == 95
    assert software_of(data) == "some program"
    found = decode_picture(data)
    assert found.pixels.shape == wide.pixels.shape
    assert cv2.norm(found.pixels, wide.pixels, cv2.NORM_INF) <= 8
    read_only = wide.pixels.copy()
    read_only.flags.writeable = False
    assert bytes(encode_picture(Picture(read_only), "jpg", 95, "some program")) == data


def test_jpeg_keeps_the_colors_of_every_pixel_from_quality_90_on() -> None:
    for quality, layout in ((89, (2, 2)), (90, (1, 1)), (100, (1, 1))):
        data = bytes(encode_picture(smooth(32, 32, 3), "jpg", quality))
        with Image.open(BytesIO(data)) as image:
            assert image.layer[0][1:3] == layout  # type: ignore[attr-defined]


def test_16_bits_are_rounded_to_the_nearest_of_8() -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    data = bytes(encode_picture(Picture(levels), "webp", 100))
    assert (decode_picture(data).pixels[..., :1] == np.round(levels / 257)).all()


@given(pictures())
@settings(max_examples=25)
def test_webp_of_quality_100_is_without_loss(picture: Picture) -> None:
    data = bytes(encode_picture(picture, "webp", 100, "some program"))
    check_file(data)
    assert software_of(data) == "some program"
    found = decode_picture(data)
    step = np.iinfo(picture.pixels.dtype).max / 255
    assert (found.pixels == np.round(picture.pixels / step)).all()
    alpha = np.array(255) if picture.alpha is None else np.round(picture.alpha / step)
    assert (np.array(255 if found.alpha is None else found.alpha) == alpha).all()


def test_webp_of_less_quality_is_smaller_and_close() -> None:
    alpha = scene(64, 64)[..., 0].copy()
    picture = replace(smooth(64, 64, 3), alpha=alpha)
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert len(encode_picture(Picture(noisy), "webp", 50)) < len(
        encode_picture(Picture(noisy), "webp", 95)
    )
    found = decode_picture(bytes(encode_picture(picture, "webp", 95)))
    assert found.alpha is not None
    assert (found.alpha == alpha).all()
    assert cv2.norm(found.pixels[:, 8:], picture.pixels[:, 8:], cv2.NORM_L1) / alpha.size < 12


def test_what_a_format_cannot_hold() -> None:
    clear = Picture(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint8))
    with pytest.raises(ItemError, match=r"^JPEG cannot store transparency$"):
        encode_picture(clear, "jpg", 90)
    sides: dict[Format, int] = {"jpg": 65_501, "webp": 16_384}
    for image_format, side in sides.items():
        wide = Picture(np.zeros((1, side, 1), np.uint8))
        with pytest.raises(ItemError, match=f"at most {side - 1} pixels a side, not {side}x1"):
            encode_picture(wide, image_format, 90)


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "WEBP", "TIFF", "AVIF"])
def test_animations(image_format: str) -> None:
    frames = [Image.new("RGB", (4, 4), (90 * n, 0, 0)) for n in range(3)]
    settings = ENCODERS[image_format]
    one = saved(frames[0], image_format, **settings)
    many = saved(frames[0], image_format, save_all=True, append_images=frames[1:], **settings)
    assert not is_animated(one)
    assert is_animated(many)
    assert cv2.norm(decode_picture(many).pixels, decode_picture(one).pixels, cv2.NORM_INF) <= 2
    assert size_of(many) == (4, 4)


def test_the_preview_of_a_jpeg_is_no_animation() -> None:
    frames = [Image.fromarray(scene()), Image.fromarray(scene()[::-1].copy())]
    data = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert not is_animated(data)
    assert size_of(data) == (32, 24)


def test_software_of_files_that_name_none() -> None:
    for image_format in ENCODERS:
        data = saved(Image.fromarray(scene()), image_format, **ENCODERS[image_format])
        assert software_of(data) == ""
    for written in FORMATS:
        assert software_of(bytes(encode_picture(smooth(9, 9, 3), written, 90))) == ""
    number = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0131, 3, 1, 7, 0)
    assert software_of(saved(Image.fromarray(scene()), "JPEG", exif=number)) == ""


def test_what_is_too_large_is_refused_from_its_header() -> None:
    for look in (decode_picture, size_of):
        with pytest.raises(
            TooManyPixels, match=r"^image of 20000x20000 pixels, more than --max-pixels 178M$"
        ):
            look(png_of(20000, 20000))
        for image_format in ENCODERS:
            data = saved(Image.fromarray(scene()), image_format, **ENCODERS[image_format])
            with pytest.raises(TooManyPixels, match="image of 32x24 pixels"):
                look(data, max_pixels=32 * 24 - 1)
            look(data, max_pixels=32 * 24)
        with pytest.raises(ImageError, match=r"^not an image$"):
            look(b"a text")
    # The size is told without a pixel.
    assert size_of(png_of(500, 300)) == (500, 300)
    with pytest.raises(ImageError, match=r"^damaged PNG$"):
        decode_picture(png_of(500, 300))


WIDE = {
    "PNG of 16 bits": png_with(values_of(2, 16, 30, 30), 2, 16),
    "grey PNG of 16 bits": png_with(values_of(4, 16, 30, 30), 4, 16),
    "PNG with a palette": png_with(values_of(3, 2), 3, 2, chunk(b"PLTE", palette(2).tobytes())),
    "TIFF of 16 bits": tiff_with(values_of(6, 16, 30, 30), "<", extra=2),
    **{
        image_format: saved(Image.fromarray(scene()), image_format, **settings)
        for image_format, settings in ENCODERS.items()
    },
}


@settings(max_examples=250, deadline=None)
@given(
    name=st.sampled_from(sorted(WIDE)),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
)
def test_damage_gives_an_answer_or_an_image_error(
    name: str, cut: float, flips: list[tuple[float, int]]
) -> None:
    data = bytearray(WIDE[name])
    for place, mask in flips:
        data[int(place * len(data))] ^= mask
    looks: tuple[Callable[..., object], ...] = (decode_picture, size_of, is_animated, software_of)
    for damaged, look in product((bytes(data), bytes(data[: int(cut * len(data))])), looks):
        most = {"max_pixels": 10**6} if look in (decode_picture, size_of) else {}
        try:
            look(damaged, **most)
        except ImageError as error:
            assert "\n" not in str(error)


def test_decoders_print_nothing_of_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("PNG of 16 bits", "grey PNG of 16 bits", "TIFF of 16 bits"):
        for place in range(8, len(WIDE[name]), 97):
            with suppress(ImageError):
                decode_picture(WIDE[name][:place] + b"\xa5" + WIDE[name][place + 1 :])
    header = WIDE["PNG of 16 bits"][:33]
    for body in (b"no zlib", zlib.compress(b"too little")):
        with pytest.raises(ImageError, match=r"^damaged PNG$"):
            decode_picture(header + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    assert capfd.readouterr() == ("", "")

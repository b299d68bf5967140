"""Which kinds of file are pictures, which of them are read, and what is said of the others."""

import importlib.util
import pickle
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from animetools.colors import Color
from animetools.errors import PassedOver
from animetools.images.containers import EXTENSIONS
from animetools.images.errors import ImageError, TooManyPixels, Unsupported
from animetools.images.files import check_file, decode_rgb, encode_jpeg, encode_png, read_rgb
from animetools.images.formats.png import chunk
from animetools.images.picture import size_of
from tests.conftest import ROOT
from tests.images.test_files import saved, scene
from tests.images.test_picture import CHANNELS, png_with, rgb_profile, transparency, values_of


def media(*brands: str) -> bytes:
    """The head of an ISO media file."""
    body = b"ftyp" + brands[0].encode() + bytes(4) + "".join(brands).encode()
    return struct.pack(">I", 4 + len(body)) + body + b"\0\0\0\x08free"


FOREIGN = {
    "HEIC": media("heic", "mif1"),
    "HEIF": media("mif1", "msf1"),
    "JPEG XL": b"\xff\x0a\xf8\x1f" + bytes(60),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60),
    "PNG of iOS": b"\x89PNG\r\n\x1a\n" + chunk(b"CgBI", b"\x50\0\x20\2") + bytes(60),
    "PSD": b"8BPS\0\1" + bytes(60),
    "XCF": b"gimp xcf v011\0",
    "KRA": b"PK\3\4" + bytes(26) + b"mimetypeapplication/x-krita" + bytes(9),
    "ORA": b"PK\3\4" + bytes(26) + b"mimetypeimage/openraster" + bytes(9),
    "CLIP": b"CSFCHUNK" + bytes(60),
    "OpenEXR": b"\x76\x2f\x31\x01" + bytes(60),
    "Radiance HDR": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n",
    "DDS": b"DDS \x7c\0\0\0" + bytes(60),
    "ICO": b"\0\0\1\0\1\0\x20\x20\0\0\1\0\x20\0" + bytes(60),
    "PNM": b"P6\n# made by hand\n3 2\n255\n" + bytes(18),
    "QOI": b"qoif\0\0\0\1\0\0\0\1\3\0" + bytes(9),
    "CR2": b"II*\0\x10\0\0\0CR\2\0" + bytes(60),
    "CR3": media("crx ", "isom"),
    "RAF": b"FUJIFILMCCD-RAW 0201" + bytes(60),
    "ORF": b"IIRO\x08\0\0\0" + bytes(60),
    "RW2": b"IIU\0\x18\0\0\0" + bytes(60),
    "SGI": b"\x01\xda\x01\x01\0\3\0\4\0\4\0\3" + bytes(60),
    "MNG": b"\x8aMNG\r\n\x1a\n" + bytes(60),
    "DIB": struct.pack("<IiiHH", 40, 3, 2, 1, 24) + bytes(60),
    "MIFF": b"id=ImageMagick  version=1.0\n",
    "SVG": b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<!-- Created with Inkscape'
    b' -->\n\n<svg\n width="9"',
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(60),
    "EMF": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60),
    "XBM": b"#define a.face_width 16\n#define face_height 16\n",
    "PCX": b"\x0a\5\1\x08" + bytes(60),
    "TGA": struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 9, 9, 24, 0) + bytes(60),
    "JPEG XS": b"\0\0\0\x0cJXS \r\n\x87\n" + bytes(60),
}
READERS = ("animecrop", "animeclean", "animepack", "animeupscale", "dranker")
OPTIONAL = {"HEIC": "pillow_heif", "JPEG XL": "pillow_jxl"}


def is_installed(module: str) -> bool:
    """Whether an optional decoder is there."""
    return importlib.util.find_spec(module) is not None


@pytest.mark.parametrize("name", ["x.png", "x", "x.jpg", "x.heic"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_pictures_are_named_whatever_their_name(
    tmp_path: Path, kind: str, name: str
) -> None:
    (tmp_path / name).write_bytes(FOREIGN[kind])
    expected: type[ImageError] = Unsupported
    words = f"^unsupported: {kind}"
    if kind in OPTIONAL and is_installed(OPTIONAL[kind]):
        expected, words = ImageError, kind
    with pytest.raises(expected, match=words) as caught:
        read_rgb(str(tmp_path / name))
    if isinstance(caught.value, Unsupported):
        assert caught.value.kind == f"unsupported: {kind}"
        assert ("animetools[formats]" in str(caught.value)) == (kind in OPTIONAL)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), again.kind) == (str(caught.value), caught.value.kind)


@pytest.mark.parametrize("kind", ["HEIC", "JPEG XL"])
def test_what_cannot_be_decoded_is_not_judged(tmp_path: Path, kind: str) -> None:
    if is_installed(OPTIONAL[kind]):
        pytest.skip("its decoder is there")
    head = {"HEIC": media("heic", "mif1"), "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n"}[kind]
    for data in (head, head + b"more than was written by any program", head + bytes(99)):
        with pytest.raises(Unsupported):
            decode_rgb(data)
        with pytest.raises(Unsupported):
            check_file(data)


@pytest.mark.parametrize("name", ["a.nef", "a.ARW", "a.dng", "a.pef"])
def test_raw_files_are_no_tiffs(tmp_path: Path, name: str) -> None:
    for content in (b"II*\0\x08\0\0\0" + bytes(60), saved(Image.fromarray(scene()), "TIFF")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Unsupported, match=r"^unsupported: camera raw$"):
            read_rgb(str(tmp_path / name))


def test_formats_without_a_signature_go_by_their_name(tmp_path: Path) -> None:
    for name, kind in (("a.tga", "TGA"), ("a.PCX", "PCX")):
        (tmp_path / name).write_bytes(b"\0\0\2" + bytes(60))
        with pytest.raises(Unsupported, match=f"unsupported: {kind}"):
            read_rgb(str(tmp_path / name))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (media("isom", "mp41"), "video"),
        (media("qt  "), "video"),
        (b"\x1a\x45\xdf\xa3\x01" + bytes(60), "video"),
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (b"FLV\x01\x05", "video"),
        (b"RIFF\0\0\0\0WAVEfmt ", "sound"),
        (b"ID3\3\0" + bytes(60), "sound"),
        (b"PK\3\4" + bytes(60), "archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(60), "archive"),
        (b"Rar!\x1a\7\1\0" + bytes(60), "archive"),
        (b"\x1f\x8b\x08" + bytes(60), "archive"),
        (b"%PDF-1.4\n" + bytes(60), "document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(60), "document"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(60), "macOS's notes on a file"),
    ],
)
@pytest.mark.parametrize("name", ["x.jpg", "x.mp4", "x"])
def test_videos_archives_and_notes_are_passed_over(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PassedOver, match=f"^{reason}$"):
        read_rgb(str(tmp_path / name))


@pytest.mark.parametrize("name", ["._a.jpg", "Thumbs.db", "desktop.ini", ".DS_Store"])
def test_what_systems_leave_behind_is_no_picture(tmp_path: Path, name: str) -> None:
    for content in (
        b"",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"[.ShellClassInfo]",
        b"\0\0\0\1Bud1",
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PassedOver):
            read_rgb(str(tmp_path / name))


def test_a_picture_may_be_called_like_notes(tmp_path: Path) -> None:
    (tmp_path / "._a.png").write_bytes(encode_png(scene()))
    assert (read_rgb(str(tmp_path / "._a.png")) == scene()).all()


def with_frame(marker: int, bits: int = 8) -> bytes:
    """A JPEG whose frame says that it is coded otherwise."""
    data = bytearray(encode_jpeg(scene(), 90))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = marker, bits
    return bytes(data)


@pytest.mark.parametrize(
    ("marker", "bits", "kind"),
    [
        (0xC5, 8, "hierarchical JPEG"),
        (0xCB, 8, "arithmetic-coded JPEG"),
        (0xF7, 8, "JPEG-LS"),
        (0xC1, 12, "12-bit JPEG"),
        (0xC3, 16, "lossless JPEG"),
    ],
)
def test_jpegs_of_unusual_coding_are_not_damaged(marker: int, bits: int, kind: str) -> None:
    with pytest.raises(Unsupported, match=f"^unsupported: {kind}$"):
        decode_rgb(with_frame(marker, bits))


@pytest.mark.parametrize(
    ("masks", "kind"),
    [
        ((0x0F00, 0x00F0, 0x000F, 0xF000), "BMP of 16 bits with opacity"),
        ((0x7C00, 0x03E0, 0x001F, 0x8000), "BMP of 16 bits with opacity"),
        ((0x0F00, 0x00F0, 0x000F, 0), "this kind of BMP"),
        ((0x7C00, 0x03E0, 0x001F, 0), ""),
    ],
)
def test_bmps_of_16_bits(masks: tuple[int, ...], kind: str) -> None:
    info = struct.pack("<IiiHHIIiiII", 56, 4, 2, 1, 16, 3, 16, 0, 0, 0, 0)
    info += struct.pack("<IIII", *masks)
    data = (
        b"BM" + struct.pack("<IHHI", 14 + len(info) + 16, 0, 0, 14 + len(info)) + info + bytes(16)
    )
    assert check_file(data) == ""
    if not kind:
        assert (decode_rgb(data) == 0).all()
        return
    with pytest.raises(Unsupported, match=f"^unsupported: {kind}$"):
        decode_rgb(data)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("color", [0, 2])
def test_the_transparent_color_shows_the_background(color: int, depth: int) -> None:
    values = values_of(color, depth)
    data = png_with(values, color, depth, transparency(values[4, 5]))
    assert decode_rgb(data, background=Color(255, 0, 9))[4, 5].tolist() == [255, 0, 9]
    assert (decode_rgb(data, background=Color(255, 0, 9)) == [255, 0, 9]).all(axis=-1).sum() == 1


def gamma(value: float) -> bytes:
    """The chunk of a gamma."""
    return chunk(b"gAMA", struct.pack(">I", round(100_000 * value)))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("color", [0, 2, 3, 4, 6])
def test_light_by_a_gamma_becomes_srgb(color: int, depth: int) -> None:
    if color == 3 and depth == 16:
        return
    pixels = np.full((2, 2, CHANNELS[color]), 128 * 257 if depth == 16 else 128, np.uint16)
    if color in (4, 6):
        pixels[..., -1] = (1 << depth) - 1
    if depth == 8:
        pixels = pixels.astype(np.uint8)
    entries = chunk(b"PLTE", bytes(128 * 3) + bytes([128] * 3)) if color == 3 else b""
    for value, level in ((1.0, 188), (0.45455, 128), (1 / 1.8, 145)):
        data = png_with(pixels, color, depth, gamma(value) + entries)
        assert np.abs(decode_rgb(data).astype(int) - level).max() <= 1, value


def test_srgb_and_profiles_count_for_more_than_a_gamma() -> None:
    values = values_of(2, 8)
    plain = decode_rgb(png_with(values, 2, 8))
    assert (decode_rgb(png_with(values, 2, 8, chunk(b"sRGB", b"\0") + gamma(1))) == plain).all()
    profile = saved(Image.fromarray(values), "PNG", icc_profile=rgb_profile(1.0))
    both = profile[:33] + gamma(0.3) + profile[33:]
    assert (decode_rgb(both) == decode_rgb(profile)).all()


def test_impossible_gammas_and_primaries_are_ignored() -> None:
    values = values_of(2, 8)
    plain = decode_rgb(png_with(values, 2, 8))
    for value in (0, 1e-4, 42_000):
        assert (decode_rgb(png_with(values, 2, 8, gamma(value))) == plain).all()
    for numbers in ([0] * 8, [99_999] * 8, [31270, 32900] * 4):
        primaries = chunk(b"cHRM", struct.pack(">8I", *numbers))
        assert (decode_rgb(png_with(values, 2, 8, gamma(0.45455) + primaries)) == plain).all()


def test_other_primaries_are_brought_to_srgb() -> None:
    values = np.array([[[255, 255, 255], [128, 128, 128], [200, 100, 100]]], np.uint8)
    adobe = chunk(
        b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    )
    found = decode_rgb(png_with(values, 2, 8, gamma(0.45455) + adobe))[0].astype(int)
    assert np.abs(found[:2] - values[0, :2]).max() <= 1  # white and grey stay
    assert found[2, 0] > 205  # its red is of more color than sRGB's number says


def test_high_dynamic_range_is_refused() -> None:
    values = values_of(2, 8)
    for transfer, name in ((16, "PQ"), (18, "HLG")):
        data = png_with(values, 2, 8, chunk(b"cICP", bytes([9, transfer, 0, 1])))
        with pytest.raises(Unsupported, match=rf"PNG of high dynamic range \({name}\)"):
            decode_rgb(data)
    usual = png_with(values, 2, 8, chunk(b"cICP", bytes([1, 13, 0, 1])) + gamma(1))
    assert (decode_rgb(usual) == decode_rgb(png_with(values, 2, 8))).all()


def avif(change: Callable[[bytes], bytes]) -> bytes:
    """A file without an ICC profile, changed."""
    return change(saved(Image.fromarray(scene(32, 32)), "AVIF", quality=95))


def colors(primaries: int, transfer: int) -> Callable[[bytes], bytes]:
    """Puts other code points into a file."""

    def change(data: bytes) -> bytes:
        at = data.index(b"colrnclx") + 8
        return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]

    return change


def test_color_code_points_of_an_avif_are_obeyed_or_refused() -> None:
    plain = decode_rgb(avif(lambda data: data))
    for usual in ((1, 13), (2, 2), (1, 1), (1, 6)):
        assert cv2.norm(decode_rgb(avif(colors(*usual))), plain, cv2.NORM_INF) <= 8, usual
    wide = decode_rgb(avif(colors(9, 13))).astype(int)
    assert np.ptp(wide, axis=-1).mean() > np.ptp(plain.astype(int), axis=-1).mean() + 5
    assert decode_rgb(avif(colors(1, 8))).mean() > plain.mean() + 20
    for points, words in (((9, 16), "AVIF of high dynamic range"), ((22, 13), "code points 22/13")):
        with pytest.raises(Unsupported, match=words):
            decode_rgb(avif(colors(*points)))


def test_a_profile_counts_for_more_than_code_points() -> None:
    profile = rgb_profile(2.2)
    data = saved(Image.fromarray(scene(32, 32)), "AVIF", quality=95, icc_profile=profile)
    assert decode_rgb(data).shape == (32, 32, 3)


def test_an_avif_to_be_cropped_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"^unsupported: AVIF with a crop$"):
        decode_rgb(avif(lambda data: data.replace(b"pixi", b"clap", 1)))


def test_decoders_stay_silent_about_slips(capfd: pytest.CaptureFixture[str]) -> None:
    raw = zlib.compress(b"".join(b"\0" + row.tobytes() for row in scene(8, 8)))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    for extra, body in (
        (b"", raw + b"more"),
        (chunk(b"tIME", b"x"), raw),
        (chunk(b"pHYs", b"x"), raw),
        (b"", zlib.compress(bytes(40))),
        (b"", raw[:20] + b"\xff\xff" + raw[22:]),
    ):
        data = b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")
        if body.startswith(raw):
            assert (decode_rgb(data) == scene(8, 8)).all()
        else:
            with pytest.raises(ImageError, match=r"^damaged PNG$"):
                decode_rgb(data)
    jpeg = encode_jpeg(scene(80, 80), 90)
    for damaged in (jpeg[:300] + jpeg[310:], jpeg[:-200] + jpeg[-2:]):
        with suppress(ImageError):
            decode_rgb(damaged)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("page", ["README.md", *(f"man/{name}.1" for name in READERS)])
def test_the_pages_list_what_is_read(page: str) -> None:
    text = " ".join((ROOT / page).read_text().split())
    for name in set(EXTENSIONS.values()):
        assert {"WEBP": "WebP"}.get(name, name) in text, name


HEIF = pytest.mark.skipif(not is_installed("pillow_heif"), reason="pillow-heif is not installed")
JXL = pytest.mark.skipif(
    not is_installed("pillow_jxl"), reason="pillow-jxl-plugin is not installed"
)


def optional(kind: str, orientation: int = 1) -> bytes:
    """A file of an optional format, as its own library writes it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(scene())
    if kind == "HEIC":
        import pillow_heif

        pillow_heif.register_heif_opener()
        return saved(image, "HEIF", quality=100, exif=exif.tobytes())
    import pillow_jxl  # noqa: F401  Pillow learns to write it

    return saved(image, "JXL", lossless=True, exif=exif.tobytes())


@pytest.mark.parametrize(
    "kind", [pytest.param("HEIC", marks=HEIF), pytest.param("JPEG XL", marks=JXL)]
)
def test_optional_formats_are_read(tmp_path: Path, kind: str) -> None:
    data = optional(kind)
    (tmp_path / "x.jpg").write_bytes(data)
    assert cv2.norm(read_rgb(str(tmp_path / "x.jpg")), scene(), cv2.NORM_INF) <= 16
    assert size_of(data) == (32, 24)
    with pytest.raises(ImageError, match=f"(truncated|damaged) {kind}"):
        decode_rgb(data[:-40])
    with pytest.raises(TooManyPixels):
        decode_rgb(data, max_pixels=100)


@HEIF
def test_a_turned_heic_is_turned_once() -> None:
    found = decode_rgb(optional("HEIC", 6))
    assert cv2.norm(found, np.ascontiguousarray(np.rot90(scene(), -1)), cv2.NORM_INF) <= 16


@JXL
def test_a_jpeg_xl_is_turned_by_its_decoder_alone() -> None:
    assert (decode_rgb(optional("JPEG XL", 6)) == scene()).all()

"""Every kind of TIFF is read rightly or refused by its name."""

import struct
import zlib
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from animetools.images.errors import ImageError, Unsupported
from animetools.images.files import decode_rgb
from animetools.images.picture import decode_picture
from tests.images.test_files import saved


def tiff(
    order: str,
    values: NDArray[Any],
    *,
    photometric: int = 1,
    planar: bool = False,
    tags: dict[int, list[int]] | None = None,
) -> bytes:
    """An uncompressed TIFF of samples [H, W, C], with other values of some tags."""
    height, width, samples = values.shape
    number = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    body = np.moveaxis(values, 2, 0) if planar else values
    pixels = (body.byteswap() if order == ">" else body).tobytes()
    planes = samples if planar else 1
    fields = {
        256: [width],
        257: [height],
        258: [8 * values.itemsize] * samples,
        259: [1],
        262: [photometric],
        273: [8 + n * (len(pixels) // planes) for n in range(planes)],
        277: [samples],
        278: [height],
        279: [len(pixels) // planes] * planes,
        284: [1 + planar],
        339: [number] * samples,
    } | (tags or {})
    after = 8 + len(pixels) + 6 + 12 * len(fields)
    table, far = struct.pack(f"{order}H", len(fields)), b""
    for tag, numbers in sorted(fields.items()):
        field = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(field) > 4:
            field, far = struct.pack(f"{order}I", after + len(far)), far + field
        table += struct.pack(f"{order}HHI", tag, 4, len(numbers)) + field
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(pixels))
    return head + pixels + table + bytes(4) + far


def ramp(kind: type, shape: tuple[int, int, int]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Samples from black to white, and the same in 8 bits."""
    shades = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    if kind in (np.float16, np.float32, np.float64):
        return shades.astype(kind), (shades * 255).astype(np.uint8)
    most = np.iinfo(kind).max
    return (shades * most).astype(kind), (shades * 255.99).astype(np.uint8)


TIFFS = [
    (order, kind, samples, photometric, planar)
    for order, kind, samples, photometric, planar in product(
        "<>",
        (np.uint8, np.uint16, np.uint32, np.int8, np.int16, np.float16, np.float32, np.float64),
        (1, 3),
        (0, 1, 2),
        (False, True),
    )
    if (samples == 3) == (photometric == 2) and not (planar and samples == 1)
]
READ = {
    *product("<>", [np.uint8], [1], [0, 1], [False]),
    *product("<>", [np.uint8], [3], [2], [False, True]),
    *product("<", [np.uint16], [1], [0], [False]),
    *product("<>", [np.uint16], [1], [1], [False]),
    *product("<>", [np.uint16], [3], [2], [False]),
    *product("<", [np.uint32], [1], [1], [False]),
    *product("<>", [np.float32], [1], [1], [False]),
}


@pytest.mark.parametrize("flavor", TIFFS, ids=str)
def test_a_tiff_is_read_rightly_or_refused_by_name(flavor: tuple[Any, ...]) -> None:
    order, kind, samples, photometric, planar = flavor
    values, shown = ramp(kind, (7, 9, samples))
    data = tiff(order, values, photometric=photometric, planar=planar)
    if flavor not in READ:
        with pytest.raises(Unsupported, match=r"^unsupported: TIFF of "):
            decode_rgb(data)
        return
    difference = decode_rgb(data).astype(int) - (255 - shown if photometric == 0 else shown)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("order", "<>")
def test_separate_planes_of_16_bits_are_read_where_they_are_compressed(order: str) -> None:
    values = np.repeat(ramp(np.uint16, (7, 1, 3))[0], 9, axis=1)
    data = tiff(order, values, photometric=2, planar=True)
    planes = [zlib.compress(data[8 + n * 126 : 8 + (n + 1) * 126]) for n in range(3)]
    starts = [8 + sum(map(len, planes[:n])) for n in range(3)]
    tags = {259: [8], 273: starts, 279: [len(plane) for plane in planes]}
    wrapped = tiff(order, values, photometric=2, planar=True, tags=tags)
    body = b"".join(planes).ljust(3 * 126, b"\0")[: 3 * 126]
    assert len(b"".join(planes)) <= 3 * 126
    assert (
        decode_picture(wrapped[:8] + body + wrapped[8 + len(body) :]).pixels == values >> 8
    ).all()


@pytest.mark.parametrize("extra", [1, 2])
def test_grey_tiffs_with_opacity(extra: int) -> None:
    values = np.array([[[60, 120], [0, 0], [200, 255]]], np.uint8)
    data = tiff("<", values, tags={338: [extra]})
    level = 60 if extra == 2 else 127  # times its opacity already
    expected = round(level * 120 / 255 + 255 * 135 / 255)
    found = decode_rgb(data)[0, :, 0].astype(int).tolist()
    assert abs(found[0] - expected) <= 1
    assert found[1:] == [255, 200]


def test_camera_files_that_begin_with_a_preview_are_not_read() -> None:
    preview = np.zeros((4, 4, 3), np.uint8)
    for kind, tags in (
        ("camera raw", {254: [1], 330: [8]}),
        ("DNG", {254: [1], 50706: [1]}),
        ("camera raw", {262: [32803]}),
    ):
        with pytest.raises(Unsupported, match=f"^unsupported: {kind}$"):
            decode_rgb(tiff("<", preview, photometric=2, tags=tags))


def test_a_cut_tiff_is_damaged_not_unsupported() -> None:
    for compression in ("tiff_lzw", "tiff_adobe_deflate", None):
        noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
        data = saved(Image.fromarray(noise), "TIFF", compression=compression)
        with pytest.raises(ImageError, match=r"^(damaged|truncated) TIFF$"):
            decode_rgb(data[:-500])

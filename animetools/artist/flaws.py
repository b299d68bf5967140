"""Bad files as they occur in real collections: duplicates, broken files, unusual encodings."""

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image

from animetools.artist.canvas import Pixels

# A flaw function gets the picture, its file's bytes and extension, and a random generator; it returns
# the new extension and bytes, and the factor by which the sides were scaled (0: no picture left).
Flawed = tuple[str, bytes, float]
MakeFlaw = Callable[[Pixels, bytes, str, Generator], Flawed]


def encode(rgb: Pixels, extension: str) -> bytes:
    """The file of a good picture: JPEG of quality 92, or PNG."""
    if extension == "jpg":
        return _saved(Image.fromarray(rgb), "JPEG", quality=92)
    return _saved(Image.fromarray(rgb), "PNG", compress_level=3)


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _duplicate(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    return extension, data, 1.0


def _rescaled(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    scale = float(rng.uniform(0.5, 0.9))
    small = Image.fromarray(rgb)
    small = small.resize((round(small.width * scale), round(small.height * scale)))
    return "jpg", _saved(small, "JPEG", quality=85), scale


def _recompressed(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    quality = int(rng.integers(40, 75))
    return "jpg", _saved(Image.fromarray(rgb), "JPEG", quality=quality), 1.0


def _monochrome(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    return "jpg", _saved(Image.fromarray(rgb).convert("L"), "JPEG", quality=92), 1.0


def _truncated(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    return extension, data[: int(len(data) * rng.uniform(0.3, 0.9))], 0.0


def _empty(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    return extension, b"", 0.0


def _wrong_extension(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    return "jpg", encode(rgb, "png"), 1.0


def _text(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    return "txt", b"pictures found on the net, to be sorted\n", 0.0


def _page(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    return "jpg", b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>\n", 0.0


def _tiny(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    scale = 20 / max(rgb.shape[:2])
    size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
    return "png", _saved(Image.fromarray(rgb).resize(size), "PNG"), scale


def _cmyk(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    return "jpg", _saved(Image.fromarray(rgb).convert("CMYK"), "JPEG", quality=92), 1.0


def _sixteen_bits(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    # Pillow cannot write a color PNG with 16 bits per channel.
    deep = rgb[..., ::-1].astype(np.uint16) * 257
    _, coded = cv2.imencode(".png", deep)
    return "png", coded.tobytes(), 1.0


def _transparent(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    return "png", _saved(_vignette(rgb), "PNG", compress_level=3), 1.0


def _palette(rgb: Pixels, data: bytes, extension: str, rng: Generator) -> Flawed:
    indexed = Image.fromarray(rgb).quantize(128, dither=Image.Dither.NONE)
    return "png", _saved(indexed, "PNG", transparency=int(rng.integers(128))), 1.0


def _vignette(rgb: Pixels) -> Image.Image:
    """The picture with corners that fade to transparent."""
    height, width = rgb.shape[:2]
    across = np.linspace(-1, 1, width) ** 4
    down = np.linspace(-1, 1, height) ** 4
    clear = np.clip((1.4 - across[None] - down[:, None]) * 2.5, 0, 1)
    alpha = np.round(clear * 255).astype(np.uint8)
    return Image.fromarray(np.dstack([rgb, alpha]))


def _animated(kind: str, extension: str) -> MakeFlaw:
    def make(rgb: Pixels, data: bytes, _: str, rng: Generator) -> Flawed:
        first = Image.fromarray(rgb)
        scale = min(1.0, 480 / max(first.size))
        first = first.resize((round(first.width * scale), round(first.height * scale)))
        still = np.asarray(first)
        others = [Image.fromarray(np.roll(still, 6 * k, 0)) for k in (1, 2)]
        saved = _saved(first, kind, save_all=True, append_images=others, duration=120, loop=0)
        return extension, saved, scale

    return make


FLAWS: dict[str, MakeFlaw] = {
    "duplicate": _duplicate,
    "truncated": _truncated,
    "monochrome": _monochrome,
    "rescaled": _rescaled,
    "empty": _empty,
    "recompressed": _recompressed,
    "wrong_extension": _wrong_extension,
    "text": _text,
    "page": _page,
    "tiny": _tiny,
    "cmyk": _cmyk,
    "sixteen_bits": _sixteen_bits,
    "transparent": _transparent,
    "palette": _palette,
    "animated_gif": _animated("GIF", "gif"),
    "animated_png": _animated("PNG", "png"),
    "animated_webp": _animated("WEBP", "webp"),
}

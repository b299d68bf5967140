"""Which format a file has, by its first bytes and its name."""

import re
from typing import Literal

from animetools.errors import ItemError, PassedOver
from animetools.images.errors import Unsupported

MAX_PIXELS = 178_000_000  # of an image, unless --max-pixels allows more
HEAD_BYTES = 256  # enough for every signature below

Format = Literal["png", "jpg", "webp"]  # of image files that are written
WRITTEN: dict[str, Format] = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
LARGEST_SIDE = {"png": (1 << 31) - 1, "jpg": 65500, "webp": 16383}  # of the format, or libjpeg

# The raster formats that are decoded in this process, by extension. None that runs another program
# (EPS starts Ghostscript), and no documents.
EXTENSIONS = {
    ".apng": "PNG",
    ".avif": "AVIF",
    ".avifs": "AVIF",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".gif": "GIF",
    ".heic": "HEIC",
    ".heif": "HEIC",
    ".hif": "HEIC",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".jxl": "JPEG XL",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}


def _brands(*names: bytes) -> bytes:
    """Matches the head of an ISO media file with one of these major or (first) compatible brands."""
    either = b"|".join(names)
    return rb"....ftyp(%b|.{8}(....){0,10}(%b))" % (either, either)


def _table(rows: dict[str, bytes]) -> dict[str, re.Pattern[bytes]]:
    return {name: re.compile(signature, re.DOTALL) for name, signature in rows.items()}


_READ = _table(
    {
        "PNG": rb"\x89PNG\r\n\x1a\n(?!....CgBI)",
        "JPEG": rb"\xff\xd8\xff",
        "GIF": rb"GIF8[79]a",
        "WEBP": rb"RIFF....WEBP",
        "TIFF": rb"II[*+]\0(?!.{4}CR\x02)|MM\0[*+]",
        # Many texts begin with "BM": the size of the second header must be a known one too.
        "BMP": rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
        "AVIF": _brands(b"avi[fs]"),
        "HEIC": _brands(b"he(?:i[cxms]|v[cxms])"),
        "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
    }
)
# Image formats that are not supported, and must not count as damaged. Camera files that begin as a
# TIFF does are recognized by their tags (formats/tiff.py).
_UNSUPPORTED = _table(
    {
        "PNG of iOS": rb"\x89PNG\r\n\x1a\n....CgBI",
        "JPEG 2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
        "JPEG XR": rb"II\xbc\x01",
        "JPEG XS": rb"\0\0\0\x0cJXS \r\n\x87\n",
        "PSD": rb"8BPS\0[\x01\x02]",
        "XCF": rb"gimp xcf ",
        "KRA": rb"PK\x03\x04.{26}mimetypeapplication/x-krita",
        "ORA": rb"PK\x03\x04.{26}mimetypeimage/openraster",
        "CLIP": rb"CSFCHUNK",
        "SAI2": rb"SAI-CANVAS",
        "MDP": rb"mdipack",
        "PDN": rb"PDN3",
        "OpenEXR": rb"\x76\x2f\x31\x01",
        "Radiance HDR": rb"#\?(RADIANCE|RGBE)\n",
        "MIFF": rb"id=ImageMagick",
        "DjVu": rb"AT&TFORM",
        "XPM": rb"/\* XPM \*/",
        "XBM": rb"#define \S+_width ",
        "SVG": rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>)?\s*(<!--.*?-->\s*)*(<!DOCTYPE svg[ >]|<svg[\s>])",
        "WMF": rb"\xd7\xcd\xc6\x9a",
        "EMF": rb"\x01\0\0\0.{36} EMF",
        "PCX": rb"\x0a[\0\x02-\x05]\x01[\x01\x02\x04\x08]",
        "TGA": rb".\0[\x02\x03\x0a\x0b]\0{5}.{8}[\x08\x0f\x10\x18\x20]",
        "DIB": rb"\x28\0\0\0.{8}\x01\0[\x01\x04\x08\x10\x18\x20]\0",
        "DDS": rb"DDS \x7c\0\0\0",
        "KTX": rb"\xabKTX ",
        "ICO": rb"\0\0[\x01\x02]\0[\x01-\x40]\0.{3}\0",
        "ICNS": rb"icns\0",
        "PNM": rb"P[1-6fF]\s+(#[^\n]*\n\s*)*-?[\d.]+\s+(#[^\n]*\n\s*)*-?[\d.]+\s|P7\nWIDTH|P7\n#",
        "QOI": rb"qoif\0",
        "FLIF": rb"FLIF[1-D]",
        "BPG": rb"BPG\xfb",
        "MNG": rb"\x8a[MJ]NG\r\n\x1a\n|\x8bJNG\r\n\x1a\n",
        "SGI": rb"\x01\xda[\0\x01][\x01\x02]\0[\x01-\x03]",
        "Sun raster": rb"\x59\xa6\x6a\x95",
        "FITS": rb"SIMPLE  =",
        "DPX": rb"SDPX|XPDS",
        "HEIF": _brands(
            b"mi[fa][1f]", b"msf1", b"avci", b"avcs", b"j2ki", b"j2is", b"jpeg", b"vvic"
        ),
        "CR3": rb"....ftypcrx ",
        "CR2": rb"II[*]\0....CR\x02",
        "ORF": rb"IIR[OS]|MMOR",
        "RW2": rb"IIU\0",
        "RAF": rb"FUJIFILMCCD-RAW",
        "X3F": rb"FOVb",
        "MRW": rb"\0MRM",
    }
)
_MAC = "macOS's notes on a file"
_OTHER_FILES = _table(
    {
        "video": rb"....ftyp|\0...(moov|mdat|wide|free)|\x1a\x45\xdf\xa3|RIFF....AVI |FLV\x01|OggS|"
        rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11|\0\0\x01[\xba\xb3]",
        "sound": rb"ID3|fLaC|RIFF....WAVE",
        "archive": rb"PK\x03\x04|PK\x05\x06|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|\x1f\x8b\x08|BZh[1-9]1AY|"
        rb"\xfd7zXZ\0|\x28\xb5\x2f\xfd",
        "document": rb"%PDF-|%!PS|\xc5\xd0\xd3\xc6|\{\\rtf",
        _MAC: rb"\0\x05\x16[\x07\0]\0[\x01\x02]\0\0|\0\0\0\x01Bud1",
    }
)
_NAMED = {".tga": "TGA", ".pcx": "PCX", ".sai": "SAI"}  # formats that may lack a signature
# Camera files that begin as a TIFF does; a TIFF decoder would show their preview.
_RAW = (
    *(".3fr", ".arw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25", ".kdc", ".mef", ".mos"),
    *(".nef", ".nrw", ".pef", ".sr2", ".srf", ".srw"),
)


def format_by_name(path: str) -> str | None:
    """The supported format that the file's extension stands for."""
    return EXTENSIONS.get(_extension(path))


def format_by_content(head: bytes) -> str | None:
    """The supported format whose signature is in the first HEAD_BYTES bytes."""
    return _match(_READ, head)


def recognize(path: str, head: bytes) -> str | None:
    """The format of a file by its content; None if only its name says that it is an image.

    Raises PassedOver for a file that is not an image by name or content, and Unsupported for an
    image format that is not supported.
    """
    found = format_by_content(head)
    if found == "TIFF" and _extension(path) in _RAW:
        raise Unsupported("camera raw")
    if found:
        return found
    if kind := _match(_UNSUPPORTED, head):
        raise Unsupported(kind)
    if kind := _match(_OTHER_FILES, head):
        raise PassedOver(kind)
    if path.rpartition("/")[2].startswith("._"):
        raise PassedOver(_MAC)
    if head and (kind := _NAMED.get(_extension(path))):
        raise Unsupported(kind)
    if format_by_name(path) is None:
        raise PassedOver("not an image by name or content")
    return None


def check_side(image_format: Format, width: int, height: int) -> None:
    """Raise ItemError for a size that a format cannot hold."""
    most = LARGEST_SIDE[image_format]
    if max(width, height) > most:
        raise ItemError(f"{image_format} allows at most {most} pixels a side, not {width}x{height}")


def _match(table: dict[str, re.Pattern[bytes]], head: bytes) -> str | None:
    for name, signature in table.items():
        if signature.match(head):
            return name
    return None


def _extension(path: str) -> str:
    dot = path.rfind(".")
    return path[dot:].lower() if dot > path.rfind("/") else ""

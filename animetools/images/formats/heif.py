"""Properties of an AVIF or HEIC file that its decoder does not return."""

from collections.abc import Iterator

from animetools.images.errors import Unsupported
from animetools.images.formats.profiles import profile_of_cicp


def color_profile(data: bytes, image_format: str) -> bytes:
    """An ICC profile for the color code points of a file without a profile; empty for sRGB.

    Raises Unsupported for unknown code points, and for an AVIF with a crop property.
    """
    properties = _properties(data)
    if image_format == "AVIF" and any(kind == b"clap" for kind, _ in properties):
        raise Unsupported("AVIF with a crop")  # libheif crops, Pillow does not
    colors = [body for kind, body in properties if kind == b"colr"]
    points = [body for body in colors if body[:4] == b"nclx"]
    if not points or len(points) < len(colors):  # an ICC profile takes precedence
        return b""
    primaries, transfer = (int.from_bytes(points[0][at : at + 2]) for at in (4, 6))
    return profile_of_cicp(primaries, transfer, image_format)


def _properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """The type and content of each property of the main picture.

    Source: ISO/IEC 14496-12, section 8.11 (meta, pitm, iprp); ISO/IEC 23008-12, section 9.3.
    """
    meta = b"".join(body[4:] for kind, body in _boxes(data) if kind == b"meta")
    inside = dict(_boxes(meta))
    main = int.from_bytes(inside.get(b"pitm", b"")[4:])
    lists = list(_boxes(inside.get(b"iprp", b"")))
    known = [box for kind, body in lists if kind == b"ipco" for box in _boxes(body)]
    used = {number for kind, body in lists if kind == b"ipma" for number in _uses(body, main)}
    return [known[number - 1] for number in sorted(used) if 0 < number <= len(known)]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4]) or len(data)
        start = position + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8]), start + 8
        end = min(position + size, len(data))
        if end < start:
            return
        yield data[position + 4 : position + 8], data[start:end]
        position = end


def _uses(body: bytes, item: int) -> Iterator[int]:
    """The property numbers of an item, from an ipma box."""
    long_items, long_numbers = body[:1] > b"\0", bool(body[3:4] > b"\0" and body[3] & 1)
    position = 8
    while position + 3 <= len(body):
        wide = 4 if long_items else 2
        found = int.from_bytes(body[position : position + wide])
        count = int.from_bytes(body[position + wide : position + wide + 1])
        position += wide + 1
        for _ in range(count):
            step = 2 if long_numbers else 1
            number = int.from_bytes(body[position : position + step])
            if found == item:
                yield number & (0x7FFF if long_numbers else 0x7F)
            position += step

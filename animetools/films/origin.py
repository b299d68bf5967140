"""Where a film comes from, in those files whose muxer in FFmpeg writes no metadata."""

import os

from animetools.images.formats.png import text_chunk

GIF_END, PNG_END = b"\x3b", b"\0\0\0\0IEND\xaeB`\x82"


def add_text(path: str, kind: str, text: str) -> None:
    """Add ASCII text at the end of a GIF, as a comment, or of an APNG, as its Description."""
    if kind == "gif":
        _insert(path, GIF_END, comment(text))
    elif kind == "apng":
        _insert(path, PNG_END, text_chunk("Description", text))


def comment(text: str) -> bytes:
    """A comment extension.

    Source: GIF89a, section 24.
    """
    data = text.encode("ascii")
    parts = [data[n : n + 255] for n in range(0, len(data), 255)]
    return b"\x21\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def _insert(path: str, end: bytes, data: bytes) -> None:
    """Put data before the last bytes of a file."""
    with open(path, "r+b") as file:
        file.seek(-len(end), os.SEEK_END)
        assert file.read() == end
        file.seek(-len(end), os.SEEK_END)
        file.write(data + end)

"""Texts as rows of words, each a number, so that arrays can compare them.

Words are separated by whitespace and punctuation, and compared without case, so that a copy with
other line breaks is still a copy. In writing without spaces, as Japanese, a word is a sentence.
"""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from animetools.text.encoding import opened

Words = NDArray[np.uint64]

CHUNK = 1 << 20  # characters
APART = bytes(range(0x30)) + b":;<=>?@[\\]^_`{|}~\x7f"  # ASCII that separates words
_LOWER = bytes.maketrans(bytes(range(65, 91)) + APART, bytes(range(97, 123)) + b" " * len(APART))
# Spaces and punctuation beyond ASCII: U+00A0-00BF, U+2000-206F, U+3000-303F.
_BEYOND = re.compile(
    rb"\xc2[\xa0-\xbf]|\xe2(?:\x80[\x80-\xbf]|\x81[\x80-\xaf])|\xe3\x80[\x80-\xbf]"
)


def words(text: bytes) -> Words:
    """Hashes of the words of a UTF-8 text, uint64 [N]: equal for equal words, in one process."""
    found = _BEYOND.sub(b" ", text.translate(_LOWER)).split()
    return np.fromiter(map(hash, found), np.int64, len(found)).view(np.uint64)


def words_of(path: str) -> Iterator[Words]:
    """The words of a text file of any length and encoding, in parts.

    Raises as encoding.opened does.
    """
    with opened(path) as file:
        rest = b""
        while text := file.read(CHUNK):
            chunk = rest + text.encode(errors="surrogateescape")
            cut = max(chunk.rfind(b" "), chunk.rfind(b"\n")) + 1
            if not cut and len(chunk) < 2 * CHUNK:
                rest = chunk
                continue
            cut = cut or len(chunk)  # not a word at that length: cut it anywhere
            yield words(chunk[:cut])
            rest = chunk[cut:]
        yield words(rest)


def runs(some: Words, length: int) -> Words:
    """Hashes of all runs of `length` words, uint64 [N - length + 1]: equal for equal runs."""
    if len(some) < length:
        return np.zeros(0, np.uint64)
    total = np.zeros(len(some) - length + 1, np.uint64)
    for first in range(length):  # Horner, modulo 2^64
        total = total * np.uint64(0x9E3779B97F4A7C15) + some[first : first + len(total)]
    return total ^ (total >> np.uint64(32))


def novelty(text: str) -> float:
    """The share of distinct runs among a text's runs of four words; 1 repeats nothing.

    It is 1 - rep-4 of Welleck et al. 2020 (Neural text generation with unlikelihood training),
    section 6.1.
    """
    found = runs(words(text.encode()), 4)
    return len(np.unique(found)) / len(found) if len(found) else 1.0

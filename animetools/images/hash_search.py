"""Near hashes among millions, found without looking at all of them."""

from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]  # [N, words]
Numbers = NDArray[np.int64]
Bits = NDArray[np.uint16]

_MOST_CHUNKS = 16  # of 16 bits for a hash of 256; too many pictures share a shorter chunk
_MOST_FLIPS = 2  # of bits in a chunk; more probe so many buckets that a scan is as fast
_WORTH = 64  # hashes that are scanned in the time of one probe
_TAIL = 1024  # newest hashes, which are scanned
_GROWTH = 8  # a segment is more than so many times as large as the next
_BLOCK = 1 << 16  # hashes whose bits are unpacked at once
_ODD = np.uint64(0x9E3779B97F4A7C15)  # of Fibonacci hashing: 2**64 divided by the golden ratio


class HashSearch:
    """Finds all hashes that differ from a given one in a few bits; exact.

    Multi-index hashing (Norouzi, Punjani and Fleet 2012, "Fast search in Hamming space with
    multi-index hashing"): the bits are dealt to m chunks, and by the pigeonhole principle two hashes
    that differ in at most r bits have a chunk that differs in at most r // m. Look-ups are fastest
    for up to `most_bits`; others are allowed.

    It is kept in memory: for a hash of 256 bits and 8 chunks 32 + 36 bytes, and some more as it grows.
    """

    def __init__(self, bits: int, most_bits: int) -> None:
        assert bits % 64 == 0
        self.chunks = _Chunks(bits, min(most_bits + 1, _MOST_CHUNKS))
        self.hashes: Hashes = np.zeros((_TAIL, bits // 64), np.uint64)
        self.count = 0
        self.segments: list[_Segment] = []

    def add(self, code: bytes) -> int:
        """Add a hash; its number is how many were added before."""
        self.extend(np.frombuffer(code, np.uint64)[None])
        return self.count - 1

    def extend(self, codes: Hashes) -> None:
        """Add hashes, the bytes of each as uint64 [N, words]."""
        needed = self.count + len(codes)
        if needed > len(self.hashes):
            grown = np.zeros((max(needed, len(self.hashes) * 3 // 2), codes.shape[1]), np.uint64)
            grown[: self.count] = self.hashes[: self.count]
            self.hashes = grown
        self.hashes[self.count : needed] = codes
        self.count = needed
        start = self.segments[-1].end if self.segments else 0
        if self.count - start < _TAIL:
            return
        while self.segments and self.segments[-1].count <= _GROWTH * (self.count - start):
            start = self.segments.pop().start
        self.segments.append(_Segment.of(self.chunks, self.hashes, start, self.count))

    def near(self, code: bytes, most_bits: int) -> tuple[Numbers, Bits]:
        """The numbers, ascending, of hashes that differ in at most `most_bits`, and in how many."""
        wanted = np.frombuffer(code, np.uint64)
        flips = most_bits // self.chunks.count
        if flips > _MOST_FLIPS:
            return self._scanned(0, wanted, most_bits)
        probes = self.chunks.probes(wanted, flips)
        if probes.size * _WORTH > self.count:
            return self._scanned(0, wanted, most_bits)
        found = [segment.members_of(probes) for segment in self.segments]
        newest = self._scanned(self.segments[-1].end if self.segments else 0, wanted, most_bits)
        if not found:
            return newest
        numbers = np.concatenate(found)
        bits = _differing(self.hashes.take(numbers, axis=0), wanted)
        close = (bits <= most_bits).nonzero()[0]
        if not close.size:
            return newest
        near, first = np.unique(numbers[close], return_index=True)
        return np.concatenate([near, newest[0]]), np.concatenate([bits[close][first], newest[1]])

    def _scanned(self, start: int, wanted: Hashes, most_bits: int) -> tuple[Numbers, Bits]:
        """The same, of all hashes from a number on."""
        near, bits = [], []
        for block in range(start, max(self.count, start + 1), _BLOCK):
            some = _differing(self.hashes[block : min(block + _BLOCK, self.count)], wanted)
            close = (some <= most_bits).nonzero()[0]
            near.append(close + block)
            bits.append(some[close])
        return np.concatenate(near), np.concatenate(bits)


def _differing(codes: Hashes, wanted: Hashes) -> Bits:
    counts = np.bitwise_count(codes ^ wanted)
    bits: Bits
    if len(wanted) == 1:
        bits = counts[:, 0].astype(np.uint16)
    else:
        bits = counts @ np.ones(len(wanted), np.uint16)  # three times as fast as sum(axis=1)
    return bits


class _Chunks:
    """How bits are dealt to chunks: by chance, since neighbors are often equal."""

    def __init__(self, bits: int, count: int) -> None:
        self.count = count
        self.width = min(-(-bits // count), 64)
        order = np.random.RandomState(0).permutation(bits)
        self.deal = np.zeros((count, 64), np.intp)  # the bit of each place
        self.used = np.zeros((count, 64), np.uint8)  # 0 for a place without a bit
        for chunk in range(count):
            dealt = order[chunk::count][: self.width]
            self.deal[chunk, : len(dealt)] = dealt
            self.used[chunk, : len(dealt)] = 1
        self.masks: dict[int, Hashes] = {}

    def cut(self, codes: Hashes) -> Hashes:
        """The chunks of hashes [N, words] as uint64 [N, chunks]."""
        bits = np.unpackbits(codes.view(np.uint8), axis=1)
        dealt = bits.take(self.deal, axis=1) * self.used
        return np.packbits(dealt, axis=-1).view(np.uint64)[..., 0]

    def probes(self, code: Hashes, flips: int) -> Hashes:
        """The chunks of one hash [words], also with up to so many bits flipped: [chunks, P]."""
        if flips not in self.masks:
            self.masks[flips] = self._masks(flips)
        return self.cut(code[None]).T ^ self.masks[flips]

    def _masks(self, flips: int) -> Hashes:
        places = np.packbits(np.eye(64, dtype=np.uint8), axis=1).view(np.uint64)[:, 0]
        chosen = (some for n in range(flips + 1) for some in combinations(range(self.width), n))
        zero = np.uint64(0)
        return np.array(
            [np.bitwise_xor.reduce(places[list(some)], initial=zero) for some in chosen]
        )


@dataclass(frozen=True)
class _Segment:
    """The hashes of a range of numbers by their chunks, in buckets."""

    start: int
    end: int
    shift: np.uint64  # 64 less the bits of a bucket's number within its chunk
    first: NDArray[np.int32]  # [buckets + 1]: where in `members` a bucket begins
    members: NDArray[np.int32]  # numbers of hashes, less `start`

    @classmethod
    def of(cls, chunks: _Chunks, hashes: Hashes, start: int, end: int) -> Self:
        """A segment of these hashes."""
        count = end - start
        bits = max(count.bit_length() - 2, 8)  # two to four hashes in a bucket
        shift = np.uint64(64 - bits)
        buckets = np.empty((chunks.count, count), np.int32)
        for block in range(0, count, _BLOCK):
            some = hashes[start + block : min(start + block + _BLOCK, end)]
            buckets[:, block : block + len(some)] = _bucket(chunks.cut(some), shift).T
        members = np.empty((chunks.count, count), np.int32)
        first = np.zeros((chunks.count << bits) + 1, np.int32)
        for chunk in range(chunks.count):
            members[chunk] = np.argsort(buckets[chunk], kind="stable")
            sizes = np.bincount(buckets[chunk], minlength=1 << bits)
            first[(chunk << bits) + 1 : ((chunk + 1) << bits) + 1] = sizes
        np.cumsum(first, out=first)
        return cls(start, end, shift, first, members.ravel())

    @property
    def count(self) -> int:
        """The number of hashes."""
        return self.end - self.start

    def members_of(self, probes: Hashes) -> Numbers:
        """The numbers of hashes in the buckets of these chunks [chunks, P]."""
        rows = np.arange(len(probes))[:, None] << int(64 - self.shift)
        places = (rows + _bucket(probes, self.shift)).ravel()
        begins, ends = self.first[places], self.first[places + 1]
        ranges = zip(begins.tolist(), ends.tolist(), strict=True)
        found = np.concatenate([self.members[begin:end] for begin, end in ranges])
        return found + np.int64(self.start)


def _bucket(chunks: Hashes, shift: np.uint64) -> Numbers:
    return ((chunks * _ODD) >> shift).astype(np.int64)

"""Near-duplicates among a million: look-ups beside comparing all with numpy, memory, an index file.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/million.py [--count N] [--work FOLDER]

The hashes are average hashes of made pictures whose spectrum falls as that of real ones does, so many
share most of their bits, as a collection's do; and random ones. The peer is the fastest way to compare
one hash with all in numpy (XOR, bitwise_count, sum), in two layouts, measured in the same run. Both
must find the same. Then the same number of pictures goes into an index file (1.5 GB a million), and
--index is used on it as animeclean does. Times are CPU seconds, of one thread.
"""

import argparse
import multiprocessing
import os
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from animetools.images.duplicates import Choice
from animetools.images.gallery import Gallery
from animetools.images.hash_search import Hashes, HashSearch
from animetools.images.hashes import HASH_BITS, HASH_SIDE, Fingerprint
from animetools.images.index_file import Index
from animetools.images.likeness import Likeness
from animetools.images.listed import Listed
from animetools.images.measure import Measured

NEAR = 0.97
SPAWN = multiprocessing.get_context("spawn")
BITS = Likeness(NEAR).most_bits
QUERIES = 500


def picturelike(count: int, rng: np.random.Generator) -> Hashes:
    """Average hashes of pictures with amplitudes that are inverse to their frequency."""
    side = np.arange(HASH_SIDE)
    frequency = np.hypot(side[:, None], side[None])
    frequency[0, 0] = np.inf
    basis = np.stack(
        [
            cv2.idct(np.eye(1, HASH_BITS, n, np.float32).reshape(HASH_SIDE, HASH_SIDE)).ravel()
            for n in range(HASH_BITS)
        ]
    )
    weighted = basis / frequency.reshape(-1, 1).astype(np.float32)
    parts = []
    for start in range(0, count, 1 << 16):
        drawn = rng.standard_normal((min(1 << 16, count - start), HASH_BITS), np.float32)
        parts.append(np.packbits(drawn @ weighted > 0, axis=1))
    return np.concatenate(parts).view(np.uint64)


def coarse(count: int, rng: np.random.Generator) -> Hashes:
    """Coarse hashes of pictures: which of the lowest frequencies are above their median."""
    side = np.arange(8)
    frequency = np.hypot(side[:, None], side[None]).ravel()
    frequency[0] = 0.1
    drawn = rng.standard_normal((count, 64), np.float32) / frequency.astype(np.float32)
    drawn[:, 0] = np.abs(drawn[:, 0])
    return np.packbits(drawn > np.median(drawn, axis=1, keepdims=True), axis=1).view(np.uint64)


def timed(work: Callable[[bytes], Any], codes: list[bytes]) -> tuple[float, list[Any]]:
    """CPU seconds a call, and the results."""
    start = time.process_time()
    found = [work(code) for code in codes]
    return (time.process_time() - start) / len(codes), found


def peak() -> float:
    """The most memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def look_ups(name: str, codes: Hashes) -> None:
    """Compare the search with the peers."""
    start = time.process_time()
    search = HashSearch(HASH_BITS, BITS)
    search.extend(codes)
    built = time.process_time() - start
    wanted = [code.tobytes() for code in codes[:: max(1, len(codes) // QUERIES)]]
    columns = np.ascontiguousarray(codes.T)

    def by_rows(code: bytes) -> Any:
        bits = np.bitwise_count(codes ^ np.frombuffer(code, np.uint64)).sum(axis=1, dtype=np.uint16)
        return np.flatnonzero(bits <= BITS)

    def by_columns(code: bytes) -> Any:
        bits = np.bitwise_count(columns ^ np.frombuffer(code, np.uint64)[:, None])
        return np.flatnonzero(bits.sum(axis=0, dtype=np.uint16) <= BITS)

    ours, found = timed(lambda code: search.near(code, BITS)[0], wanted)
    rows, expected = timed(by_rows, wanted[:50])
    columned, also = timed(by_columns, wanted[:50])
    for one, other, third in zip(found, expected, also, strict=False):
        assert one.tolist() == other.tolist() == third.tolist()
    pairs = sum(map(len, found)) / len(found) - 1
    print(
        f"{name}: built in {built:.1f} s; a look-up takes {ours * 1e6:.0f} us and finds {pairs:.1f}"
        f" others; numpy {rows * 1e3:.1f} ms by rows ({rows / ours:.0f} x), {columned * 1e3:.1f} ms"
        f" by columns ({columned / ours:.0f} x); memory so far {peak():.0f} MB"
    )


def fingerprint(code: bytes, rng: np.random.Generator) -> Fingerprint:
    """A picture with this hash, and blobs of brightness."""
    blobs = rng.integers(0, 256, (6, 6)).astype(np.uint8)
    view = np.asarray(cv2.resize(blobs, (32, 32), interpolation=cv2.INTER_CUBIC), np.uint8)
    return Fingerprint(rng.bytes(16), rng.bytes(16), code, bytes(128), view.tobytes())


def fill(path: str, codes: Hashes, rng: np.random.Generator) -> None:
    """Make an index of so many kept pictures."""
    Index.of(path).close()
    row = "(number, path, place, mtime, made, width, height, bytes, colors, content, pixels, shape,"
    row += " hues, details, origin, view)"
    view = fingerprint(b"", rng).view
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA synchronous = OFF")
        base.executemany(
            f"INSERT INTO pictures {row} VALUES (?, ?, ?, 0, 0, 512, 512, 1, 1, ?, ?, ?, ?, 0, '', ?)",
            (
                (n, name, b"/pictures/" + name, rng.bytes(16), rng.bytes(16), code.tobytes(),
                 bytes(128), view)
                for n, code in enumerate(codes, 1)
                for name in [b"danbooru/%04d/%d.jpg" % (n % 1000, n)]
            ),
        )  # fmt: skip
        base.execute("UPDATE pictures SET origin = zeroblob(0)")
        base.executemany(
            "INSERT INTO kept (picture, shape, coarse, source) VALUES (?, ?, ?, zeroblob(0))",
            (
                (n, code.tobytes(), low.tobytes())
                for n, (code, low) in enumerate(zip(codes, coarse(len(codes), rng), strict=True), 1)
            ),
        )
    base.close()


def index(path: str, count: int, cropped: bool) -> None:
    """Judge new pictures against an index file."""
    rng = np.random.default_rng(int(cropped))
    start = time.process_time()
    gallery = Gallery(Index.of(path), Likeness(NEAR, cropped=cropped))
    opened = time.process_time() - start
    choice = Choice(gallery, None, None, 0)
    news = [
        Listed(
            f"/new/{cropped}/{n}.jpg", 0, Measured(512, 512, 1, 1, fingerprint(code.tobytes(), rng))
        )
        for n, code in enumerate(picturelike(QUERIES, rng))
    ]
    start = time.process_time()
    for listed in news:
        choice.judge(listed)
    judged = (time.process_time() - start) / len(news)
    choice.close()
    print(
        f"--index of {count} pictures{' --cropped' * cropped}: {os.path.getsize(path) / 1e9:.2f} GB;"
        f" opened in {opened:.1f} s; a new picture is judged and entered in {judged * 1e3:.2f} ms;"
        f" memory at most {peak():.0f} MB",
        flush=True,
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path)
    told = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        path = str((told.work or Path(scratch)) / "million.sqlite")
        if not os.path.exists(path):
            fill(path, picturelike(told.count, rng), rng)
        for cropped in (False, True):  # in processes of their own, for their memory
            child = SPAWN.Process(target=index, args=(path, told.count, cropped))
            child.start()
            child.join()
    look_ups("picture-like", picturelike(told.count, rng))
    look_ups("random", rng.integers(0, 2**64, (told.count, 4), dtype=np.uint64))


if __name__ == "__main__":
    main()

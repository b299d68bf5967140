"""The search of animenear beside NumPy's plain product, and libraries for approximate neighbors.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/nearest.py [--references 70000] [--queries 64]

Features are random mixtures of 48 directions, not negative, as those of the tagger that ships; hashes
are random bits. Prints the computing time of a query on one core, in batches as animenear has them,
the memory of the references, and the ratio to the product. If faiss is installed, also how long its
HNSW index takes to build, and how often it finds the nearest.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from animetools.commands.animenear import AT_ONCE
from animetools.neighbors.comparison import Rows, Search
from animetools.neighbors.features import Product
from animetools.neighbors.hashes import WORDS, Hashes
from animetools.neighbors.reference import Reference

WIDTH, DIRECTIONS = 384, 48


def timed(name: str, count: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """The seconds of computing, and what came out."""
    begun = time.process_time()
    found = work()
    seconds = time.process_time() - begun
    print(f"{name:34} {1000 * seconds / count:8.2f} ms")
    return seconds / count, found


def searched(search: Search, queries: Rows) -> list[int]:
    """The nearest of each query, a batch at a time."""
    found: list[int] = []
    none = [np.arange(0)] * AT_ONCE
    for at in range(0, len(queries), AT_ONCE):
        some = queries[at : at + AT_ONCE]
        found += [one.row if one else -1 for one in search(some, none[: len(some)])]
    return found


def plain(references: Rows, queries: Rows) -> list[int]:
    """The same by one product in single precision."""
    halves = np.square(references).sum(1) / 2
    found: list[int] = []
    for at in range(0, len(queries), AT_ONCE):
        scores = references @ queries[at : at + AT_ONCE].T - halves[:, None]
        found += scores.argmax(0).tolist()
    return found


def main() -> None:
    """Features, then hashes, then the memory of all that is known of the references."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--references", type=int, default=70_000)
    parser.add_argument("--queries", type=int, default=64)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    count, random = chosen.references, np.random.default_rng(0)
    directions = random.standard_normal((DIRECTIONS, WIDTH)).astype(np.float32)

    def made(count: int) -> Rows:
        rows = np.empty((count, WIDTH), np.float16)
        for at in range(0, count, 10_000):
            size = min(10_000, count - at)
            some = random.standard_normal((size, DIRECTIONS)).astype(np.float32) @ directions
            some = np.maximum(some, 0)
            rows[at : at + size] = some / np.linalg.norm(some, axis=1, keepdims=True)
        return rows

    references, queries = made(count), made(chosen.queries)
    print(f"{count:,} references; a query takes")
    product = Product(references, torch.device("cpu"))
    ours, found = timed("animenear, features", len(queries), lambda: searched(product, queries))
    single = references.astype(np.float32)
    peer, same = timed(
        "numpy, one product", len(queries), lambda: plain(single, queries.astype(np.float32))
    )
    agree = np.mean([one == other for one, other in zip(found, same, strict=True)])
    print(f"  {ours / peer:.2f} of numpy's time; {agree:.1%} the same")
    if importlib.util.find_spec("faiss"):
        import faiss  # type: ignore[import-not-found]

        faiss.omp_set_num_threads(1)
        index = faiss.IndexHNSWFlat(WIDTH, 32)
        index.hnsw.efConstruction, index.hnsw.efSearch = 100, 128
        building, _ = timed("faiss, HNSW, to build, a reference", count, lambda: index.add(single))
        approximate, near = timed(
            "faiss, HNSW",
            len(queries),
            lambda: index.search(queries.astype(np.float32), 1)[1][:, 0],
        )
        right = np.mean([one == other for one, other in zip(found, near, strict=True)])
        pays = building * count / max(ours - approximate, 1e-9)
        print(f"  {right:.1%} right; building pays from {pays:,.0f} queries on")
    hashes = random.integers(0, 2**64, (count, WORDS), np.uint64)
    wanted = hashes[: chosen.queries] ^ np.uint64(1)
    search = Hashes().search(hashes)
    timed("animenear, hashes", len(wanted), lambda: searched(search, wanted))
    reference = Reference("faces.zip")
    for number in range(count):
        reference.add(f"faces.zip/{number // 1000:05d}/img{number:08d}.png", {}, f"{number}")
    paths = sum(len(path) + 49 for path in reference.paths) + 8 * count
    known = paths + len(reference.keys) + 8 * (len(reference.numbers) + len(reference.files))
    megabytes = [size / 1e6 for size in (references.nbytes, hashes.nbytes, known)]
    print(
        "memory: {:.0f} MB of features, or {:.0f} of hashes, and {:.0f} of names".format(*megabytes)
    )


if __name__ == "__main__":
    main()

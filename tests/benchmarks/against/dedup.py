"""The peer of duplicates.py: pairs of copies among the pictures of a folder, by imagededup's hashes.

    python -m tests.benchmarks.against.dedup FOLDER PAIRS.json

Writes for each hash and threshold the pairs of file names. Of imagededup only the hashes are used: what
only its network needs is replaced by empty modules, so that torch need not be installed. Timed is PHash
at its own threshold.
"""

import importlib.abc
import importlib.machinery
import json
import logging
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

from tests.benchmarks.against.turns import serve

ABSENT = ("torch", "torchvision", "sklearn", "matplotlib")
THRESHOLDS = (10, 4, 0)  # of 64 bits: its own, and those that suit copies


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives empty modules for libraries that only a network of imagededup needs."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """One of the modules, if it is of such a library."""
        known = name.split(".")[0] in ABSENT
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if known else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """An object that has everything."""
        module = MagicMock()
        module.__path__ = []
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to execute."""


def pairs(hasher: Any, folder: str, thresholds: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    """The pairs at each threshold."""
    codes = hasher.encode_images(image_dir=folder, recursive=True, num_enc_workers=0)
    found = {}
    for most in thresholds:
        others = hasher.find_duplicates(
            encoding_map=codes, max_distance_threshold=most, num_dist_workers=0
        )
        found[most] = sorted({(min(a, b), max(a, b)) for a in others for b in others[a]})
    return found


def main(folder: str, file: str) -> None:
    """Write the pairs, then do the work whenever asked."""
    sys.meta_path.insert(0, Absent())
    logging.disable()
    warnings.simplefilter("ignore")
    from imagededup import methods  # type: ignore[import-not-found]

    hashers = {name: getattr(methods, name)(verbose=False) for name in ("PHash", "DHash", "AHash")}
    found = {
        f"imagededup {name}, {most} bits": some
        for name, hasher in hashers.items()
        for most, some in pairs(hasher, folder, THRESHOLDS).items()
    }
    Path(file).write_text(json.dumps(found))
    serve(partial(pairs, hashers["PHash"], folder, THRESHOLDS[:1]))


if __name__ == "__main__":
    main(*sys.argv[1:])

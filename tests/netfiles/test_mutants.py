"""Broken files of every kind: tests/benchmarks/mutants.py does the same ten thousand times."""

from pathlib import Path

import pytest

from animetools.errors import ItemError
from tests.netfiles.mutants import ORIGINALS, Mutants, read


@pytest.mark.filterwarnings("ignore::animetools.errors.Advice")
@pytest.mark.parametrize("kind", ORIGINALS)
def test_broken_files_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    original = ORIGINALS[kind]()
    read(original, tmp_path)
    mutants = Mutants(original, kind)
    refusals = 0
    for _ in range(40):
        try:
            read(mutants.next(), tmp_path)
        except ItemError as error:
            assert "\n" not in str(error)
            refusals += 1
    assert refusals > 10

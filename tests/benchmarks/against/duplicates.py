"""animeclean beside imagededup: the copies found among drawn pictures, and the CPU seconds it takes.

animeclean also checks that each file is whole, counts its colors, and starts again at each turn.
"""

import json
import tempfile
from pathlib import Path

from tests.benchmarks.against.turns import compare, peer, timed
from tests.benchmarks.duplicates import cleaned, drawn, number_of, report

COUNT, SEED = 400, 5


def measure(python: Path) -> None:
    """Print what both find, then how long they take."""
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        raw, total = drawn(COUNT, SEED, work)
        file = work / "pairs.json"
        theirs = peer(python, "tests.benchmarks.against.dedup", str(raw), str(file))
        turns = {"animeclean": timed(lambda: cleaned("", work)), "imagededup PHash": theirs}
        compare(f"copies in {total} pictures", turns)
        report("animeclean", cleaned("", work)[0], SEED, total)
        for name, pairs in json.loads(file.read_text()).items():
            report(name, [(number_of(one), number_of(other)) for one, other in pairs], SEED, total)

"""Ours beside what a user would pick instead: CPU seconds, medians of three turns taken in one run.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/peers.py [SECTION ...] [--env FOLDER]

Peers are installed by pip into an environment of their own, which is kept: build/peers, or FOLDER.
Without a SECTION, all are measured.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.against import duplicates, engine, pictures, text
from tests.benchmarks.against.turns import ROOT

# What pip installs, and what measures against it.
SECTIONS: dict[str, tuple[list[str], Callable[[Path], None]]] = {
    "engine": (engine.PACKAGES, engine.measure),
    "upscaling": (pictures.PACKAGES, pictures.upscaling),
    "tagging": (pictures.PACKAGES, pictures.tagging),
    # Its hashes alone: with what it depends on, pip would install torch.
    "duplicates": (
        ["--no-deps", "imagededup", "numpy", "pillow", "scipy", "pywavelets", "tqdm"],
        duplicates.measure,
    ),
    "text": (text.PACKAGES, text.measure),
}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--env", type=Path, default=ROOT / "build" / "peers")
    given = parser.parse_args()
    if unknown := set(given.sections) - set(SECTIONS):
        parser.error(f"unknown section: {', '.join(sorted(unknown))}")
    python: Path = given.env / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", given.env], check=True)
    for name in given.sections or SECTIONS:
        packages, measure = SECTIONS[name]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        measure(python)


if __name__ == "__main__":
    main()

"""How many crops of copies the README's pipe finds, and how many pairs it wrongly takes for copies.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/copies.py RAW [--cascade FILE] [--work FOLDER]

RAW is a folder of pictures that differ from each other. Of each it makes copies: JPEG at quality 60,
half the size, WebP at quality 75, 5 % brighter, a small watermark; then it runs `animecrop` on all.
A crop of a copy is found if `animeclean` drops it for one that shows the same face: of the same
picture, with boxes whose intersection is at least 0.4 of their union. Dropped for any other crop, it
is a wrong pair (or RAW holds the picture twice). All that first with the journal, which knows the
sources, then by the crops' own hashes alone. --work keeps the files, and takes them up again.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tests.conftest import ROOT

SMALLEST = 64  # pixels of a face: half of animecrop's default, so that the half size keeps it
NEARS = ("99%", "98%", "97%", "95%")
SAME_FACE = 0.4

Record = dict[str, Any]
Records = dict[str, Record]


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    """The image as a file of this kind."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def marked(image: Image.Image) -> Image.Image:
    """The image with an address in its corner."""
    size = max(10, image.width // 40)
    copy = image.copy()
    ImageDraw.Draw(copy).text(
        (image.width - size, image.height - size),
        "example.com",
        anchor="rs",
        fill="white",
        stroke_fill="black",
        stroke_width=max(1, size // 10),
        font=ImageFont.load_default(size),
    )
    return copy


def copies(image: Image.Image) -> Iterator[tuple[str, str, bytes]]:
    """Kind, extension and bytes of each copy."""
    half = image.resize(
        (max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS
    )
    yield "jpeg 60", "jpg", encoded(image, "JPEG", quality=60)
    yield "half size", "png", encoded(half, "PNG")
    yield "webp 75", "webp", encoded(image, "WEBP", quality=75)
    yield (
        "brighter",
        "png",
        encoded(image.point(lambda level: min(255, round(level * 1.05))), "PNG"),
    )
    yield "watermark", "png", encoded(marked(image), "PNG")


def run(line: str, folder: Path) -> str:
    """Run a line of bash with the commands on PATH."""
    path = f"{ROOT / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        raise SystemExit(f"{line}\n{done.stderr}")
    return done.stdout


def overlap(one: list[float], other: list[float]) -> float:
    """Intersection over union of two boxes."""
    (x, y, w, h), (u, v, a, b) = one, other
    across, down = min(x + w, u + a) - max(x, u), min(y + h, v + b) - max(y, v)
    shared = max(0.0, across) * max(0.0, down)
    return shared / (w * h + a * b - shared)


def judged(place: Path, near: str, records: Records) -> None:
    """Clean the crops at one threshold, and print what was found of each kind."""
    run(
        "animeclean -q --min-side 1 --keep-grey --min-colors 1 -"
        f" --near {near} --rejects r.tsv < crops.txt",
        place,
    )
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    rejects = [line.split("\t") for line in (place / "r.tsv").read_text().splitlines()]
    evidence = {path: other for path, reason, other in rejects if reason != "listed twice"}
    for path, record in records.items():
        kind = record["kind"]
        others = [
            other
            for other in records.values()
            if other["kind"] == "raw" and same_face(record, other)
        ]
        if kind != "raw" and others:
            found[kind]["crops"] += 1
            found[kind]["found"] += path in evidence
        if path in evidence and not same_face(record, records[evidence[path]]):
            found[kind]["wrong"] += 1
            print(f"    {path} was taken for {evidence[path]}")
    shares = "  ".join(
        f"{kind} {count['found']}/{count['crops']}"
        for kind, count in found.items()
        if kind != "raw"
    )
    crops, hits, wrong = (
        sum(count[name] for count in found.values()) for name in ("crops", "found", "wrong")
    )
    print(f"  --near {near}: {hits / max(crops, 1):.1%} of {crops} found, {wrong} wrong: {shares}")


def same_face(one: Record, other: Record) -> bool:
    """Whether two crops show one face of one picture."""
    same_picture: bool = one["picture"] == other["picture"]
    return same_picture and overlap(one["place"], other["place"]) >= SAME_FACE


def main() -> None:
    """Make copies, crop, clean, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("raw", type=Path)
    parser.add_argument("--cascade")
    parser.add_argument("--work", type=Path)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = told.work or Path(scratch)
        if not (place / "raw").exists():
            for number, path in enumerate(sorted(told.raw.iterdir())):
                image = Image.open(path).convert("RGB")
                pictures = [("raw", "png", encoded(image, "PNG")), *copies(image)]
                for kind, extension, data in pictures:
                    folder = place / kind if kind == "raw" else place / "copies" / kind
                    name = folder / f"{number:05}.{extension}"
                    name.parent.mkdir(parents=True, exist_ok=True)
                    name.write_bytes(data)
        cascade = f"--cascade {Path(told.cascade).resolve()}" if told.cascade else ""
        listed = "find raw -type f | sort; find copies -type f | sort"  # the pictures before copies
        run(f"({listed}) | animecrop --json --min-size {SMALLEST} {cascade} > crops.jsonl", place)
        records: Records = {}
        for line in (place / "crops.jsonl").read_text().splitlines():
            record = json.loads(line)
            width, height = record["source_size"]
            x, y, w, h = record["box"]
            source = Path(record["source"])
            records[record["path"]] = {
                "kind": source.parent.name,
                "picture": source.stem,
                "place": [x / width, y / height, w / width, h / height],
            }
        (place / "crops.txt").write_text("".join(f"{path}\n" for path in records))
        raw = sum(record["kind"] == "raw" for record in records.values())
        print(f"{len(records)} crops, {raw} of them of the pictures themselves")
        print("with the sources:")
        for near in NEARS:
            judged(place, near, records)
        print("by the crops' own hashes alone:")
        shutil.move(place / "faces/.animetools.sqlite", place / "journal")
        for near in NEARS:
            judged(place, near, records)
        shutil.move(place / "journal", place / "faces/.animetools.sqlite")


if __name__ == "__main__":
    main()

"""Small pictures, and datasets of them, for the tests of this room."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from animetools.dataset.encode import Encode, Packable, encode
from animetools.dataset.formats import reader
from animetools.dataset.members import METADATA
from animetools.dataset.options import PackOptions
from animetools.dataset.packing import Entry, Packing
from animetools.dataset.training_set import Images
from animetools.images.files import encode_png
from animetools.images.fit import Rgb, fit
from animetools.settings import Settings

OPTIONS = PackOptions(size=16)
SETTINGS = Settings.of("animepack", OPTIONS).keyed(background=[*OPTIONS.background])
TARGETS = ("d.zip", "d", "d.tfrec", "d.wds")  # one of each format
FORMAT = {".tfrec": "tfrecords", ".wds": "webdataset"}


def settings_of(path: Path | str) -> Settings:
    """The settings with the format of a target."""
    return SETTINGS.keyed(format=FORMAT.get(Path(path).suffix))


def picture(seed: int, width: int = 16, height: int = 16) -> Rgb:
    """Random pixels."""
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


def sources(folder: Path, count: int) -> list[str]:
    """So many image files."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{seed}.png" for seed in range(count)]
    for seed, path in enumerate(paths):
        path.write_bytes(encode_png(picture(seed)))
    return [str(path) for path in paths]


def entry(path: str, **facts: Any) -> Entry:
    """A file as a list has it."""
    found = Path(path).stat()
    return path, found.st_size, found.st_mtime_ns, facts, ""


def packable(seed: int, encoded: Encode = encode) -> Packable:
    """A picture ready to be packed; each second file has a caption and metadata beside it."""
    square, how = fit(picture(seed), 16)
    sidecars = ((".txt", b"caption %d" % seed), (".png.json", b"{}"))
    has_sidecars = seed % 2 and encoded is encode
    return Packable(encoded(square, None), 16, 16, how, sidecars if has_sidecars else ())


def unpacked(path: Path) -> list[Rgb]:
    """The pictures of a dataset."""
    images = Images(str(path))
    return [images.read(number).transpose(1, 2, 0) for number in range(len(images))]


def records(path: Path) -> list[dict[str, Any]]:
    """What a dataset says of its pictures."""
    return [json.loads(line) for line in reader(str(path)).lines(METADATA)]


def pack(
    packing: Packing, paths: list[str], limit: int | None = None, bad: set[str] | None = None
) -> None:
    """What the command does, in short; `bad` cannot be read, after `limit` images it is killed."""
    bad = bad or set()
    packing.enlist(map(entry, paths))
    packing.settle(one.position for one in packing.doubtful() if one.path not in bad)
    if packing.made:
        return
    for one in packing.todo():
        if one.path not in bad:
            if limit is not None and packing.count >= limit:
                break
            packing.add(one.position, packable(int(Path(one.path).stem), packing.kind.encode))
    if limit is not None:
        raise KeyboardInterrupt
    packing.finish()

"""Sidecars: files beside a picture with its caption, tags or metadata."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from animetools.errors import ItemError
from animetools.images.containers import EXTENSIONS

CAPTIONS = (".txt", ".caption")
ENDINGS = (*CAPTIONS, ".tags", ".json", ".xmp")
LONGEST = 1 << 24  # bytes; a longer file does not describe a single picture

# Other files that may share a picture's name and own its sidecar, as a raw file does its .xmp.
_OTHERS = (
    *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".psd", ".svg", ".mp4", ".webm", ".mov", ".zip"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
)
_OWNERS = sorted({*EXTENSIONS, *_OTHERS})


@dataclass(frozen=True)
class Sidecar:
    """A file beside a picture: x.txt beside x.jpg, or x.jpg.txt."""

    path: str
    picture: str
    ending: str

    @property
    def name_is_whole(self) -> bool:
        """Whether its name includes the picture's extension."""
        return self.path == self.picture + self.ending

    def beside(self, picture: str) -> str:
        """Its path beside another picture."""
        name = picture if self.name_is_whole else os.path.splitext(picture)[0]
        return name + self.ending

    def is_shared(self) -> bool:
        """Whether it may belong to another file that is there too."""
        stem = self.path.removesuffix(self.ending)
        for owner in (stem, *(stem + end for low in _OWNERS for end in (low, low.upper()))):
            is_picture = owner != stem or os.path.splitext(stem)[1].lower() in _OWNERS
            if owner != self.picture and is_picture and os.path.lexists(owner):
                one_name = (
                    owner.lower() == self.picture.lower()
                )  # on a file system that ignores case
                if not (one_name and os.path.samefile(owner, self.picture)):
                    return True
        return False

    def read(self) -> bytes:
        """Its bytes.

        Raises ItemError if it is too large, OSError.
        """
        with open(self.path, "rb") as file:
            data = file.read(LONGEST + 1)
        if len(data) > LONGEST:
            raise ItemError(f"{self.path} is too large for a caption or metadata of one picture")
        return data


def moves(picture: str, target: str) -> list[tuple[str, str]]:
    """Old and new paths to move a picture to `target`: its sidecars, unless shared, then itself."""
    own = [sidecar for sidecar in sidecars_of(picture) if not sidecar.is_shared()]
    return [*((sidecar.path, sidecar.beside(target)) for sidecar in own), (picture, target)]


def sidecars_of(picture: str) -> Iterator[Sidecar]:
    """The sidecars beside a picture."""
    stem = os.path.splitext(picture)[0]
    for low in ENDINGS:
        for ending in (low, low.upper()):
            for name in dict.fromkeys((picture, stem)):
                if os.path.isfile(name + ending):
                    yield Sidecar(name + ending, picture, ending)

"""Pictures one after the other, such as the sample sheets of a run."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from animetools.errors import FatalError, ItemError
from animetools.films.options import FilmOptions
from animetools.films.scenes import Enlarge, checked
from animetools.images.containers import format_by_name
from animetools.images.files import Pixels, decode_rgb, read_bytes
from animetools.images.fit import fit
from animetools.images.picture import size_of
from animetools.options import given

OF_NETWORKS = {"psi", "cutoff", "class_", "tags", "noise", "seed", "seeds", "grid"}
SHEET = re.compile(r"fakes[\d.]+\.jpg")  # that sgtrain writes; their numbers have leading zeros


@dataclass(frozen=True)
class Pictures:
    """Image files, each for as long as the others, fitted into frames of one size."""

    paths: tuple[str, ...]
    count: int
    size: tuple[int, int]
    enlarge: Enlarge | None = None

    def draw(self, first: int, end: int) -> Iterator[Pixels]:
        """The frames from the first up to the end."""
        shown, pixels = "", None
        for number in range(first, end):
            path = self.paths[number * len(self.paths) // self.count]
            if pixels is None or path != shown:
                shown, pixels = path, self._frame(path)
            yield pixels

    def _frame(self, path: str) -> Pixels:
        try:
            rgb = decode_rgb(read_bytes(path))
        except ItemError as why:
            raise FatalError(f"{path}: {why}") from None
        return fit(self.enlarge(rgb) if self.enlarge else rgb, self.size)[0]


def pictures(paths: Sequence[str], options: FilmOptions, enlarge: Enlarge | None) -> Pictures:
    """A film of image files, of the size of the largest.

    Raises FatalError for a file that is not a picture, or an option of networks, OSError.
    """
    if wrong := given(options, OF_NETWORKS):
        raise FatalError(f"{wrong[0]} is for what networks draw, not for pictures")
    sizes = []
    for path in paths:
        try:
            sizes.append(size_of(read_bytes(path)))
        except ItemError as why:
            raise FatalError(f"{path}: {why}") from None
    times = 2 if enlarge else 1
    wide, high = (max(side) * times for side in zip(*sizes, strict=True))
    count = options.count(len(paths) / float(options.rate))
    return Pictures(tuple(paths), count, checked((wide, high)), enlarge)


def listed(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The files that are shown, with all sheets of a run's folder, and whether they are pictures.

    Raises FatalError for a folder without sheets, or files of both sorts.
    """
    found: list[str] = []
    for path in arguments:
        if os.path.isdir(path):
            names = sorted(filter(SHEET.fullmatch, os.listdir(path)))
            if not names:
                raise FatalError(
                    f"{path} has no sheets of samples (fakes*.jpg): name the folder of one run"
                )
            found += [os.path.join(path, name) for name in names]
        else:
            found.append(path)
    kinds = {bool(format_by_name(path)) for path in found}
    if len(kinds) > 1:
        raise FatalError("montage takes pictures or networks, not both")
    return found, kinds == {True}

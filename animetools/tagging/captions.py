"""Captions: tags as a text beside the picture, as trainers read it."""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from animetools import atomic
from animetools.errors import FatalError, ItemError
from animetools.images.sidecars import Sidecar
from animetools.tagging.implications import Implications, pruned
from animetools.tags import GENERAL, Tag, caption_of, names_in

ENDING = ".txt"

# "training": how many people, then what they are called, then what is seen, then what is said of it.
_COUNT = re.compile(r"(\d\+?|multiple_)(girl|boy|other)s?|no_humans").fullmatch
_RANKS = {"character": 2, "copyright": 3, "artist": 4, GENERAL: 5, "meta": 6, "rating": 7}


@dataclass(frozen=True)
class Style:
    """How captions are written.

    They begin with `first`; `spaces` replace underscores. With `implications` no tag is written that
    another one in the caption implies.
    """

    first: str = ""
    spaces: bool = False
    order: Literal["probability", "training"] = "probability"
    implications: Implications = field(default_factory=dict)

    def caption(self, tags: Sequence[Tag]) -> str:
        """A caption of tags.

        Raises ItemError for a tag that would be read as two.
        """
        return self._joined(self.first, self._more(tags, names_in(self.first))) + "\n"

    def extended(self, captions: str, tags: Sequence[Tag]) -> str:
        """Captions, one a line, with the tags that they lack; what they say is kept.

        Raises ItemError for a tag that would be read as two.
        """
        lines = [line.strip() for line in captions.splitlines()]
        if not any(lines):
            return self.caption(tags)
        longer = [self._longer(line, tags) if line else line for line in lines]
        return captions if longer == lines else "\n".join(longer) + "\n"

    def _longer(self, line: str, tags: Sequence[Tag]) -> str:
        there, first = names_in(line), names_in(self.first)
        more = self._more(tags, [*there, *first])
        lacking = "" if set(first) <= set(there) else self.first
        return self._joined(lacking, line.rstrip(", "), more) if lacking or more else line

    def _more(self, tags: Sequence[Tag], there: Collection[str]) -> str:
        """The tags that are not there yet, as part of a caption."""
        beside = [*map(Tag, there), *(tag for tag in tags if tag.name not in there)]
        new = [tag for tag in pruned(beside, self.implications) if tag.name not in there]
        if self.order == "training":
            new.sort(key=_rank)
        try:
            return caption_of([tag.name for tag in new], spaces=self.spaces)
        except ItemError as why:
            raise ItemError(f"{why}: leave it out with --exclude or --blacklist") from None

    def _joined(self, *parts: str) -> str:
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class CaptionFile:
    """The file of a picture's caption: x.txt for x.png.

    If it exists and says something else, `force` overwrites it, and `append` adds to it. One that was
    written since `begun` (nanoseconds) is that of another picture, such as x.jpg.
    """

    path: str
    picture: str
    begun: int
    force: bool = False
    append: bool = False

    def write(self, style: Style, tags: Sequence[Tag], *, dry: bool = False) -> None:
        """Write the caption of a picture with these tags, whole, unless the file has it already.

        If `dry`, only find out whether it could be.

        Raises ItemError rather than lose what is there, OSError.
        """
        if dry:
            self._data(style, tags)
            return
        try:
            part = atomic.Part(self.path)  # waits for another writer of this name
        except PermissionError as why:
            raise ItemError(
                f"{self.path} cannot be written: permission denied (-o puts captions elsewhere)"
            ) from why
        try:
            data = self._data(style, tags)
            part.file.write(data or b"")
        except BaseException:
            part.drop()
            raise
        if data is None:
            part.drop()
        else:
            part.commit()

    def _data(self, style: Style, tags: Sequence[Tag]) -> bytes | None:
        """What the file is to hold; None if it holds it already.

        Raises ItemError rather than lose what is there, OSError.
        """
        data = style.caption(tags).encode()
        if not os.path.lexists(self.path):
            return data
        if not os.path.isfile(self.path):
            raise ItemError(f"{self.path} exists and is not a file: move it away")
        if os.path.samefile(self.path, self.picture):
            raise ItemError("the caption would overwrite the image: rename it, or use -o")
        found = Sidecar(self.path, self.picture, ENDING).read()
        if self.append:
            data = style.extended(self._text(found), tags).encode()
        if found == data:
            return None
        if os.lstat(self.path).st_ctime_ns >= self.begun:
            raise ItemError(
                f"{self.path} was just written for another image: rename one of the two"
            )
        if not (self.append or self.force):
            raise ItemError(f"{self.path} exists: -f overwrites it, --append adds to it")
        return data

    def _text(self, found: bytes) -> str:
        try:
            return found.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ItemError(f"{self.path} is not in UTF-8: -f overwrites it") from None


def make_folder(folder: str) -> None:
    """Make a folder for captions.

    Raises FatalError if it cannot be made, or cannot be written to.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as why:
        raise FatalError(f"{folder}: cannot make the output folder: {why.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise FatalError(f"{folder}: cannot be written to: choose another -o")


def caption_path(picture: str) -> str:
    """The path of a picture's caption, beside it."""
    return os.path.splitext(picture)[0] + ENDING


def _rank(tag: Tag) -> int:
    if tag.category == GENERAL and _COUNT(tag.name):
        return 0
    return 1 if tag.name == "solo" else _RANKS.get(tag.category, _RANKS[GENERAL])

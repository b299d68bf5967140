"""A site that grows: faces and texts get numbers and files, and then the pages know of them."""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from animetools import atomic
from animetools.errors import FatalError, ItemError
from animetools.site.ledger import Known, Ledger, digest_of
from animetools.site.origin import Origin
from animetools.site.pages import SHOWN_FIRST, Contents, LiveFiles, rendered
from animetools.site.pictures import Format, Portrait
from animetools.site.sets import sliders
from animetools.site.texts import Snippets, script, story

PER_FOLDER = 1000


@dataclass(frozen=True)
class Titles:
    """What the pages are called, and the address at which they will be, as far as given."""

    title: str = ""
    url: str = ""


class Site:
    """A site in a folder, which its ledger describes; one thread adds to it.

    Files of new faces come first: as long as the pages do not count them, nobody sees them. So
    whoever visits while a site grows, or after that was killed, finds the old one.

    Raises FatalError rather than overwrite a file that is not ours; OSError.
    """

    def __init__(
        self,
        ledger: Ledger,
        image_format: Format,
        widths: tuple[int, ...],
        snippets: Snippets,
        titles: Titles,
        live: tuple[LiveFiles, dict[str, bytes]] | None = None,
        *,
        force: bool,
    ) -> None:
        self.ledger = ledger
        self.folder = ledger.folder
        self.format = image_format
        self.widths = widths
        self.snippets = snippets
        self.titles = titles
        self.force = force
        self.count = ledger.count()
        self.live = live
        self.without_text = 0
        ledger.keep_word("format", image_format)

    def has(self, path: str, stamp: str) -> bool:
        """Whether a face is in the site as it is now, with its text."""
        known = self.ledger.known(_key(path))
        if not known or known.stamp != stamp:
            return False
        text = self.snippets.path_of(path, known.seed, known.number)
        return known.text_stamp == _stamp(text)

    def add(self, path: str, stamp: str, pictures: Sequence[Portrait]) -> None:
        """Make the files of the faces of a file; of those that are known, they are replaced.

        Raises ItemError if a text cannot be read: then `has` goes on to say no.
        """
        for part in reversed(range(len(pictures))):  # the first stands for all of them
            self._add(path, part, stamp, pictures[part])

    def _add(self, path: str, part: int, stamp: str, picture: Portrait) -> None:
        key = _key(path, part)
        known = self.ledger.known(key)
        number = known.number if known else self.count
        origin = Origin.of(picture.facts)
        text = self.snippets.path_of(path, origin.seed, number)
        told = origin.shown | story(text)
        self.without_text += not text
        if self.ledger.dry:
            self.count += not known
            return
        if not known:
            self._check_free(number)
            self.ledger.begin(number)
        for width in self.widths or (0,):
            place = self.image(number, width)
            if picture.files:
                atomic.write(place, picture.files[width], durable=False)
            else:
                _link_or_copy(path, place)
        atomic.write(self._script("pairs", number), script(number, told), durable=False)
        made = Known(number, stamp, _stamp(text), origin.seed, origin.kin)
        kins = dict.fromkeys((known.kin if known else b"", origin.kin))  # not a set: in order
        with self.ledger.finishing(key, made, origin.place):
            for kin in filter(None, kins):
                self._write_set(kin)
        self.count += not known

    def publish(self) -> list[str]:
        """Write the pages for the faces that are there now; returns their paths, the first first.

        Raises ItemError if the first pictures cannot be read.
        """
        if self.ledger.dry:
            return [os.path.join(self.folder, "index.html")]
        texts, sets = self.ledger.counts()
        shown = [self.image(n, max(self.widths, default=0)) for n in range(SHOWN_FIRST)]
        contents = Contents(
            self.titles.title,
            self.titles.url,
            self.count,
            texts,
            sets,
            self.format,
            self.widths,
            [path for path in shown if os.path.exists(path)],
            os.path.relpath(shown[0], self.folder),
            self._network(),
        )
        files = (self.live[1] if self.live else {}) | rendered(contents)
        digests = {name: digest_of(data) for name, data in files.items()}
        for name in files:
            self._check_ours(name, digests[name])
        for name, data in files.items():
            self.ledger.announce(name, digests[name])
            place = os.path.join(self.folder, name)
            if not (os.path.lexists(place) and atomic.holds(place, data)):
                atomic.write(place, data, durable=False)
        kept = {str(each["name"]) for each in contents.live.files.values()} if contents.live else ()
        for name, digest in self.ledger.settle(digests, kept):
            place = os.path.join(self.folder, name)
            with suppress(OSError):
                if _digest_of_file(place) == digest:
                    os.unlink(place)
        return [os.path.join(self.folder, name) for name in files if name.endswith(".html")]

    def _network(self) -> LiveFiles | None:
        """The network of this run, else that of an earlier one."""
        if self.live:
            self.ledger.keep_word("live", json.dumps(self.live[0].files))
        known = self.ledger.word("live")
        return LiveFiles(json.loads(known)) if known else None

    def image(self, number: int, width: int) -> str:
        """The path of a picture; width 0 is that of a site without widths."""
        folder = os.path.join("images", str(width)) if width else "images"
        return self._numbered(folder, number, self.format)

    def _script(self, folder: str, number: int) -> str:
        return self._numbered(folder, number, "js")

    def _numbered(self, folder: str, number: int, ending: str) -> str:
        name = f"{number}.{ending}"
        return os.path.join(self.folder, folder, str(number // PER_FOLDER), name)

    def _write_set(self, kin: bytes) -> None:
        """Write where sliders lead between the faces of one kin; if they do no more, forget it."""
        found = sliders(self.ledger.kin(kin))
        if found:
            number = self.ledger.set_number(kin)
            atomic.write(self._script("psi", number), script(number, found), durable=False)
        elif moved := self.ledger.drop_set(kin):
            self._write_set(moved)

    def _check_free(self, number: int) -> None:
        """Raise FatalError if somebody else's files have the names of a new face."""
        if number == self.ledger.begun:  # by a run that was killed
            return
        places = [self.image(number, width) for width in self.widths or (0,)]
        for place in (*places, self._script("pairs", number)):
            if os.path.lexists(place):
                raise FatalError(f"{place} was not made by waifusite: move it away")

    def _check_ours(self, name: str, digest: bytes) -> None:
        """Raise FatalError if writing a file would replace what is not ours."""
        place = os.path.join(self.folder, name)
        if self.force or not os.path.lexists(place):
            return
        found = _digest_of_file(place)
        if found != digest and not self.ledger.is_ours(name, found):
            raise FatalError(
                f"{place} was changed, or was not made by waifusite: move it away, or -f overwrites it"
            )


def _link_or_copy(source: str, place: str) -> None:
    """Give a file a second name in the site, or copy it where the file system cannot.

    Raises ItemError if it is gone, OSError.
    """
    os.makedirs(os.path.dirname(place), exist_ok=True)
    link = atomic.part_name(place)
    with suppress(FileNotFoundError):  # of a run that was killed
        os.unlink(link)
    try:
        os.link(os.path.realpath(source), link)
    except FileNotFoundError as why:
        raise ItemError("it was removed meanwhile") from why
    except OSError as why:
        if not atomic.cannot_link(why):
            raise
        shutil.copyfile(source, link)
    os.replace(link, place)
    with suppress(FileNotFoundError):
        os.unlink(link)  # if both were names of one file, rename left them as they were


def _key(path: str, part: int = 0) -> bytes:
    """What the ledger knows a face by: its file, and in a row of several its place there."""
    return digest_of(os.fsencode(os.path.abspath(path)) + (b"\0%d" % part if part else b""))


def _stamp(path: str) -> str:
    """The size and time of a text, "" for none."""
    if not path:
        return ""
    try:
        found = os.stat(path)
    except OSError as why:
        raise ItemError(f"{path}: {why.strerror}") from None
    return f"{found.st_size}:{found.st_mtime_ns}"


def _digest_of_file(path: str) -> bytes:
    with open(path, "rb") as file:
        return digest_of(file.read())

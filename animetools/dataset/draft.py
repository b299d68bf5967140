"""The unfinished part of a dataset, which survives any kill.

Packed images go to a part beside the target, and to a journal there that says from which file. What
the two do not agree on is packed again.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from itertools import chain

from animetools.dataset.encode import Packable
from animetools.dataset.formats import Format, Writer
from animetools.dataset.journal import Journal, Listed, Packed, dumped
from animetools.dataset.members import Member
from animetools.dataset.parts import Texts

SYNC_SECONDS = 5.0  # how much work a power cut may cost


class Draft:
    """The images that are packed, in a part and in its journal.

    `first` is the number of the first: those before it are in the dataset that grows. The name of an
    image ends in `suffix`, if it has no other ending.

    Raises OSError if it cannot be written.
    """

    def __init__(
        self, part: Writer, journal: Journal, kind: Format, suffix: str, first: int
    ) -> None:
        self.part = part
        self.journal = journal
        self.kind = kind
        self.suffix = suffix
        self.first = first
        self.count = first  # the number of the next image
        self.synced = time.monotonic()

    def recover(self) -> None:
        """Keep what an earlier run left, as far as it is really there."""
        # What was written since the last sync may have been lost with the power.
        kept = self.first
        for packed in self.journal.packed(since=int(self.journal.word("synced") or 0) - 1):
            if not all(map(self.part.holds, self._members(packed))):
                break
            kept = packed.number + 1
        self.keep(kept)

    def keep(self, count: int) -> None:
        """Forget all images from this number on."""
        self.journal.forget(count)
        last = next(self.journal.packed(since=count - 1), None) if count > self.first else None
        self.part.cut(self._members(last)[-1] if last else None)
        self.count = last.number + 1 if last else self.first
        self._sync()

    def name(self, packable: Packable) -> str:
        """The name of an image that is added next."""
        return self._name(self.count, packable.suffix)

    def add(self, source: Listed, packable: Packable, notes: Mapping[str, bytes]) -> None:
        """Pack the image of a source behind all others, with `notes` beside it, by their endings."""
        name = self.name(packable)
        sidecars = []
        for ending, data in (dict(notes) | dict(packable.sidecars)).items():
            part = self.part.append(_beside(name, ending), data)
            sidecars.append([ending, part.offset, part.length, part.crc])
        member = self.part.append(name, packable.data)
        self.journal.add(
            Packed(
                self.count,
                source.origin,
                source.mtime,
                member.offset,
                member.length,
                member.crc,
                dumped(packable.record),
                json.dumps(sidecars),
                packable.suffix,
            )
        )
        self.count += 1
        if time.monotonic() - self.synced > SYNC_SECONDS:
            self._sync()

    def lines(self) -> Iterator[bytes]:
        """The record of each image: its name, its source and how it was fitted."""
        for packed in self.journal.packed():
            name = dumped({"file_name": self._name(packed.number, packed.suffix)})
            # Three objects without a common name are one: no need to parse ten million of them.
            yield f"{name[:-1]},{packed.origin[1:-1]},{packed.record[1:]}\n".encode()

    def finish(self, texts: Texts, mtime: int) -> None:
        """Make the part a dataset, or join it to the one that grows; see Writer.finish."""
        self._sync()
        self.part.finish(
            chain.from_iterable(map(self._members, self.journal.packed())), texts, mtime
        )
        self.journal.close(finished=True)

    def _sync(self) -> None:
        self.part.sync()
        self.journal.keep_word("synced", str(self.count))
        self.synced = time.monotonic()

    def _name(self, number: int, suffix: str) -> str:
        return self.kind.image_name(number, suffix or self.suffix)

    def _members(self, packed: Packed) -> list[Member]:
        """An image behind its sidecars, in the order of the part."""
        name = self._name(packed.number, packed.suffix)
        sidecars = json.loads(packed.sidecars)
        image = Member(name, packed.offset, packed.length, packed.crc)
        return [*(Member(_beside(name, ending), *place) for ending, *place in sidecars), image]


def _beside(image: str, ending: str) -> str:
    return os.path.splitext(image)[0] + ending

"""Image files that are replaced by their enlarged version, once."""

import os
from threading import Lock
from typing import Self

from animetools import atomic
from animetools.errors import ItemError
from animetools.images.containers import HEAD_BYTES, WRITTEN, Format, format_by_content
from animetools.images.picture import is_animated, software_of
from animetools.upscaling.policy import Plan
from animetools.upscaling.tiles import Progress

SOFTWARE = "animeupscale"  # what a file that was enlarged in place says it was written by

_locks = [Lock() for _ in range(64)]  # by path, so many are enough


class InPlace:
    """An image file that is to be replaced.

    The context manager is held while it is read and replaced: one that is listed twice is enlarged
    once. `mark` is written into the file, and says how it was enlarged.
    """

    def __init__(self, path: str, mark: str, *, backup: bool) -> None:
        self.path, self.mark, self.backup = path, f"{SOFTWARE} {mark}", backup
        self.target = os.path.realpath(path)
        self.lock = _locks[hash(self.target) % len(_locks)]

    def __enter__(self) -> Self:
        self.lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.release()

    def is_original(self, plan: Plan) -> bool:
        """Whether it has not been enlarged in place; False if it has been, with this mark.

        Raises ItemError if it was enlarged in another way.
        """
        found = software_of(plan.data)
        if not found.startswith(SOFTWARE):
            return True
        if found != self.mark:
            raise ItemError(f"it was enlarged in place before, as '{found}': -f enlarges it again")
        return False

    def check(self, plan: Plan) -> None:
        """Raise ItemError where something would be lost."""
        _format_of(plan.data)
        kept = atomic.backup_name(self.target)
        # One with these very bytes was left by a run that was killed.
        if self.backup and os.path.lexists(kept) and not atomic.holds(kept, plan.data):
            raise ItemError(f"{kept} exists: move it away, or use --no-backup")

    def replace(self, plan: Plan, quality: int, progress: Progress) -> None:
        """Put the enlarged image in its place, in the same format; `quality` is of a lossy one.

        Raises ItemError if it cannot be enlarged, or was changed meanwhile.
        """
        is_lossless = plan.data[12:16] == b"VP8L"  # a WebP's
        with plan.turn:
            quality = 100 if is_lossless else quality
            data = plan.encoded(_format_of(plan.data), quality, progress, self.mark)
            now, then = os.stat(self.target), plan.status
            if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
                raise ItemError("it was changed meanwhile, and is left as it is")
            atomic.replace(self.path, data, backup=self.backup)


def _format_of(data: bytes) -> Format:
    """The format that a file keeps.

    Raises ItemError where something would be lost.
    """
    kind = WRITTEN.get(format_by_content(data[:HEAD_BYTES]) or "")
    if kind is None:
        raise ItemError("only PNG, JPEG and WebP can be written in place: leave out --in-place")
    if is_animated(data):
        raise ItemError("it is animated, and all frames but the first would be lost")
    return kind

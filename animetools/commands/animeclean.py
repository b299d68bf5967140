"""animeclean: pass on the images that are worth keeping."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import RawIOBase
from typing import TYPE_CHECKING, Annotated, Literal

from animetools import atomic
from animetools.cli import Item, MaxPixels, Opt, Output, Rejected, Stream, command
from animetools.cli.item import FATAL, Result, below, reason_of
from animetools.errors import FatalError
from animetools.images.containers import MAX_PIXELS

if TYPE_CHECKING:
    from animetools.cli.records import Records
    from animetools.images.gallery import Duplicate
    from animetools.images.hashes import Fingerprint

LISTED_TWICE = "listed twice"
UNSUPPORTED = "unsupported"  # how the reasons begin for which a whole picture may be there
DUPLICATES = ("same bytes", "same pixels", "near-duplicate")  # their evidence is the other's path
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True)
class CleanOptions:
    """What animeclean can be told."""

    min_bytes: Annotated[int, Opt("Smallest file.", unit="BYTES", min=0)] = 1
    strict: Annotated[
        bool,
        Opt(
            "Reject files that have all their pixels but depart from their format: bytes after the"
            " end, no end marker, a wrong checksum of a text chunk."
        ),
    ] = False
    max_pixels: MaxPixels = MAX_PIXELS
    min_side: Annotated[int, Opt("Smallest width and height.", unit="PIXELS", min=1)] = 32
    min_colors: Annotated[int, Opt("Fewest distinct colors.", min=1)] = 257
    keep_grey: Annotated[bool, Opt("Let pass grey and nearly grey images.")] = False
    keep_duplicates: Annotated[bool, Opt("Let pass duplicates of every kind.")] = False
    near: Annotated[
        float,
        Opt(
            "Share of equal hash bits that makes a near-duplicate, of crops in their source"
            " pictures; 0 looks for none.",
            max=1,
        ),
    ] = 0.97
    keep: Annotated[
        Literal["first", "largest"] | None,
        Opt(
            "Which of several duplicates stays, the first of the list or the one of most pixels, then"
            " bytes: largest with --delete or --move, otherwise first. largest prints when the list"
            " has ended."
        ),
    ] = None
    rejects: Annotated[
        str, Opt("Write path, reason and evidence of each reject, as TSV.", unit="FILE")
    ] = ""
    delete: Annotated[bool, Opt("Delete the rejects; captions and other sidecars stay.")] = False
    move: Annotated[
        str, Opt("Move the rejects and their sidecars into this folder.", unit="FOLDER")
    ] = ""

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        if self.delete and self.move:
            raise ValueError("--delete and --move exclude each other")
        if self.near and self.near < 0.5:
            raise ValueError("--near is 0 or at least 50%: even strangers share half their bits")

    @property
    def which(self) -> Literal["first", "largest"]:
        """Which of several duplicates stays: where files go for good, the better one."""
        return self.keep or ("largest" if self.delete or self.move else "first")


@command(
    examples=[
        "find faces | animeclean > kept.txt",
        "find faces | animeclean --min-bytes 40k --keep largest --rejects rejects.tsv | wc -l",
    ]
)
def animeclean(options: CleanOptions, stream: Stream) -> int:
    """Pass on the images that are worth keeping.

    Reads image paths and writes those of the images that are whole, large and colorful enough and
    not duplicates, in input order. Nothing happens to the others unless --delete or --move asks for
    it; pictures of a kind that is not read ("unsupported"), and other names of an image that is
    kept, are never removed. The file of --rejects grows as the work goes; tabs, newlines and
    backslashes in paths are written as in C.

    Two crops by animecrop are near-duplicates if they show the same face of two copies of a picture;
    two faces of one picture never are. Captions and other sidecars (x.txt, x.jpg.json and .xmp,
    .caption, .tags of x.jpg) move with their image, except those that another image of that name
    uses. A file that has all its pixels is kept, whatever follows its end; --strict rejects it.
    Damage inside the data of a JPEG is not found.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, by their content; HEIC and JPEG XL where
    animetools[formats] is installed.
    """

    def through(results: Iterator[Result]) -> Iterator[Result]:
        if not options.keep_duplicates:
            results = distinct(options, stream, results)
        return dispose(options, stream, results)

    work = partial(measure, options, exact=stream.options.json)
    return replace(stream, aside=options.move).fold(work, through)


def measure(options: CleanOptions, item: Item, output: Output, *, exact: bool) -> Iterator[Result]:
    """What one image is like; the cheap checks come first, and the first that fails rejects it.

    Unless `exact`, colors are counted only until there are enough.
    """
    from animetools.images.errors import ImageError, TooManyPixels, Unsupported
    from animetools.images.files import check_file, decode_rgb, read_bytes
    from animetools.images.hashes import fingerprint
    from animetools.images.quality import count_colors, is_grey, shrunk

    try:
        data = read_bytes(item.path)
        if len(data) < options.min_bytes:
            yield item.rejected("too few bytes", str(len(data)))
            return
        lapse = check_file(data, options.max_pixels) if options.strict else ""
        rgb = decode_rgb(data, max_pixels=options.max_pixels)
    except TooManyPixels as why:
        yield item.rejected("too many pixels", str(why))
        return
    except Unsupported as why:
        yield item.rejected(why.kind, why.advice)
        return
    except ImageError as why:
        yield item.rejected("broken" if item.size_and_time[0] else "empty", str(why))
        return
    if lapse:
        yield item.rejected("not strictly conforming", lapse)
        return
    height, width = rgb.shape[:2]
    if min(height, width) < options.min_side:
        yield item.rejected("too small", f"{width}x{height}")
        return
    colors = count_colors(rgb, None if exact else options.min_colors)
    if colors < options.min_colors:
        yield item.rejected("too few colors", str(colors))
        return
    small = shrunk(rgb)
    if not options.keep_grey and is_grey(small):
        yield item.rejected("grey")
        return
    measured = item.noted(width=width, height=height, bytes=len(data), colors=colors)
    if not options.keep_duplicates:
        measured = measured.carrying(fingerprint(data, rgb, small))
    yield measured


def distinct(options: CleanOptions, stream: Stream, results: Iterator[Result]) -> Iterator[Result]:
    """Turn down the duplicates."""
    import sqlite3

    from animetools.cli.records import Records
    from animetools.images.duplicates import first_stays, largest_stays

    stays = largest_stays if options.which == "largest" else first_stays
    larger = 0
    try:
        with Records() as records:
            fingerprinted = (_fingerprinted(result, records) for result in results)
            for result, duplicate in stays(options.near, fingerprinted):
                if duplicate is None:
                    yield result
                    continue
                larger += duplicate.is_larger
                yield _rejected(result, duplicate)
    except sqlite3.OperationalError as why:
        raise FatalError(f"temporary index: {why}; TMPDIR says where it lies") from why
    if larger:
        are = "is" if larger == 1 else "are"
        stream.remark(
            f"{larger} of the dropped duplicates {are} larger than what was kept (--keep largest)"
        )


def dispose(options: CleanOptions, stream: Stream, results: Iterator[Result]) -> Iterator[Result]:
    """Write down the rejects, and delete or move them if asked; what cannot be moved has failed."""
    with _rejects_file("" if stream.options.dry_run else options.rejects) as file:
        for result in results:
            if isinstance(result, Rejected):
                if file:
                    file.write(_tsv(result))
                try:
                    _remove(options, stream, result)
                except OSError as why:
                    if why.errno in FATAL:
                        raise
                    yield Item(result.path, trouble=f"cannot be removed: {reason_of(why)}")
                    continue
            yield result


def _remove(options: CleanOptions, stream: Stream, reject: Rejected) -> None:
    """Delete or move a reject, unless it is the very file that is kept, or of a kind that is not read.

    Raises OSError, also where the duplicate that is kept is gone, or something has the new name.
    """
    if not (options.delete or options.move) or reject.reason == LISTED_TWICE:
        return
    if reject.reason.startswith(UNSUPPORTED):
        return
    if not os.path.lexists(reject.path):  # listed twice: it is gone already
        return
    if reject.reason in DUPLICATES:
        os.stat(reject.evidence)
    dry = stream.options.dry_run
    moves = _moves(reject.path, below(options.move, reject.path)) if options.move else []
    for old, new in moves if dry else []:
        stream.note(f"{old}: would be moved to {new}")
    if dry and options.delete:
        stream.note(f"{reject.path}: would be deleted")
    elif options.delete:
        os.unlink(reject.path)
    elif not dry:
        atomic.move(moves)


def _moves(path: str, target: str) -> list[tuple[str, str]]:
    """Where an image goes and, before it, those of its sidecars that are no other image's, too."""
    from animetools.images.sidecars import sidecars_of

    own = [sidecar for sidecar in sidecars_of(path) if not sidecar.is_shared()]
    return [*((sidecar.path, sidecar.beside(target)) for sidecar in own), (path, target)]


def _fingerprinted(
    result: Result, records: "Records"
) -> "tuple[Item | Rejected, Fingerprint | None]":
    """An image and its fingerprint, with the origin of a crop, from facts or animecrop's journal."""
    from animetools.images.origins import Origin

    assert not isinstance(result, str)
    if isinstance(result, Rejected):
        return result, None
    origin = Origin.of(result.facts) or Origin.of(records.facts(result.path))
    return result.carrying(None), replace(result.load, origin=origin)


def _rejected(result: Item | Rejected, duplicate: "Duplicate") -> Rejected:
    """The reject; other names of one file (links too) are told from files of their own."""
    try:
        same_file = os.path.samefile(result.path, duplicate.path)
    except OSError:  # one of them is gone; dispose will find that out
        same_file = result.path == duplicate.path
    reason = LISTED_TWICE if same_file else duplicate.kind
    return Rejected(result.path, reason, duplicate.path)


@contextmanager
def _rejects_file(path: str) -> Iterator[RawIOBase | None]:
    if not path:
        yield None
        return
    if os.path.isfile(path):
        from animetools.images.containers import HEAD_BYTES, format_by_content

        with open(path, "rb") as file:
            if format_by_content(file.read(HEAD_BYTES)):
                raise FatalError(f"--rejects {path} is an image, and would be overwritten")
    with open(path, "wb", buffering=0) as file:
        yield file


def _tsv(reject: Rejected) -> bytes:
    texts = (reject.path, reject.reason, reject.evidence)
    return os.fsencode("\t".join(text.translate(_ESCAPES) for text in texts) + "\n")

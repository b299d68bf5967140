"""animeclean: pass on the images that are worth keeping."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from animetools import atomic
from animetools.cli import Item, Opt, Output, Rejected, Result, Stream, command
from animetools.cli.item import FATAL, below, reason_of
from animetools.cli.rejects import RejectsFile, recorded
from animetools.errors import FatalError
from animetools.images.measure import Limits

if TYPE_CHECKING:
    from animetools.cli.records import Records
    from animetools.images.gallery import Duplicate
    from animetools.images.hashes import Fingerprint

LISTED_TWICE = "listed twice"
UNSUPPORTED = "unsupported"  # such reasons may be of a whole picture
DUPLICATES = ("same bytes", "same pixels", "near-duplicate")  # their evidence is the other's path


@dataclass(frozen=True)
class CleanOptions(Limits):
    """The options of animeclean."""

    keep_duplicates: Annotated[bool, Opt("Keep duplicates of all kinds.")] = False
    near: Annotated[
        float,
        Opt(
            "Images with at least this share of equal hash bits are near-duplicates; of crops, their"
            " source pictures are compared. 0 looks for none.",
            max=1,
        ),
    ] = 0.97
    keep: Annotated[
        Literal["first", "largest"] | None,
        Opt(
            "Which of several duplicates to keep: the first in the list, or the one with the most"
            " pixels, then bytes. Default: largest with --delete or --move, otherwise first. largest"
            " prints nothing before the list ends."
        ),
    ] = None
    rejects: RejectsFile = ""
    delete: Annotated[bool, Opt("Delete the rejects; captions and other sidecars stay.")] = False
    move: Annotated[
        str, Opt("Move the rejects and their sidecars into this folder.", unit="FOLDER")
    ] = ""

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.delete and self.move:
            raise ValueError("--delete and --move exclude each other")
        if self.near and self.near < 0.5:
            raise ValueError("--near is 0 or at least 50%: unrelated images share half their bits")

    @property
    def which(self) -> Literal["first", "largest"]:
        """Which of several duplicates to keep: the better one where the others are removed."""
        return self.keep or ("largest" if self.delete or self.move else "first")


@command(
    examples=[
        "find faces | animeclean > kept.txt",
        "find faces | animeclean --min-bytes 40k --keep largest --rejects rejects.tsv | wc -l",
    ]
)
def animeclean(options: CleanOptions, stream: Stream) -> int:
    """Pass on the images that are worth keeping.

    Reads image paths and prints, in input order, those of images that are complete, large and
    colorful enough, and not duplicates. The others are left alone unless --delete or --move is
    given; images of an unsupported format, and other names of an image that is kept, are never
    removed. The file of --rejects is written as the run goes on; tabs, newlines and backslashes in
    it are escaped as in C.

    Two crops by animecrop are near-duplicates if they show the same face of two copies of a picture;
    two faces in one picture never are. Captions and other sidecars (x.txt, x.jpg.json and .xmp,
    .caption, .tags of x.jpg) move with their image, except those that another image of that name
    uses. A file that has all its pixels is kept, whatever follows its end; --strict rejects it.
    Damage inside the data of a JPEG is not detected.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, recognized by their content; with
    animetools[formats] also HEIC and JPEG XL.
    """
    if options.rejects and _is_image(options.rejects):
        raise FatalError(f"--rejects {options.rejects} is an image, and would be overwritten")

    def through(results: Iterator[Result]) -> Iterator[Result]:
        if not options.keep_duplicates:
            results = distinct(options, stream, results)
        rejects = "" if stream.options.dry_run else options.rejects
        return dispose(options, stream, recorded(rejects, results))

    work = partial(measured, options, all_colors=stream.options.json)
    return replace(stream, aside=options.move).fold(work, through)


def measured(
    options: CleanOptions, item: Item, output: Output, *, all_colors: bool
) -> Iterator[Result]:
    """One image with its measurements and fingerprint, or why it is rejected."""
    from animetools.images.measure import Unfit, measure

    with_fingerprint = not options.keep_duplicates
    found = measure(item.path, options, all_colors=all_colors, with_fingerprint=with_fingerprint)
    if isinstance(found, Unfit):
        yield item.rejected(found.reason, found.evidence)
    else:
        facts = {"width": found.width, "height": found.height, "bytes": found.bytes}
        yield item.noted(**facts, colors=found.colors).carrying(found.fingerprint)


def distinct(options: CleanOptions, stream: Stream, results: Iterator[Result]) -> Iterator[Result]:
    """Reject the duplicates."""
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
        raise FatalError(f"temporary index: {why}; set TMPDIR to another folder") from why
    if larger:
        are = "is" if larger == 1 else "are"
        stream.remark(
            f"{larger} of the dropped duplicates {are} larger than what was kept (--keep largest)"
        )


def dispose(options: CleanOptions, stream: Stream, results: Iterator[Result]) -> Iterator[Result]:
    """Delete or move the rejects, if asked; failing to is a failure of its input."""
    for result in results:
        if isinstance(result, Rejected):
            try:
                _remove(options, stream, result)
            except OSError as why:
                if why.errno in FATAL:
                    raise
                yield Item(result.path, trouble=f"cannot be removed: {reason_of(why)}")
                continue
        yield result


def _remove(options: CleanOptions, stream: Stream, reject: Rejected) -> None:
    """Delete or move a reject, unless it may be intact, or is the very file that is kept.

    Raises OSError, also if the duplicate that is kept is gone, or the new name is taken.
    """
    if not (options.delete or options.move) or reject.reason == LISTED_TWICE:
        return
    if reject.reason.startswith(UNSUPPORTED) or not os.path.lexists(reject.path):
        return
    if reject.reason in DUPLICATES:
        os.stat(reject.evidence)
    if options.delete:
        if stream.options.dry_run:
            stream.note(f"{reject.path}: would be deleted")
        else:
            os.unlink(reject.path)
        return
    from animetools.images.sidecars import moves

    planned = moves(reject.path, below(options.move, reject.path))
    if not stream.options.dry_run:
        atomic.move(planned)
        return
    for old, new in planned:
        stream.note(f"{old}: would be moved to {new}")


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
    """The reject; other names of one file, links too, have a reason of their own."""
    try:
        same_file = os.path.samefile(result.path, duplicate.path)
    except OSError:  # one of them is gone, which `dispose` reports
        same_file = result.path == duplicate.path
    reason = LISTED_TWICE if same_file else duplicate.kind
    return Rejected(result.path, reason, duplicate.path)


def _is_image(path: str) -> bool:
    from animetools.images.containers import HEAD_BYTES, format_by_content

    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return bool(format_by_content(file.read(HEAD_BYTES)))

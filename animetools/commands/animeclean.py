"""animeclean: pass on the images that are worth keeping."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import RawIOBase
from typing import TYPE_CHECKING, Annotated, Literal

from animetools import whole
from animetools.cli import Item, Opt, Output, Rejected, Stream, command
from animetools.cli.item import FATAL, Result, below, reason_of
from animetools.cli.report import Report
from animetools.errors import FatalError
from animetools.images.containers import MAX_PIXELS

if TYPE_CHECKING:
    from animetools.images.hashes import Fingerprint, Twin

LISTED_TWICE = "listed twice"
UNSUPPORTED = "unsupported"  # how the reasons begin for which a whole picture may be there
DUPLICATES = ("same bytes", "same pixels", "near-duplicate")  # their evidence is the other's path
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_PRINT = "animeclean's fingerprint"  # the fact in which it travels from measure to the choice


@dataclass(frozen=True)
class CleanOptions:
    """What animeclean can be told."""

    min_bytes: Annotated[int, Opt("Smallest file.", unit="BYTES", min=0)] = 1
    strict: Annotated[
        bool,
        Opt(
            "Reject files that have all their pixels but depart from their format: bytes after the"
            " end, no end marker, a wrong checksum in a text."
        ),
    ] = False
    max_pixels: Annotated[int, Opt("Most pixels of an image.", unit="PIXELS", min=1)] = MAX_PIXELS
    min_side: Annotated[int, Opt("Smallest width and height.", unit="PIXELS", min=1)] = 32
    min_colors: Annotated[int, Opt("Fewest distinct colours.", min=1)] = 257
    keep_grey: Annotated[bool, Opt("Let pass grey and nearly grey images.")] = False
    keep_duplicates: Annotated[bool, Opt("Let pass duplicates of every kind.")] = False
    near: Annotated[
        float,
        Opt("Share of equal hash bits that makes a near-duplicate; 0 looks for none.", max=1),
    ] = 0.99
    keep: Annotated[
        Literal["first", "largest"],
        Opt("Which of several duplicates stays; largest prints when the list has ended."),
    ] = "first"
    rejects: Annotated[
        str, Opt("Write path, reason and evidence of each reject, as TSV.", unit="FILE")
    ] = ""
    delete: Annotated[bool, Opt("Delete the rejects.")] = False
    move: Annotated[str, Opt("Move the rejects into this folder.", unit="FOLDER")] = ""

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        if self.delete and self.move:
            raise ValueError("--delete and --move exclude each other")
        if self.near and self.near < 0.5:
            raise ValueError("--near is 0 or at least 50%: even strangers share half their bits")


@command(
    examples=[
        "find faces | animeclean > kept.txt",
        "find faces | animeclean --min-bytes 40k --keep largest --rejects rejects.tsv | wc -l",
    ]
)
def animeclean(options: CleanOptions, stream: Stream) -> int:
    """Pass on the images that are worth keeping.

    Reads image paths and writes those of the images that are whole, large and colourful enough and
    no duplicates, in input order. Nothing happens to the others unless --delete or --move asks for
    it. The file of --rejects grows as the work goes; tabs, newlines and backslashes in paths are
    written as in C. Other names of an image that is
    kept are never removed, nor are pictures of a kind that is not read ("unsupported"). A file that
    has all its pixels is kept, whatever follows its end; --strict rejects it. Damage inside the data
    of a JPEG is not found.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, by their content; HEIC and JPEG XL where
    animetools[formats] is installed.
    """

    def through(results: Iterator[Result]) -> Iterator[Result]:
        if not options.keep_duplicates:
            choose = keep_largest if options.keep == "largest" else keep_first
            results = choose(options.near, results)
        return dispose(options, stream.report, results, dry=stream.options.dry_run)

    work = partial(measure, options, exact=stream.options.json)
    return replace(stream, aside=options.move).fold(work, through)


def measure(options: CleanOptions, item: Item, output: Output, *, exact: bool) -> Iterator[Result]:
    """What one image is like, from the cheap to the dear; a reject where that is reason enough.

    Unless `exact`, colours are counted only until there are enough.
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
        yield item.rejected("broken" if item.size else "empty", str(why))
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
        yield item.rejected("too few colours", str(colors))
        return
    small = shrunk(rgb)
    if not options.keep_grey and is_grey(small):
        yield item.rejected("grey")
        return
    measured = item.noted(width=width, height=height, bytes=len(data), colors=colors)
    if options.keep_duplicates:
        yield measured
    else:
        yield measured.noted(**{_PRINT: fingerprint(data, rgb, small)})


def keep_first(near: float, results: Iterator[Result]) -> Iterator[Result]:
    """Turn down each image that repeats an earlier one."""
    from animetools.images.hashes import Gallery

    gallery = Gallery(near)
    for result in results:
        if isinstance(result, Rejected):
            yield result
            continue
        item, picture = _parted(result)
        with _index_trouble():
            twin = gallery.twin(picture)
            if twin is None:
                gallery.add(item.path, picture)
        yield _duplicate(item, twin) if twin else item


def keep_largest(near: float, results: Iterator[Result]) -> Iterator[Result]:
    """Wait for the end, then turn down each image that repeats one of more pixels, or else bytes.

    What waits lies in a temporary database on the disk.
    """
    import pickle
    import sqlite3

    from animetools.images.hashes import Gallery

    gallery = Gallery(near)
    waiting = sqlite3.connect("", isolation_level=None)  # "" is a temporary file
    with _index_trouble():
        waiting.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE images (number INTEGER PRIMARY KEY, area INTEGER, bytes INTEGER,
                                 item BLOB);
            BEGIN;
            """
        )
    for result in results:
        if isinstance(result, Rejected):
            yield result
            continue
        facts = result.facts
        row = (facts["width"] * facts["height"], facts["bytes"], pickle.dumps(result))
        with _index_trouble():
            waiting.execute("INSERT INTO images (area, bytes, item) VALUES (?, ?, ?)", row)
    with _index_trouble():
        order = waiting.execute("SELECT number FROM images ORDER BY area DESC, bytes DESC, number")
        for (number,) in order:
            (pickled,) = waiting.execute(
                "SELECT item FROM images WHERE number = ?", (number,)
            ).fetchone()
            item, picture = _parted(pickle.loads(pickled))
            twin = gallery.twin(picture)
            if twin is None:
                gallery.add(item.path, picture)
            judged = pickle.dumps(_duplicate(item, twin) if twin else item)
            waiting.execute("UPDATE images SET item = ? WHERE number = ?", (judged, number))
    for (pickled,) in waiting.execute("SELECT item FROM images ORDER BY number"):
        yield pickle.loads(pickled)


def dispose(
    options: CleanOptions, report: Report, results: Iterator[Result], *, dry: bool
) -> Iterator[Result]:
    """Write down the rejects, and delete or move them if asked; what cannot be moved has failed."""
    with _rejects_file("" if dry else options.rejects) as file:
        for result in results:
            if isinstance(result, Rejected):
                if file:
                    file.write(_tsv(result))
                try:
                    _remove(options, report, result, dry=dry)
                except OSError as why:
                    if why.errno in FATAL:
                        raise
                    report.error(result.path, f"cannot be removed: {reason_of(why)}")
                    continue
            yield result


def _remove(options: CleanOptions, report: Report, reject: Rejected, *, dry: bool) -> None:
    """Delete or move a reject, unless it is the very file that is kept, or of a kind that is not read.

    Raises OSError, also where the twin that is kept is gone, or something has the new name.
    """
    if not (options.delete or options.move) or reject.reason == LISTED_TWICE:
        return
    if reject.reason.startswith(UNSUPPORTED):
        return
    if not os.path.lexists(reject.path):  # listed twice: it is gone already
        return
    if reject.reason in DUPLICATES:
        os.stat(reject.evidence)
    target = below(options.move, reject.path)
    if dry:
        report.note(
            f"{reject.path}: would be {f'moved to {target}' if options.move else 'deleted'}"
        )
    elif options.delete:
        os.unlink(reject.path)
    elif os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, f"{target} is there already")
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _move(reject.path, target)


def _move(path: str, target: str) -> None:
    """Rename a file; to another file system, copy it whole before it goes."""
    try:
        os.rename(path, target)
    except OSError as why:
        if why.errno != errno.EXDEV:
            raise
        with open(path, "rb") as source, whole.writing(target) as copy:
            shutil.copyfileobj(source, copy)
        shutil.copystat(path, target)
        os.unlink(path)


def _parted(item: Item) -> tuple[Item, "Fingerprint"]:
    facts = dict(item.facts)
    picture = facts.pop(_PRINT)
    return replace(item, facts=facts), picture


def _duplicate(item: Item, twin: "Twin") -> Rejected:
    """The reject; other names of one file (links too) are told apart from files of their own."""
    try:
        same_file = os.path.samefile(item.path, twin.path)
    except OSError:  # one of them is gone; dispose will find that out
        same_file = item.path == twin.path
    return item.rejected(LISTED_TWICE if same_file else twin.kind, twin.path)


@contextmanager
def _index_trouble() -> Iterator[None]:
    import sqlite3

    try:
        yield
    except sqlite3.OperationalError as why:
        raise FatalError(f"temporary index: {why}; TMPDIR says where it lies") from why


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

"""animeclean: pass on the images that are worth keeping."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from animetools import atomic
from animetools.cli import Item, Opt, Output, Rejected, Result, Stream, command
from animetools.cli.item import FATAL, below, reason_of
from animetools.cli.rejects import RejectsFile, recorded
from animetools.errors import FatalError
from animetools.images.comparison import Comparison
from animetools.images.measure import Limits
from animetools.options import given

if TYPE_CHECKING:
    from animetools.cli.records import Records
    from animetools.cli.stream import Run
    from animetools.images.duplicates import Recall
    from animetools.images.listed import Listed

LISTED_TWICE = "listed twice"
UNSUPPORTED = "unsupported"  # such reasons may be of a whole picture
# Reasons of which the evidence is the other's path.
DUPLICATES = ("same bytes", "same pixels", "near-duplicate", "mirrored", "cropped")
_COMPARING = ("mirrored", "cropped", "index", "against", "never_match", "groups", "sheet")


@dataclass(frozen=True)
class CleanOptions(Comparison, Limits):
    """The options of animeclean."""

    groups: Annotated[
        bool,
        Opt(
            "Print a line for each group of duplicates instead of the images that are kept: the one"
            " that is kept, then the others, with tabs between them, escaped as in C; with --json"
            " also the reasons."
        ),
    ] = False
    sheet: Annotated[
        str,
        Opt(
            "Write a contact sheet of 100 groups that are not exact copies, the least alike first; the"
            " numbers are those of the lines of --groups, and of the fields in a line.",
            unit="FILE",
        ),
    ] = ""
    rejects: RejectsFile = ""
    delete: Annotated[bool, Opt("Delete the rejects; captions and other sidecars stay.")] = False
    move: Annotated[
        str, Opt("Move the rejects and their sidecars into this folder.", unit="FOLDER")
    ] = ""

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        super().__post_init__()
        if self.delete and self.move:
            raise ValueError("--delete and --move exclude each other")
        if self.sheet and (self.delete or self.move):
            raise ValueError("--sheet is for looking first: run --delete or --move afterwards")
        if self.keep_duplicates and (used := given(self, _COMPARING)):
            raise ValueError(f"--keep-duplicates excludes {used[0]}")

    @property
    def which(self) -> str:
        """Which of several duplicates to keep: the better one where the others are removed."""
        return self.keep or ("largest" if self.delete or self.move else "first")


@command(
    cluster=True,
    examples=[
        "find faces | animeclean > kept.txt",
        "find faces | animeclean --min-bytes 40k --keep largest --rejects rejects.tsv | wc -l",
        "find faces | animeclean --index faces.sqlite > new.txt",
        "find faces | animeclean --mirrored --cropped --sheet groups.png --groups > groups.tsv",
    ],
)
def animeclean(options: CleanOptions, stream: Stream) -> int:
    """Pass on the images that are worth keeping.

    Reads image paths and prints, in input order, those of images that are complete, large and
    colorful enough, and not duplicates. The others are left alone unless --delete or --move is
    given; images of an unsupported format, and other names of an image that is kept, are never
    removed. The file of --rejects is written as the run goes on; tabs, newlines and backslashes in
    it are escaped as in C.

    With --index, images of later runs are compared with those that were kept before, wherever they
    are now, and a rerun gives the same answers. A file that was moved or renamed is known by its
    bytes; copies of one that was deleted are still rejected, but not removed. Lines of --groups whose
    images are no duplicates can be collected in a file for --never-match.

    Two crops by animecrop are near-duplicates if they show the same face of two copies of a picture;
    two faces in one picture never are. Captions and other sidecars (x.txt, x.jpg.json and .xmp,
    .caption, .tags of x.jpg) move with their image, except those that another image of that name
    uses. A file that has all its pixels is kept, whatever follows its end; --strict rejects it.
    Damage inside the data of a JPEG is not detected.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, recognized by their content; with
    animetools[formats] also HEIC and JPEG XL.
    """
    _check_files(options)
    work = partial(measured, options, all_colors=stream.options.json)
    rejects = "" if stream.options.dry_run else options.rejects
    gone: set[str] = set()

    def gather(items: Iterable[Item], run: "Run") -> Iterator[Result]:
        if options.keep_duplicates:
            results = run(items)
        else:
            results = distinct(options, stream, items, run, gone)
        return dispose(options, stream, recorded(rejects, results), gone)

    return replace(stream, aside=options.move).collect(work, gather)


def measured(
    options: CleanOptions, item: Item, output: Output, *, all_colors: bool
) -> Iterator[Result]:
    """One image with its measurements and fingerprint, or why it is rejected."""
    from animetools.images.measure import Unfit, measure

    found = item.load or measure(
        item.path,
        options,
        all_colors=all_colors,
        with_fingerprint=not options.keep_duplicates,
        with_details=options.keep == "best",
    )
    if isinstance(found, Unfit):
        yield item.rejected(found.reason, found.evidence)
    else:
        facts = {"width": found.width, "height": found.height, "bytes": found.bytes}
        yield item.noted(**facts, colors=found.colors).carrying(found)


def distinct(
    options: CleanOptions, stream: Stream, items: Iterable[Item], run: "Run", gone: set[str]
) -> Iterator[Result]:
    """Work on the items and reject the duplicates; `gone` gets those of images that are not there."""
    from animetools.cli.records import Records
    from animetools.images.duplicates import choice, judged
    from animetools.images.groups import Groups
    from animetools.images.measure import digest

    made = digest(options, all_colors=stream.options.json)
    chosen = choice(options, options.which, made, dry=stream.options.dry_run)
    groups = Groups()
    with Records() as records:
        listed = (_listed(result, records) for result in run(_recalled(items, chosen.recall)))
        for result, duplicate in judged(chosen, listed):
            if duplicate:
                gone.update([result.path] if duplicate.is_gone else [])
                if options.groups or options.sheet:
                    groups.add(result.path, duplicate)
                yield Rejected(result.path, duplicate.kind, duplicate.path)
            elif isinstance(result, Rejected) or not options.groups:
                yield result
    chosen.close()
    for remark in chosen.remarks():
        stream.remark(remark)
    if options.groups:
        yield from groups.lines(as_json=stream.options.json)
    if options.sheet and not stream.options.dry_run:
        if data := groups.sheet_file(options.sheet):
            atomic.write(options.sheet, data)
        else:
            stream.note(f"{options.sheet} is not written: there is no group to look at")


def dispose(
    options: CleanOptions, stream: Stream, results: Iterator[Result], gone: set[str]
) -> Iterator[Result]:
    """Delete or move the rejects, if asked; failing to is a failure of its input."""
    for result in results:
        if isinstance(result, Rejected):
            try:
                _remove(options, stream, result, is_gone=result.path in gone)
            except OSError as why:
                if why.errno in FATAL:
                    raise
                yield Item(result.path, trouble=f"cannot be removed: {reason_of(why)}")
                continue
        yield result


def _remove(options: CleanOptions, stream: Stream, reject: Rejected, *, is_gone: bool) -> None:
    """Delete or move a reject, unless it may be intact, or is the very file that is kept.

    Raises OSError, also if the duplicate that is kept is gone, or the new name is taken.
    """
    if not (options.delete or options.move) or reject.reason == LISTED_TWICE:
        return
    if reject.reason.startswith(UNSUPPORTED) or not os.path.lexists(reject.path):
        return
    if is_gone or (reject.reason in DUPLICATES and not os.path.exists(reject.evidence)):
        raise OSError(f"{reject.evidence} was deleted or changed since")
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


def _recalled(items: Iterable[Item], recall: "Recall") -> Iterator[Item]:
    """The items; those that the index knows carry their measurements."""
    for item in items:
        yield item.carrying(recall(item.path, *item.size_and_time)) if item.is_file else item


def _listed(result: Result, records: "Records") -> "tuple[Item | Rejected, Listed | None]":
    """An image as it was measured, with the origin of a crop, from facts or animecrop's journal."""
    from animetools.images.listed import Listed
    from animetools.images.origins import Origin

    assert not isinstance(result, str)
    if isinstance(result, Rejected):
        return result, None
    origin = Origin.of(result.facts) or Origin.of(records.facts(result.path))
    found = replace(result.load, fingerprint=replace(result.load.fingerprint, origin=origin))
    return result.carrying(None), Listed.of(result.path, result.size_and_time, found)


def _check_files(options: CleanOptions) -> None:
    """Refuse to overwrite images, and what other options name."""
    from animetools.images.files import is_image
    from animetools.images.sheet import check_name

    if options.rejects and is_image(options.rejects):
        raise FatalError(f"--rejects {options.rejects} is an image, and would be overwritten")
    if options.rejects and (lost := options.would_lose(options.rejects)):
        raise FatalError(f"--rejects {options.rejects} would overwrite {lost}")
    if options.sheet:
        check_name(options.sheet)

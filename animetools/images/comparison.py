"""How duplicates are looked for, as options say it."""

import os
from dataclasses import dataclass
from typing import Annotated, Literal

from animetools.options import Opt


@dataclass(frozen=True)
class Comparison:
    """What counts as a duplicate, of what, and which of several is kept."""

    keep_duplicates: Annotated[bool, Opt("Keep duplicates of all kinds.")] = False
    near: Annotated[
        float,
        Opt(
            "Images with at least this share of equal hash bits are near-duplicates; of crops, their"
            " source pictures are compared. 0 looks for none.",
            max=1,
        ),
    ] = 0.97
    mirrored: Annotated[bool, Opt("Mirrored copies are duplicates too.")] = False
    cropped: Annotated[
        bool,
        Opt("Copies of which up to about 5 % is cropped off at each side are duplicates too."),
    ] = False
    keep: Annotated[
        Literal["first", "largest", "best", "newest"] | None,
        Opt(
            "Which of several duplicates to keep: the first in the list; the one with the most pixels,"
            " then bytes; the one with the most fine detail, which enlarging does not add and"
            " compression takes away; or the file that was changed last. Default: largest with --delete"
            " or --move, otherwise first. All but first print nothing before the list ends."
        ),
    ] = None
    index: Annotated[
        str,
        Opt(
            "Remember all images in this file (SQLite), which is made if it does not exist: images of"
            " later runs are compared with those kept before, and files that have not changed are not"
            " read again. Several processes may use it at once.",
            unit="FILE",
        ),
    ] = ""
    against: Annotated[
        str,
        Opt(
            "Also reject duplicates of the images in this --index of another collection, which is only"
            " read; its images need not be there.",
            unit="FILE",
        ),
    ] = ""
    never_match: Annotated[
        str,
        Opt(
            "A file with a line for each group of images that are no duplicates of each other: their"
            " paths with tabs between them, as --groups prints them. Images are recognized by their"
            " bytes, with --index also if they were moved since.",
            unit="FILE",
        ),
    ] = ""

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.near and self.near < 0.5:
            raise ValueError("--near is 0 or at least 50%: unrelated images share half their bits")
        if not self.near and (self.mirrored or self.cropped):
            raise ValueError("--mirrored and --cropped need --near")
        if self.index and _is_same(self.index, self.against):
            raise ValueError("--index and --against name the same file")

    def would_lose(self, path: str) -> str:
        """Which file of these options, if any, a file written to this path would replace."""
        files = (self.index, self.against, self.never_match)
        return next((file for file in files if file and _is_same(path, file)), "")


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)

"""The names of a tagger's outputs, from the file that comes with it."""

import csv
import os
from collections.abc import Sequence
from io import StringIO

from animetools.errors import FatalError
from animetools.tags import CATEGORIES, GENERAL, LONGEST_NAME

Names = Sequence[tuple[str, str]]  # name and category of each output

LARGEST_FILE = 1 << 26  # bytes
RATING = "rating:"  # how DeepDanbooru's ratings begin
NAME, CATEGORY = "name", "category"


def read_csv(path: str) -> Names:
    """The names in a selected_tags.csv of the WD taggers.

    Raises FatalError, one sentence, for any other file.
    """
    rows = csv.DictReader(StringIO(read_text(path), newline=""))
    found = []
    try:
        missing = {NAME, CATEGORY}.difference(rows.fieldnames or ())
        if missing:
            raise FatalError(
                f"{path} has no column {' or '.join(sorted(missing))}: give the selected_tags.csv that"
                " came with the model"
            )
        for row in rows:
            number = row[CATEGORY] or ""
            if not (number.isdecimal() and len(number) == 1 and int(number) in CATEGORIES):
                known = ", ".join(map(str, CATEGORIES))
                raise FatalError(
                    f"{path}, line {rows.line_num}: the category {number[:20]!r} is not one of {known}"
                )
            found.append((row[NAME], CATEGORIES[int(number)]))
    except csv.Error as why:
        raise FatalError(f"{path}, line {rows.line_num}: {why}") from None
    return _checked(path, found)


def read_txt(path: str) -> Names:
    """The names in a tags.txt of DeepDanbooru, one a line.

    Those that are also in tags-character.txt beside it are characters.

    Raises FatalError, one sentence, for any other file.
    """
    characters: set[str] = set()
    beside = os.path.splitext(path)[0] + "-character.txt"
    if os.path.exists(beside):
        characters = set(names_by_line(beside))

    def category(name: str) -> str:
        if name.startswith(RATING):
            return "rating"
        return "character" if name in characters else GENERAL

    return _checked(path, [(name, category(name)) for name in names_by_line(path)])


def read_blacklist(path: str) -> set[str]:
    """The tags of a file, one a line, with underscores; lines that begin with # are comments.

    Raises FatalError, one sentence, if it cannot be read.
    """
    return {"_".join(line.split()) for line in names_by_line(path) if not line.startswith("#")}


def names_by_line(path: str) -> list[str]:
    """The lines of a file that are not empty.

    Raises FatalError, one sentence, if it cannot be read.
    """
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]


def read_text(path: str) -> str:
    """The text of a small file in UTF-8.

    Raises FatalError, one sentence, if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as why:
        raise FatalError(f"{path} cannot be read: {why.strerror}") from why
    if len(data) > LARGEST_FILE:
        raise FatalError(f"{path} is too large for a list of tags")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FatalError(f"{path} is not a text in UTF-8, as a list of tags is") from None


def _checked(path: str, names: Names) -> Names:
    """The names, none of which would break a line."""
    if not names:
        raise FatalError(f"{path} holds no tags")
    for name, _ in names:
        if not 0 < len(name or "") <= LONGEST_NAME or not name.isprintable():
            raise FatalError(
                f"{path}: {(name or '')[:60]!r} is not the name of a tag: it is empty, too long, or has"
                " control characters"
            )
    return names

"""A post of a booru, as its metadata tells it in any year's form."""

import re
from collections.abc import Mapping
from typing import Any

from animetools.tags import CATEGORIES, GENERAL

Record = Mapping[str, Any]

FACTS = ("md5", "rating", "created_at")  # that go on along a pipe
KINDS = ("artist", "copyright", "character", GENERAL, "meta")
LONGEST_NUMBER = 20  # digits
_EXTENSION = re.compile(r"[a-z0-9]{1,10}", re.ASCII).fullmatch
_YES = (True, 1, "1", "t", "true", "True")


class PostError(ValueError):
    """Why an entry is not a post, in a few words."""


class Post:
    """One post: `record` has Danbooru's names, in the form of 2017 to 2020 or of the site's API.

    Raises PostError if it has no id; the methods, if what they look for is malformed.
    """

    __slots__ = ("id", "record")

    def __init__(self, record: Any) -> None:
        self.record: Record = record
        if not isinstance(record, dict):
            raise PostError("not a JSON object")
        found = self.number("id")
        if found is None or found < 0:
            raise PostError("it has no id")
        self.id = found

    @property
    def is_active(self) -> bool:
        """Whether it is neither deleted nor banned nor pending, as far as its record says."""
        get = self.record.get
        return not (
            get("is_deleted") in _YES or get("is_banned") in _YES or get("is_pending") in _YES
        )

    @property
    def rating(self) -> str:
        """Its rating's first letter; empty if it has none."""
        return self.text("rating")[:1]

    @property
    def extension(self) -> str:
        """Of its file; empty if it is not known."""
        found = self.text("file_ext")
        if found and not _EXTENSION(found):
            raise PostError(f"file_ext is {found[:20]!r}")
        return found

    def number(self, name: str) -> int | None:
        """A number, which older dumps write as a string; None if it has none."""
        found = self.record.get(name)
        if type(found) is int or found is None:
            return found
        try:
            if isinstance(found, str):
                return int(found) if len(found) <= LONGEST_NUMBER else int("")
            return int(found) if isinstance(found, float | bool) else int("")
        except (ValueError, OverflowError):
            raise PostError(f"{name} is {str(found)[:20]!r}, not a number") from None

    def text(self, name: str) -> str:
        """A string; empty if it has none."""
        found = self.record.get(name)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise PostError(f"{name} is not a string")
        return found

    def names(self, kind: str = "") -> str:
        """The names of its tags, or of those of one category, each between two spaces.

        Where categories are not known these are all tags: in a booru, a name has one category.
        """
        listed = self.record.get("tags")
        if listed is not None:
            found = [name for name, category in _listed(listed) if kind in ("", category)]
            return f" {' '.join(found)} "
        if kind and self.record.get(f"tag_string_{kind}") is not None:
            return f" {self.text(f'tag_string_{kind}')} "
        if self.record.get("tag_string") is not None:
            return f" {self.text('tag_string')} "
        strings = [self.text(f"tag_string_{one}") for one in KINDS if self._has(one)]
        if not strings:
            raise PostError("it has neither tags nor tag_string")
        return f" {' '.join(strings)} "

    def tags(self) -> list[tuple[str, str]]:
        """The name and the category of each tag; general where the category is not known."""
        listed = self.record.get("tags")
        if listed is not None:
            return _listed(listed)
        found = {name: kind for kind in KINDS for name in self.text(f"tag_string_{kind}").split()}
        return [*({name: GENERAL for name in self.text("tag_string").split()} | found).items()]

    def names_of(self, kind: str) -> list[str]:
        """The names of its tags of one category, or of all for the empty string.

        Raises PostError if its tags have no categories.
        """
        if kind and self.record.get("tags") is None and not self._has(kind):
            raise PostError(f"it has no tag_string_{kind}")
        return self.names(kind).split()

    def facts(self) -> dict[str, Any]:
        """What is known of it, as a record along a pipe has it."""
        known = {name: found for name in FACTS if (found := self.text(name))}
        return {"id": str(self.id)} | known | {"tags": [[*tag, 1] for tag in self.tags()]}

    def _has(self, kind: str) -> bool:
        return self.record.get(f"tag_string_{kind}") is not None


def _listed(tags: Any) -> list[tuple[str, str]]:
    """The name and the category of each of a list of tags."""
    try:
        return [(tag["name"], _KINDS[tag["category"]]) for tag in tags]
    except (TypeError, KeyError):
        raise PostError("its tags are not a list of names and categories") from None


# As numbers, and as the strings that older dumps have.
_KINDS: dict[int | str, str] = CATEGORIES | {
    str(number): CATEGORIES[number] for number in CATEGORIES
}

"""Which posts are wanted: the decision."""

from collections.abc import Iterable

import orjson

from animetools.booru.blocks import TOO_LONG
from animetools.booru.filters import Filters
from animetools.booru.post import Post, PostError, Record
from animetools.booru.where import Where


class Judge:
    """Reads entries of metadata, and finds the posts that are wanted."""

    def __init__(self, filters: Filters) -> None:
        self.filters = filters
        self.where = Where(filters.where) if filters.where else None
        self.ratings, self.extensions = filters.ratings, filters.extensions
        self.least = filters.least
        self.all = _spaced(filters.tags)
        self.any = _spaced(filters.any_tags)
        self.none = _spaced(filters.no_tags)
        self.kinds = {kind: _spaced(names) for kind, names in filters.kinds.items()}
        groups = [*((tag,) for tag in filters.tags), filters.any_tags, *filters.kinds.values()]
        self.needles = [[name.encode() for name in group] for group in groups if group]

    def look(self, entry: bytes | Record) -> Post | str:
        """The post of an entry, or why it is not wanted.

        Raises PostError if it is malformed. A line that lacks a wanted name is only checked for its
        braces: reading it is most of the work.
        """
        if not isinstance(entry, bytes):
            record = entry
        elif self._lacks(entry):
            return "tags"
        else:
            try:
                record = orjson.loads(entry)
            except orjson.JSONDecodeError:
                raise PostError("not JSON") from None
            if not isinstance(record, dict):
                raise PostError("longer than 16 MiB" if entry == TOO_LONG else "not a JSON object")
        post = Post(record)
        return self._objection(post) or post

    def _lacks(self, line: bytes) -> bool:
        """Whether a line cannot have the wanted names; never True for one that has them.

        Without a backslash, every string in it stands there as it is.
        """
        if not self.needles or b"\\" in line:
            return False
        for group in self.needles:
            for name in group:
                if name in line:
                    break
            else:
                return line.startswith(b"{") and line.rstrip().endswith(b"}")
        return False

    def _objection(self, post: Post) -> str:
        filters = self.filters
        if not (filters.inactive or post.is_active):
            return "not active"
        if filters.since and filters.since.order(post) < 0:
            return "before --since"
        if filters.until and filters.until.order(post) > 0:
            return "after --until"
        if self.ratings and not (post.rating and post.rating in self.ratings):
            return "rating"
        for name, least in self.least.items():
            found = post.number(name)
            if found is None:
                raise PostError(f"it has no {name}")
            if found < least:
                return name
        if self.extensions and post.extension not in self.extensions:
            return "file_ext"
        if (self.all or self.any or self.none) and not self._has_tags(post.names()):
            return "tags"
        for kind, wanted in self.kinds.items():
            names = post.names(kind)
            if not any(name in names for name in wanted):
                return kind
        if self.where and not self.where.holds(post):
            return "--where"
        return ""

    def _has_tags(self, names: str) -> bool:
        for name in self.all:
            if name not in names:
                return False
        for name in self.none:
            if name in names:
                return False
        return not self.any or any(name in names for name in self.any)


def _spaced(names: Iterable[str]) -> list[str]:
    return [f" {name} " for name in names]

"""Which posts are wanted: those that meet all conditions."""

from collections.abc import Iterable
from typing import Any

from animetools.booru.filters import Filters
from animetools.booru.post import Post, PostError, record_of
from animetools.booru.where import Where


class Conditions:
    """What filters ask of a post; used only by the thread that made it."""

    def __init__(self, filters: Filters) -> None:
        self.inactive = filters.inactive
        self.since, self.until = filters.since, filters.until
        self.ratings, self.extensions = filters.ratings, filters.extensions
        self.least = filters.least
        self.all = _spaced(filters.tags)
        self.any = _spaced(filters.any_tags)
        self.none = _spaced(filters.no_tags)
        self.has_tags = bool(self.all or self.any or self.none)
        groups = [*((tag,) for tag in filters.tags), filters.any_tags, *filters.kinds.values()]
        self.wanted = [[name.encode() for name in group] for group in groups if group]
        self.kinds = {kind: _spaced(names) for kind, names in filters.kinds.items()}
        self.where = Where(filters.where) if filters.where else None

    def objection(self, post: Post, entry: bytes | dict[str, Any]) -> str:
        """Why a post is not wanted, in a word; empty if it is. The entry is what it was read from.

        Raises PostError if what is asked for is missing.
        """
        if not (self.inactive or post.is_active):
            return "not active"
        if self.since and self.since.order(post) < 0:
            return "before --since"
        if self.until and self.until.order(post) > 0:
            return "after --until"
        if self.ratings and (post.rating or "-")[0] not in self.ratings:
            return "rating"
        for name, least in self.least.items():
            found = getattr(post, name)
            if found is None:
                raise PostError(f"it has no {name}")
            if found < least:
                return name
        if self.extensions and post.file_ext not in self.extensions:
            return "file_ext"
        if self.wanted and post.lists_tags and self._lacks(entry):
            return "tags"
        if self.has_tags and not self._has_tags(post.names()):
            return "tags"
        for kind, wanted in self.kinds.items():
            names = post.names(kind)
            if not any(name in names for name in wanted):
                return kind
        if self.where and not self.where.holds(record_of(entry), post):
            return "--where"
        return ""

    def _lacks(self, entry: bytes | dict[str, Any]) -> bool:
        """Whether a line cannot have the wanted names, found out without reading its list of tags.

        Without a backslash, every string stands in it as it is.
        """
        if not isinstance(entry, bytes) or b"\\" in entry:
            return False
        for group in self.wanted:
            for name in group:
                if name in entry:
                    break
            else:
                return True
        return False

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

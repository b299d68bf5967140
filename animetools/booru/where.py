"""--where: a condition on a post, as an expression of SQLite that can do nothing but compute."""

import sqlite3
from typing import Any

from animetools.booru.post import Post, PostError

NUMBERS = (
    "id", "score", "up_score", "down_score", "fav_count", "image_width", "image_height", "file_size",
    "uploader_id", "approver_id", "parent_id", "pixiv_id", "tag_count", "tag_count_general",
    "tag_count_artist", "tag_count_character", "tag_count_copyright", "tag_count_meta",
)  # fmt: skip
TEXTS = ("rating", "created_at", "updated_at", "file_ext", "md5", "source")
TAGS = "tags"  # the names, each between two spaces
COLUMNS = (*NUMBERS, *TEXTS, TAGS)

FUNCTIONS = {
    "abs", "coalesce", "glob", "ifnull", "iif", "instr", "length", "like", "lower", "ltrim", "max",
    "min", "nullif", "round", "rtrim", "sign", "substr", "substring", "trim", "upper",
}  # fmt: skip
LONGEST = 10_000  # characters of an expression
LARGEST = 1 << 20  # bytes of a string that it may make


class Where:
    """A condition, ready to be tried on posts, in the thread that made it.

    Raises ValueError, in one sentence, if it is not an expression or wants more than a post's columns
    and a few functions.
    """

    def __init__(self, expression: str) -> None:
        self.base = sqlite3.connect(":memory:", isolation_level=None)
        self.base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        self.base.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST)
        self.base.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200)
        self.base.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200)
        kinds = dict.fromkeys(COLUMNS, "TEXT") | dict.fromkeys(NUMBERS, "INTEGER")
        self.base.execute(
            f"CREATE TABLE post ({', '.join(f'{name} {kind}' for name, kind in kinds.items())})"
        )
        self.used: dict[str, None] = {}
        self.objection = ""
        self.base.set_authorizer(self._allow)
        try:
            self.base.execute(f"SELECT ({expression}\n) FROM post")
        except (sqlite3.Error, ValueError) as why:  # ValueError: a NUL
            raise ValueError(f"--where: {self.objection or why}") from None
        values = ", ".join(f"CAST(? AS {kinds[name]}) AS {name}" for name in self.used)
        source = f"(SELECT {values})" if values else "(SELECT 1)"
        self.statement = f"SELECT ({expression}\n) IS TRUE FROM {source}"

    def holds(self, record: dict[str, Any], post: Post) -> bool:
        """Whether the condition is true of a record and its post; not if it needs what they lack.

        Raises PostError if it cannot be computed.
        """
        try:
            (found,) = self.base.execute(
                self.statement, [_value(record, post, name) for name in self.used]
            ).fetchone()
        except (sqlite3.Error, OverflowError) as why:
            raise PostError(f"--where: {why}") from None
        return bool(found)

    def _allow(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        """What SQLite asks when it compiles a statement."""
        if action == sqlite3.SQLITE_SELECT:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and first == "post":
            self.used.update({second: None} if second else {})
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and second in FUNCTIONS:
            return sqlite3.SQLITE_OK
        self.objection = (
            f"no function {second}"
            if action == sqlite3.SQLITE_FUNCTION
            else "it can use the columns of a post only"
        )
        return sqlite3.SQLITE_DENY


def _value(record: dict[str, Any], post: Post, name: str) -> int | float | str | None:
    if name == TAGS:
        return post.names()
    found = record.get(name)
    if not isinstance(found, int | float | str | None):
        raise PostError(f"--where: {name} is neither a number nor a string")
    return found[:1] if name == "rating" and isinstance(found, str) else found

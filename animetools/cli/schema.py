"""The tables of a journal, and the upgrade of those of older versions."""

import sqlite3

VERSION = 1  # PRAGMA user_version

_DONE = """
CREATE TABLE IF NOT EXISTS done (
    stem BLOB PRIMARY KEY,     -- the outputs' common beginning, below the folder
    source BLOB NOT NULL,      -- the input, absolute
    stamp TEXT NOT NULL,       -- of the input
    settings INTEGER NOT NULL REFERENCES settings,
    begun INTEGER NOT NULL,    -- until it is done: when the run that works on it began
    results TEXT NOT NULL      -- [[path, null, facts], [reason, evidence, null] or [line], ...]
) WITHOUT ROWID
"""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS settings (id INTEGER PRIMARY KEY, words TEXT UNIQUE NOT NULL)",
    _DONE,
    "CREATE INDEX IF NOT EXISTS begun ON done (begun) WHERE begun",
    """
    CREATE TABLE IF NOT EXISTS files (
        path BLOB PRIMARY KEY,     -- below the folder
        stem BLOB NOT NULL REFERENCES done,
        size INTEGER NOT NULL,
        mtime INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS of ON files (stem)",
)

# Version 0 had size and mtime instead of the stamp. An item that was not a file had the size -1, and
# for its mtime a digest of what it is made from, or 0.
_STAMPED = """
INSERT INTO done SELECT stem, source,
    CASE WHEN size != -1 THEN size || ':' || mtime WHEN mtime THEN mtime ELSE '' END,
    settings, begun, results
FROM before
"""


def prepare(base: sqlite3.Connection) -> None:
    """Create missing tables, and upgrade those of an older version in one transaction.

    Raises sqlite3.Error, also for the journal of a newer version.
    """
    (version,) = base.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise sqlite3.DatabaseError(
            "written by a newer version of animetools, which this one cannot read"
        )
    if version < VERSION:
        _upgrade(base)
    for table in _TABLES:
        base.execute(table)


def _upgrade(base: sqlite3.Connection) -> None:
    base.execute("BEGIN IMMEDIATE")
    try:
        columns = {row[1] for row in base.execute("PRAGMA table_info(done)")}
        if "mtime" in columns:  # otherwise it is new, or another process has just upgraded it
            base.execute("DROP INDEX IF EXISTS begun")
            base.execute("CREATE TABLE before AS SELECT * FROM done")
            base.execute("DROP TABLE done")
            base.execute(_DONE)
            base.execute(_STAMPED)
            base.execute("DROP TABLE before")
        base.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        base.execute("ROLLBACK")
        raise
    base.execute("COMMIT")

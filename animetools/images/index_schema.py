"""The tables of an index, and what is refused because it is none, or of another version."""

import os
import sqlite3

from animetools.errors import FatalError
from animetools.images.containers import format_by_name
from animetools.images.hashes import VERSION

_NAME = 0x616E6978  # the file's application_id, "anix"; its user_version is that of the hashes
_MAGIC = b"SQLite format 3\0"
_VERSION_AT, _NAME_AT, _HEADER = 60, 68, 72  # bytes of the file's header, see SQLite's file format
_SCHEMA = (
    "CREATE TABLE pictures (number INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB, place BLOB UNIQUE,"
    " mtime INTEGER, made INTEGER, width INTEGER, height INTEGER, bytes INTEGER, colors INTEGER,"
    " content BLOB, pixels BLOB, shape BLOB, hues BLOB, details INTEGER, origin BLOB, view BLOB)",
    "CREATE INDEX by_pixels ON pictures (pixels)",
    "CREATE TABLE kept (number INTEGER PRIMARY KEY AUTOINCREMENT, picture INTEGER UNIQUE,"
    " shape BLOB, coarse BLOB, source BLOB)",
)


def lay_out(base: sqlite3.Connection, path: str) -> None:
    """Make the tables of an empty file, all or none."""
    base.execute("BEGIN IMMEDIATE")
    if not base.execute("SELECT 1 FROM sqlite_schema").fetchone():
        base.execute(f"PRAGMA application_id = {_NAME}")
        base.execute(f"PRAGMA user_version = {VERSION}")
        for statement in _SCHEMA:
            base.execute(statement)
    base.execute("COMMIT")
    check_tables(base, path)


def check_tables(base: sqlite3.Connection, path: str) -> None:
    """Refuse tables and triggers of others before they are used."""
    base.execute("PRAGMA trusted_schema = OFF")
    query = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name != 'sqlite_sequence'"
    if [sql for (sql,) in base.execute(query)] != list(_SCHEMA):
        raise FatalError(f"{path} is not an index of animeclean: choose another file")


def check(path: str) -> None:
    """Refuse what is not an index of this version, before SQLite touches it."""
    if format_by_name(path):  # the next run would take it for a broken image
        raise FatalError(f"{path} has the name of an image: choose another for the index")
    if os.path.isdir(path):
        raise FatalError(
            f"{path} is a folder: name a file for the index, such as {path}/index.sqlite"
        )
    if not os.path.exists(path):
        return
    if not os.path.isfile(path):
        raise FatalError(f"{path} is not a regular file: choose another file for the index")
    with open(path, "rb") as file:
        header = file.read(_HEADER)
    if not header:
        return
    name = int.from_bytes(header[_NAME_AT:])
    if not header.startswith(_MAGIC) or name != _NAME:
        raise FatalError(f"{path} is not an index of animeclean: choose another file")
    version = int.from_bytes(header[_VERSION_AT : _VERSION_AT + 4])
    if version != VERSION:
        raise FatalError(
            f"{path} holds hashes of version {version}, this animeclean makes version {VERSION}:"
            f" list the images again with a new --index"
        )

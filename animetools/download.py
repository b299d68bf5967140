"""Files from elsewhere, fetched once into the user's cache."""

import hashlib
import os

import pooch  # type: ignore[import-untyped]  # it ships no types

from animetools import atomic


class DownloadError(Exception):
    """A file cannot be had; the message is the cause in a few words."""


def download(
    url: str,
    name: str,
    sha256: str | None,
    timeout: tuple[float, float],
    folder: str | None = None,
) -> str:
    """The path of what is behind an address, kept as `name` in the user's cache, or in `folder`.

    One that is there already is taken, unless its SHA-256 is another. `timeout` is how many seconds
    to wait for the connection, and for the next bytes.

    Raises DownloadError; nothing of a failed download is kept.
    """
    path = os.path.join(folder or str(pooch.os_cache("animetools")), name)
    try:
        if os.path.exists(path) and (sha256 is None or sha256_of(path) == sha256):
            return path
        with atomic.writing(path) as file:
            pooch.HTTPDownloader(timeout=timeout)(url, file, None)
            file.flush()
            found = sha256 and sha256_of(atomic.part_name(path))
            if found != sha256:
                raise ValueError(f"what came is another file, its SHA-256 is {found}")
    except (OSError, ValueError) as why:
        raise DownloadError(_cause(why)) from why
    return path


def sha256_of(path: str) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cause(why: OSError | ValueError) -> str:
    """What went wrong, out of the several errors that requests wraps it in."""
    innermost: BaseException = why
    while innermost.__cause__ or innermost.__context__:
        innermost = innermost.__cause__ or innermost.__context__ or innermost
    return getattr(innermost, "strerror", None) or str(innermost)

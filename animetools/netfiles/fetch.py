"""Where a network file is: on the disk, behind an address, the newest trained here, or beside us."""

import os
import re
from urllib.parse import urlsplit

from pooch.utils import unique_file_name  # type: ignore[import-untyped]  # it ships no types

from animetools import atomic
from animetools.download import DownloadError, download, sha256_of
from animetools.errors import FatalError

RESULTS = "results"  # where sgtrain puts its snapshots
SHIPPED = os.path.join(os.path.dirname(__file__), "default.pkl")  # see docs/default-network.md
TIMEOUT_SECONDS = (5, 20)  # to connect, to wait for the next bytes


def locate(
    name: str,
    sha256: str | None = None,
    cache: str | None = None,
    cure: str = "name a network file, its address, or latest",
) -> str:
    """The path of the file that `name` means.

    A path is itself. An address (http or https) is downloaded to `cache`, the user's own unless
    another is named, once. `latest` is the newest snapshot (*.pkl) under results/, and `default` the
    network that ships with the suite.

    Raises FatalError, with the `cure`, if there is no such file, if it cannot be had, or if its
    SHA-256 is not `sha256`; nothing of a failed download is kept.
    """
    wanted = sha256 and sha256.lower()
    if wanted is not None and not re.fullmatch("[0-9a-f]{64}", wanted):
        raise FatalError(f"--sha256 takes 64 hexadecimal digits, not {sha256}")
    if re.match("https?://", name, re.IGNORECASE):
        return _download(name, wanted, cache)
    path = _latest() if name == "latest" else SHIPPED if name == "default" else name
    if not os.path.isfile(path):
        missing = "is no file" if os.path.exists(path) else "does not exist"
        raise FatalError(f"{_shown(path)} {missing}; {cure}")
    try:
        found = wanted and sha256_of(path)
    except OSError as why:
        raise FatalError(f"{_shown(path)} cannot be read: {why.strerror}") from why
    if found != wanted:
        raise FatalError(f"{_shown(path)} is not the file that is wanted: its SHA-256 is {found}")
    return path


def _latest() -> str:
    """The snapshot that was written last, of all below results/."""
    found = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(RESULTS)
        for name in names
        if name.endswith(".pkl") and not atomic.is_part(name)
    ]
    if not found:
        raise FatalError(
            f"there is no snapshot (*.pkl) under {RESULTS}/ in this folder; "
            "train one, or name a network file"
        )
    return max(found, key=lambda path: (os.stat(path).st_mtime_ns, path))


def _download(url: str, sha256: str | None, cache: str | None) -> str:
    try:
        urlsplit(url)
        name = unique_file_name(url)
    except ValueError as why:
        raise FatalError(f"{_shown(url)} is no address: {why}") from why
    try:
        return download(url, name, sha256, TIMEOUT_SECONDS, cache)
    except DownloadError as why:
        raise FatalError(
            f"{_shown(url)} cannot be fetched ({why}); get it some other way and name the file"
        ) from why


def _shown(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="replace")

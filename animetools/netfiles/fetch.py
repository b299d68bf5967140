"""Where a network file is: a path, a URL, the newest snapshot of a training, or the one that ships."""

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
    cure: str = "name a network file, its URL, or latest",
) -> str:
    """The path of the file that `name` means.

    A URL (http or https) is downloaded once, to the user's cache. `latest` is the newest snapshot
    (*.pkl) under results/, and `default` the network that ships with animetools. Anything else is a
    path.

    Raises FatalError, with the `cure`, if the file does not exist or cannot be downloaded, or if
    its SHA-256 is not `sha256`; nothing of a failed download is kept.
    """
    wanted = (sha256 or "").lower()
    if wanted and not re.fullmatch("[0-9a-f]{64}", wanted):
        raise FatalError(f"--sha256 takes 64 hexadecimal digits, not {sha256}")
    if re.match("https?://", name, re.IGNORECASE):
        return _download(name, wanted or None)
    path = _latest() if name == "latest" else SHIPPED if name == "default" else name
    if not os.path.isfile(path):
        missing = "is not a file" if os.path.exists(path) else "does not exist"
        raise FatalError(f"{_shown(path)} {missing}; {cure}")
    try:
        found = sha256_of(path) if wanted else ""
    except OSError as why:
        raise FatalError(f"{_shown(path)} cannot be read: {why.strerror}") from why
    if found != wanted:
        raise FatalError(
            f"{_shown(path)} has the SHA-256 {found}, not {wanted}: it is another file"
        )
    return path


def _latest() -> str:
    """The snapshot under results/ that was written last."""
    found = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(RESULTS)
        for name in names
        if name.endswith(".pkl") and not atomic.is_part(name)
    ]
    if not found:
        raise FatalError(
            f"no snapshot (*.pkl) under {RESULTS}/ in this folder: train one, or name a network file"
        )
    return max(found, key=lambda path: (os.stat(path).st_mtime_ns, path))


def _download(url: str, sha256: str | None) -> str:
    try:
        urlsplit(url)
        name = unique_file_name(url)
    except ValueError as why:
        raise FatalError(f"{_shown(url)} is not a URL: {why}") from why
    try:
        return download(url, name, sha256, TIMEOUT_SECONDS)
    except DownloadError as why:
        raise FatalError(
            f"{_shown(url)} cannot be downloaded ({why}): download it yourself and name the file"
        ) from why


def _shown(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="replace")

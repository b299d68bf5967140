"""The lbp cascade of nagadomi/lbpcascade_animeface (MIT): fetched once, loaded once a thread."""

import os
import stat
import threading

import cv2

from animetools.download import DownloadError, download, sha256_of
from animetools.errors import FatalError

HOME = (
    "https://raw.githubusercontent.com/nagadomi/lbpcascade_animeface/master/"
    "lbpcascade_animeface.xml"
)
SHA256 = "9376d30ac38db6bda2a68b88b3b76bbd7e6aa33af47f7f5c76bc88ca75f1ce30"
TIMEOUT_SECONDS = (3, 10)  # to connect, to wait for the next bytes
MOST_BYTES = 16 << 20  # the real file has 246,945; a wrong one must not fill the memory

_own = threading.local()


def fetch(url: str = HOME, folder: str | None = None) -> str:
    """The path of the cascade, downloaded to the user's cache if it is not there yet.

    Raises FatalError where it cannot be had; nothing that is not the true file is kept.
    """
    try:
        return download(url, "lbpcascade_animeface.xml", SHA256, TIMEOUT_SECONDS, folder)
    except DownloadError as why:
        raise FatalError(
            f"the lbp cascade cannot be fetched ({why}); "
            f"get {url} some other way and name it with --cascade FILE"
        ) from why


def other_cascade(path: str) -> str:
    """What to call a cascade file, if it is not the one that is fetched."""
    digest = sha256_of(path)
    return "" if digest == SHA256 else f" with cascade {digest[:12]}"


def classifier(path: str) -> cv2.CascadeClassifier:
    """This thread's own detector made from a cascade file.

    One detector keeps the state of its search inside it, so threads cannot share it.

    Raises FatalError if the file cannot be read or is no cascade.
    """
    loaded: dict[str, cv2.CascadeClassifier] = _own.__dict__
    if path not in loaded:
        loaded[path] = _load(path)
    return loaded[path]


def _load(path: str) -> cv2.CascadeClassifier:
    shown = path.encode(errors="surrogateescape").decode(errors="replace")
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise FatalError(f"--cascade {shown} is no cascade file")
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as why:
        raise FatalError(f"--cascade {shown} cannot be read: {why.strerror}") from why
    except UnicodeDecodeError as why:
        raise FatalError(f"--cascade {shown} is no cascade file") from why
    found = cv2.CascadeClassifier()
    try:
        # Read from memory: OpenCV can open no path that is not valid Unicode.
        storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        works = found.read(storage.getFirstTopLevelNode()) and not found.empty()
    except (cv2.error, SystemError) as why:  # a parser that fails in a constructor
        raise FatalError(f"--cascade {shown} is no cascade file that OpenCV can read") from why
    if not works:
        raise FatalError(f"--cascade {shown} is no cascade file that OpenCV can read")
    return found

"""The lbp cascade of nagadomi/lbpcascade_animeface (MIT): downloaded once, loaded once per thread.

Any other cascade that OpenCV reads can replace it, also a Haar cascade in OpenCV 2's format. OpenCV
trusts such a file: it recurses as deep as the elements nest and follows the tree indices without
checking them. So both are checked here first.
"""

import os
import stat
import tempfile
import threading
from io import BytesIO
from xml.etree import ElementTree

import cv2
import numpy as np

from animetools.download import DownloadError, download, sha256_of
from animetools.errors import FatalError

HOME = (
    "https://raw.githubusercontent.com/nagadomi/lbpcascade_animeface/master/"
    "lbpcascade_animeface.xml"
)
SHA256 = "9376d30ac38db6bda2a68b88b3b76bbd7e6aa33af47f7f5c76bc88ca75f1ce30"
TIMEOUT_SECONDS = (3, 10)  # to connect, and to wait for the next bytes
MOST_BYTES = 8 << 20  # of a cascade: the downloaded one has 246,945, the largest known 3 MB
MOST_NESTED = 32  # nested elements; a cascade in the old format has 9 levels

_own = threading.local()


def fetch(url: str = HOME, folder: str | None = None) -> str:
    """The path of the cascade, downloaded to the user's cache if it is not there yet.

    Raises FatalError if it cannot be downloaded; a file with another checksum is not kept.
    """
    try:
        return download(url, "lbpcascade_animeface.xml", SHA256, TIMEOUT_SECONDS, folder)
    except DownloadError as why:
        raise FatalError(
            f"the lbp cascade cannot be fetched ({why}); "
            f"get {url} some other way and name it with --cascade FILE"
        ) from why


def other_cascade(path: str) -> str:
    """How a cascade file is described in the journal; empty for the one that is downloaded."""
    digest = sha256_of(path)
    return "" if digest == SHA256 else f" with cascade {digest[:12]}"


def classifier(path: str) -> cv2.CascadeClassifier:
    """This thread's own detector, loaded from a cascade file.

    One detector keeps the state of its search inside it, so threads cannot share it.

    Raises FatalError if the file cannot be read or is not a cascade.
    """
    loaded: dict[str, cv2.CascadeClassifier] = _own.__dict__
    if path not in loaded:
        loaded[path] = _load(path)
    return loaded[path]


def _load(path: str) -> cv2.CascadeClassifier:
    shown = path.encode(errors="surrogateescape").decode(errors="replace")
    no_cascade = FatalError(f"--cascade {shown} is not a cascade that OpenCV can read")
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise no_cascade
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES)
    except OSError as why:
        raise FatalError(f"--cascade {shown} cannot be read: {why.strerror}") from why
    found = cv2.CascadeClassifier()
    try:
        root = _parsed(data)
        if root.find("*[@type_id='opencv-haar-classifier']") is not None:
            data = _converted(data)
            root = _parsed(data)
        _check_trees(root)
        # Read from memory: OpenCV cannot open a path that is not valid Unicode.
        storage = cv2.FileStorage(data.decode(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        works = found.read(storage.getFirstTopLevelNode()) and not found.empty()
    # SystemError: OpenCV's parser failed in a constructor.
    except (cv2.error, SystemError, ElementTree.ParseError, ValueError) as why:
        raise no_cascade from why
    if not works:
        raise no_cascade
    return found


def _parsed(data: bytes) -> ElementTree.Element:
    """The root of an XML file.

    Raises ValueError where it nests too deep, ElementTree.ParseError where it is malformed.
    """
    depth = 0
    root: ElementTree.Element | None = None
    for event, element in ElementTree.iterparse(BytesIO(data), ("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MOST_NESTED:
            raise ValueError("nested too deep")
        root = element
    if root is None:
        raise ValueError("no element")
    return root


def _converted(data: bytes) -> bytes:
    """A cascade in OpenCV 2's format, converted to the current one."""
    with tempfile.TemporaryDirectory() as folder:
        old, new = os.path.join(folder, "old.xml"), os.path.join(folder, "new.xml")
        with open(old, "wb") as file:
            file.write(data)
        if not cv2.CascadeClassifier.convert(old, new):
            raise ValueError("not convertible")
        with open(new, "rb") as file:
            return file.read()


def _check_trees(root: ElementTree.Element) -> None:
    """Raise ValueError if a branch of a tree points back, or to a node or leaf that does not exist.

    A node is the index of its left child, of its right one, of its feature, and a threshold or
    the set of local patterns that go left; an index of 0 or below names a leaf.
    """
    categories = int(root.findtext(".//maxCatCount", "0"))
    width = 3 + max(1, -(-categories // 32))
    for tree in root.iterfind(".//weakClassifiers/*"):
        nodes = np.array(tree.findtext("internalNodes", "").split(), float).reshape(-1, width)
        leaves = len(tree.findtext("leafValues", "").split())
        own = np.arange(len(nodes))[:, None]
        child = np.trunc(nodes[:, :2])
        if not np.where(child > 0, (own < child) & (child < len(nodes)), -child < leaves).all():
            raise ValueError("a branch leads nowhere")

"""The lbp cascade: fetched once, loaded once a thread."""

import gc
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from animetools.errors import FatalError
from animetools.images.cascade import classifier, fetch
from tests.conftest import REAL
from tests.images.cascades import old_form

CASCADE = REAL.parent / "lbpcascade_animeface.xml"
needs_cascade = pytest.mark.skipif(not CASCADE.exists(), reason="no cascade without the network")


class Quiet(SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


@needs_cascade
def test_it_is_fetched_once(home: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = home
    (folder / "it.xml").write_bytes(CASCADE.read_bytes())
    cache = str(tmp_path / "cache")
    path = fetch(f"{url}/it.xml", cache)
    assert Path(path).read_bytes() == CASCADE.read_bytes()
    (folder / "it.xml").unlink()
    assert fetch(f"{url}/it.xml", cache) == path


def test_another_file_is_not_kept(home: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = home
    (folder / "it.xml").write_text("<html>Please log in</html>")
    with pytest.raises(FatalError, match=r"another file.*--cascade FILE"):
        fetch(f"{url}/it.xml", str(tmp_path / "cache"))
    assert os.listdir(tmp_path / "cache") == []


# pooch leaves the socket of a refused download to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", ["/none.xml", ":1/it.xml"])
def test_what_cannot_be_had_is_said_with_its_cure(
    home: tuple[str, Path], tmp_path: Path, path: str
) -> None:
    url = home[0] if path.startswith("/") else "http://127.0.0.1"
    with pytest.raises(FatalError, match=rf"get {url}{path} .*--cascade FILE") as error:
        fetch(url + path, str(tmp_path / "cache"))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300
    del error
    gc.collect()


RUBBISH = {
    "empty": b"",
    "text": b"hello\n",
    "binary": bytes(range(256)),
    "html": b"<html><body>404</body></html>",
    "other xml": b"<a><b/></a>",
    "no cascade": b'<?xml version="1.0"?><opencv_storage><x>1</x></opencv_storage>',
    "nothing stored": b'<?xml version="1.0"?><opencv_storage></opencv_storage>',
    "yaml": b"%YAML:1.0\n---\na: 1\n",
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_rubbish_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it.xml"
    path.write_bytes(RUBBISH[kind])
    with pytest.raises(FatalError, match=r"it\.xml is not a cascade that OpenCV can read") as error:
        classifier(str(path))
    assert "\n" not in str(error.value)


@needs_cascade
@pytest.mark.parametrize("cut", [3_000, 100_000, 246_000])
def test_half_a_cascade_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "it.xml"
    path.write_bytes(CASCADE.read_bytes()[:cut])
    with pytest.raises(FatalError, match=r"it\.xml is not a cascade that OpenCV can read"):
        classifier(str(path))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="cannot be read: No such file"):
        classifier(str(tmp_path / "none.xml"))
    with pytest.raises(FatalError, match="is not a cascade that OpenCV can read"):
        classifier(str(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FatalError, match="is not a cascade that OpenCV can read"):
        classifier(str(tmp_path / "fifo"))


@needs_cascade
def test_any_name_will_do(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \n.xml")
    with open(path, "wb") as file:
        file.write(CASCADE.read_bytes())
    assert not classifier(path).empty()


@needs_cascade
def test_every_thread_has_its_own(tmp_path: Path) -> None:
    mine = classifier(str(CASCADE))
    assert classifier(str(CASCADE)) is mine
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(classifier, str(CASCADE)).result()
    assert other is not mine


def test_a_cascade_of_the_old_form_finds_what_opencv_finds_with_it(tmp_path: Path) -> None:
    path = tmp_path / "old.xml"
    path.write_text(old_form())
    grey = np.zeros((120, 160), np.uint8)
    grey[40:60, 70:90] = 255
    found = classifier(str(path)).detectMultiScale(grey)
    assert np.array_equal(found, cv2.CascadeClassifier(str(path)).detectMultiScale(grey))
    ((x, y, side, _),) = found
    assert abs(x + side / 2 - 80) < 4
    assert abs(y + side / 2 - 50) < 4


@pytest.mark.parametrize(
    "text",
    [
        old_form(deep=1_000_000),
        old_form(left=99_999),  # OpenCV would read beyond its memory
        old_form(left=-99_999),
        old_form().replace("<left_val>-2.</left_val>", "<left_node>1</left_node>"),
        old_form(window="2000000000 2000000000"),
        old_form(rect="0 0 20000 20 -1."),
        old_form()[:600],
        '<!DOCTYPE a [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + old_form(window="&b;"),
    ],
    ids=["deep", "beyond", "before", "itself", "window", "rectangle", "cut", "entities"],
)
def test_a_hostile_cascade_is_refused_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "it.xml"
    path.write_text(text)
    with pytest.raises(FatalError, match=r"it\.xml is not a cascade"):
        classifier(str(path))
    assert capfd.readouterr() == ("", "")


@needs_cascade
def test_branches_of_the_new_form_are_followed_too(tmp_path: Path) -> None:
    path = tmp_path / "it.xml"
    path.write_text(CASCADE.read_text().replace("0 -1 ", "7 -1 ", 1))
    with pytest.raises(FatalError, match=r"it\.xml is not a cascade"):
        classifier(str(path))


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "it.xml"
    path.write_text(old_form() + " " * (8 << 20))
    with pytest.raises(FatalError, match=r"it\.xml is not a cascade"):
        classifier(str(path))

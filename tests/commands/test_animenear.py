"""animenear, through real pipes: datasets of every format, indexes, rubbish."""

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from animetools.artist.artist import draw
from animetools.images.files import encode_png
from tests.conftest import Shell
from tests.dataset.sets import Write, records, shards, tarred, zipped
from tests.quick import quick
from tests.tagging.embeddings import embedding_file

FACES = [draw(77, number, 96).rgb for number in range(1, 7)]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Six faces in ref/; copies of three of them in new/: the same bytes, small, mirrored."""
    for folder in ("ref/deep", "new"):
        (tmp_path / folder).mkdir(parents=True)
    for number, rgb in enumerate(FACES):
        (tmp_path / "ref" / ("deep" * (number > 3)) / f"{number}.png").write_bytes(encode_png(rgb))
    shutil.copy(tmp_path / "ref/2.png", tmp_path / "new/a.png")
    small = cv2.resize(FACES[4], (60, 60), interpolation=cv2.INTER_AREA)
    Image.fromarray(np.asarray(small, np.uint8)).save(tmp_path / "new/b.jpg", quality=60)
    Image.fromarray(FACES[1][:, ::-1].copy()).save(tmp_path / "new/c.png")
    return tmp_path


def lines(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def answers(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_image_has_its_nearest_reference(shell: Shell, here: Path) -> None:
    done = shell("find new -type f | sort -r | animenear --by hash ref -")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "animenear: read 3 = kept 3 + rejected 0 + passed over 0 + failed 0\n"
    c, b, a = lines(done.stdout)
    assert a == ["0.00000", "new/a.png", "ref/2.png"]
    assert b[1:] == ["new/b.jpg", "ref/deep/4.png"] and 0 < float(b[0]) < 0.05
    assert c[1] == "new/c.png" and float(c[0]) > 0.05  # hashes do not recognize mirror images


def test_the_tagger_recognizes_mirrored_copies(here: Path) -> None:
    (here / "ref/notes.txt").write_text("not an image\n")
    done = quick("animenear --json ref new", here)
    assert done.returncode == 0, done.stderr
    a, b, c = answers(done.stdout)
    assert a == {"path": "new/a.png", "nearest": "ref/2.png", "distance": 0.0}
    assert (b["nearest"], c["nearest"]) == ("ref/deep/4.png", "ref/1.png")
    assert 0 < b["distance"] < 0.1 and 0 < c["distance"] < 0.1
    one = quick("animenear -j 1 --json ref new/c.png new/b.jpg", here)
    assert answers(one.stdout) == [c, b]  # in any company


@pytest.mark.parametrize("write", [zipped, tarred, shards, records])
def test_references_of_every_format(shell: Shell, here: Path, write: Write) -> None:
    place = write(here / "set", [rgb.transpose(2, 0, 1) for rgb in FACES])
    place = os.path.relpath(place, here)
    done = shell(f"animenear --by hash {place} new/")
    assert done.returncode == 0, done.stderr
    (_, _, a), (_, _, b), _ = lines(done.stdout)
    assert a.startswith(f"{place}/") and b.startswith(f"{place}/")
    assert ("2" in a[len(place) :], "4" in b[len(place) :]) == (True, True)
    # Images of the very dataset are compared with the others.
    same = shell(f"animenear --by hash {place} {place}")
    assert same.returncode == 0, same.stderr
    assert len(lines(same.stdout)) == 6
    for distance, path, nearest in lines(same.stdout):
        assert float(distance) > 0 and path != nearest


def test_an_image_is_not_its_own_nearest(shell: Shell, here: Path) -> None:
    (here / "ref/link.png").symlink_to(here / "ref/0.png")
    os.link(here / "ref/1.png", here / "hard.png")
    shutil.copy(here / "ref/3.png", here / "ref/copy.png")
    done = shell("animenear --by hash ./ref ref hard.png")
    assert done.returncode == 0, done.stderr
    found = {path: (float(distance), nearest) for distance, path, nearest in lines(done.stdout)}
    assert found["ref/3.png"] == (0, "./ref/copy.png")
    assert found["ref/copy.png"] == (0, "./ref/3.png")
    for path in ("ref/0.png", "ref/link.png", "ref/1.png", "hard.png"):
        assert found[path][0] > 0.05
    alone = shell("mkdir one; cp ref/0.png one; animenear --by hash one one/0.png new/a.png")
    assert (alone.returncode, len(lines(alone.stdout))) == (1, 1)
    assert "one/0.png: it is the only image of the reference\n" in alone.stderr


def test_likely_copies_alone_and_a_sheet_of_pairs(shell: Shell, here: Path) -> None:
    done = shell("animenear --by hash --duplicates-below 3% --sheet s.png ref new")
    assert (done.returncode, done.stdout) == (0, "new/a.png\nnew/b.jpg\n"), done.stderr
    assert "rejected 1 (1 not that near)" in done.stderr
    with Image.open(here / "s.png") as image:
        sheet = np.asarray(image.convert("RGB"))
    assert sheet.shape == (32 + 144, 1024, 3)
    one, other = (sheet[32 : 32 + 128, at : at + 128] for at in (0, 128))
    assert np.array_equal(one, other)  # the closest pair comes first: the same picture
    again = shell("animenear --by hash --sheet s.png ref new")
    assert (again.returncode, again.stdout) == (2, "")
    assert "--sheet s.png exists: give another name" in again.stderr
    dry = shell("animenear -n --by hash --sheet t.png --index i.sqlite ref new")
    assert (dry.returncode, len(lines(dry.stdout))) == (0, 3)
    assert not (here / "t.png").exists() and not (here / "i.sqlite").exists()


def test_an_index_spares_what_has_not_changed(shell: Shell, here: Path) -> None:
    line = "animenear --by hash --index i.sqlite --json ref new"
    first = shell(line)
    assert first.returncode == 0, first.stderr
    path = here / "ref/2.png"
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)  # as long and as old: it must come from the index
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = shell(line)
    assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
    os.utime(path)
    changed = shell(line)
    assert changed.returncode == 1
    assert "ref/2.png: not an image though named .png" in changed.stderr
    assert answers(changed.stdout)[0]["nearest"] != "ref/2.png"

    other = shell("animenear --index i.sqlite ref new")
    assert (other.returncode, other.stdout) == (2, "")
    assert "--index i.sqlite has average hashes of 256 bits, version 1, not feat" in other.stderr


def test_an_index_is_an_index(shell: Shell, here: Path) -> None:
    with sqlite3.connect(here / "theirs.sqlite") as base:
        base.execute("CREATE TABLE t (a)")
    base.close()
    (here / "text").write_text("a text\n" * 999)
    other = "give another file"
    gone = "cannot write to the folder missing"
    for name, cure in (("theirs.sqlite", other), ("text", other), ("missing/i.sqlite", gone)):
        done = shell(f"animenear --by hash --index {name} ref new")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert f"--index {name}: " in done.stderr and cure in done.stderr
    assert (here / "text").read_text() == "a text\n" * 999


def test_a_reference_that_cannot_be_read(shell: Shell, here: Path) -> None:
    (here / "empty").mkdir()
    (here / "bad").mkdir()
    (here / "bad/x.png").write_bytes(encode_png(FACES[0])[:900])
    (here / "bad.zip").write_bytes(b"PK")
    for name, why in {
        "gone": "the reference gone does not exist",
        "new/a.png": "the reference new/a.png is neither a folder nor a dataset",
        "empty": "the reference empty has no image that can be read",
        "bad": "the reference bad has no image that can be read",
        "bad.zip": "bad.zip: ",
        "-": "name the reference first",
        "": "name the reference first",
    }.items():
        done = shell(f"animenear --by hash {name} new" if name else "animenear --by hash")
        assert (done.returncode, done.stdout) == (2, ""), name
        assert why in done.stderr.splitlines()[-1]
    shutil.copy(here / "bad/x.png", here / "ref/bad.png")
    (here / "ref/gone.png").symlink_to("nowhere")
    done = shell("animenear --by hash ref new/a.png")
    assert (done.returncode, done.stdout) == (1, "0.00000\tnew/a.png\tref/2.png\n")
    assert "ref/bad.png: " in done.stderr and "ref/gone.png: no such file" in done.stderr
    nothing = shell("animenear --by hash ref < /dev/null")
    assert (nothing.returncode, nothing.stdout) == (0, "")


def test_a_cluster_gives_the_same(shell: Shell, here: Path) -> None:
    pytest.importorskip("distributed")
    (here / "new/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    line = "animenear --by hash --json ref new ref"  # the reference among the images, too
    alone, shared = shell(line), shell(f"{line} --cluster local:2")
    assert (alone.returncode, alone.stdout.count("\n")) == (1, 3 + 6)
    assert (shared.returncode, shared.stdout, shared.stderr) == (1, alone.stdout, alone.stderr)


def test_names_may_have_newlines(shell: Shell, here: Path) -> None:
    (here / "ref/2.png").rename(here / "ref/2\n.png")
    (here / "new/a.png").rename(here / "new/a\n\udcff.png")
    done = shell("find new -name 'a*' -print0 | animenear -0 --by hash ref")
    assert (done.returncode, done.stdout) == (0, "0.00000\tnew/a\n\udcff.png\tref/2\n.png\0")
    (found,) = answers(
        shell("find new -name 'a*' -print0 | animenear -0 --by hash --json ref").stdout.rstrip("\0")
    )
    assert found["nearest"] == "ref/2\n.png"


def test_other_networks(here: Path) -> None:
    line = "animenear --embedding e.onnx --json ref new"
    embedding_file(here / "e.onnx", ["n", 3, 24, 24])
    done = quick(line, here)
    assert done.returncode == 0, done.stderr
    a, b, _ = answers(done.stdout)
    assert (a["nearest"], a["distance"]) == ("ref/2.png", 0)
    assert b["nearest"] == "ref/deep/4.png"
    for operator, attributes, why in (
        ("ReduceMean", {"axes": [1, 2, 3]}, "gives one number for an image"),
        ("Constant", {"value_floats": [1.0, 2.0, 3.0]}, "gives numbers [3] for 1 images"),
        ("Constant", {"value_strings": ["a"]}, "cannot be run: could not convert"),
    ):
        write_network(here / "e.onnx", operator, attributes)
        done = quick(line, here)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert why in done.stderr


def write_network(path: Path, operator: str, attributes: dict[str, Any]) -> None:
    """An ONNX file of one node."""
    inputs = [] if operator == "Constant" else ["images"]
    kind = TensorProto.STRING if "value_strings" in attributes else TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["out"], **attributes)],
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("out", kind, None)],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))


def test_options_that_contradict_each_other(shell: Shell) -> None:
    for options in ("--embedding e.onnx", "--device cuda"):
        done = shell(f"animenear --by hash {options} ref new")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{options.split()[0]} belongs to --by embedding" in done.stderr
    done = shell("animenear --embedding gone.onnx . .")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--embedding takes an .onnx file" in done.stderr

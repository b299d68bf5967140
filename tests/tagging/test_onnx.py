"""Taggers in ONNX files: what they answer, and which files are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from animetools.errors import FatalError, ItemError
from animetools.tagging.onnx import OnnxTagger, Probabilities
from animetools.tagging.tagger import answers
from tests.tagging.taggers import DEEPDANBOORU, WD, network, write_deepdanbooru, write_wd
from tests.upscaling.onnxfiles import F16, model, node

RED, BLUE, GREY = ((np.full((40, 30, 3), c, np.uint8)) for c in [(255, 0, 0), (0, 0, 255), 99])


def opened(path: Path, batch: int = 4, tags: str = "") -> OnnxTagger:
    return OnnxTagger(str(path), tags, "cpu", batch)


def answer(tagger: OnnxTagger, *pictures: object) -> Probabilities:
    return tagger([tagger.prepare(np.asarray(picture, np.uint8)) for picture in pictures])


def test_both_layouts_know_colors_and_categories(tmp_path: Path) -> None:
    for write, rows in ((write_wd, WD), (write_deepdanbooru, DEEPDANBOORU)):
        tagger = opened(write(tmp_path / write.__name__))
        names = [name for name, _ in tagger.names]
        assert names == list(rows)
        categories = dict(tagger.names)
        assert categories["hatsune_miku"] == "character"
        assert {n for n, c in tagger.names if c == "rating"} == {n for n in rows if rows[n][0] == 9}
        found = answer(tagger, RED, BLUE)
        assert found.shape == (2, len(rows))
        red, blue = names.index("red_theme"), names.index("blue_theme")
        assert found[0, red] > 0.9 > 0.1 > found[1, red]
        assert found[1, blue] > 0.9 > 0.1 > found[0, blue]


@pytest.mark.parametrize("takes", [("n", 32, 32, 3), (1, 32, 32, 3), (3, 24, 40, 3)])
@pytest.mark.parametrize("numbers", [1, F16])
def test_an_answer_does_not_depend_on_the_others(
    tmp_path: Path, takes: tuple[int | str, ...], numbers: int
) -> None:
    scale = 1 / 255 if numbers == 1 else 1 / 256
    tagger = opened(write_wd(tmp_path, takes=takes, numbers=numbers, scale=scale))
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (50, 30 + n, 3), np.uint8) for n in range(7)]
    together = answer(tagger, *pictures)
    for picture, row in zip(pictures, together, strict=True):
        assert (answer(tagger, picture)[0] == row).all()
    assert (answer(tagger, *pictures[::-1])[::-1] == together).all()


def test_a_cpu_takes_pictures_alone_and_a_fixed_network_its_number(tmp_path: Path) -> None:
    assert opened(write_wd(tmp_path / "a")).batch == 1
    assert opened(write_wd(tmp_path / "b", takes=(3, 32, 32, 3))).batch == 3


def test_a_list_may_lie_elsewhere(tmp_path: Path) -> None:
    path = write_wd(tmp_path / "a").rename(tmp_path / "model.onnx")
    csv = tmp_path / "a/selected_tags.csv"
    assert opened(path, tags=str(csv)).names[-1] == ("kagamine_rin", "character")
    with pytest.raises(FatalError, match=r"has no selected_tags\.csv or tags\.txt beside it: name"):
        opened(path)
    with pytest.raises(FatalError, match=r"a is not a selected_tags\.csv or tags\.txt"):
        opened(path, tags=str(tmp_path / "a"))


def test_nan_is_of_one_picture_alone(tmp_path: Path) -> None:
    path = write_wd(tmp_path)
    path.write_bytes(
        model(
            node("ReduceMean", "x", "mean", axes=[1, 2, 3], keepdims=0),
            node("Unsqueeze", "mean axis", "one"),
            node("Sqrt", "one", "root"),  # of a negative number
            node("Expand", "root shape", "y"),
            takes=("n", 8, 8, 3),
            gives=("n", len(WD)),
            axis=np.array([1]),
            shape=np.array([1, len(WD)]),
        )
    )
    tagger = opened(path)
    black = np.zeros((8, 8, 3), np.uint8)
    assert (answer(tagger, black) == 0).all()
    found = tagger([black, np.full((8, 8, 3), -1, np.int8)])
    assert (found[0] == 0).all() and np.isnan(found[1]).all()
    first, second = answers(tagger, [black, np.full((8, 8, 3), -1, np.int8)])
    assert isinstance(first, np.ndarray)
    assert isinstance(second, ItemError)


def wd(**how: Any) -> Callable[[Path], Path]:
    return lambda folder: write_wd(folder, **how)


def changed(old: str, new: str) -> Callable[[Path], Path]:
    """A tagger with another selected_tags.csv."""

    def write(folder: Path) -> Path:
        path = write_wd(folder)
        file = folder / "selected_tags.csv"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        return path

    return write


def other(data: bytes) -> Callable[[Path], Path]:
    """A tagger whose network is another."""

    def write(folder: Path) -> Path:
        path = write_wd(folder)
        path.write_bytes(data)
        return path

    return write


WHOLE = model(
    node("ReduceMean", "x", "mean", axes=[1, 2], keepdims=0),
    node("MatMul", "mean weights", "linear"),
    node("Cast", "linear", to=TensorProto.INT64),
    takes=("n", 32, 32, 3),
    gives=("n", len(WD)),
    given=TensorProto.INT64,
    weights=np.zeros((3, len(WD)), np.float32),
)
CHANNELS_FIRST = model(node("GlobalAveragePool", "x"), takes=("n", 3, 32, 32))
SHORT = network(np.zeros((3, 5)), np.zeros(5))
WRONG = {
    "another model's list": (other(SHORT), "has 5 outputs and .*selected_tags.csv 14 names: give"),
    "a line less": (changed("13,kagamine_rin,4,987\n", ""), "has 14 outputs and .* 13 names"),
    "no category": (changed("category", "kind"), "has no column category: give the selected_tags"),
    "no header": (changed("tag_id,name,category,count\n", ""), "has no column category or name"),
    "a strange category": (
        changed("solo,0", "solo,77"),
        "line 6: the category '77' is not one of 0, ",
    ),
    "a cut line": (changed("solo,0,996", "solo"), "line 6: the category '' is not"),
    "a line break in a name": (changed("solo", '"so\nlo"'), "'so.nlo' is not the name of a tag"),
    "an empty name": (changed("solo", ""), "'' is not the name of a tag"),
    "an endless name": (changed("solo", "s" * 501), "is not the name of a tag"),
    "no ONNX": (other(b"hello"), "is not a usable ONNX file"),
    "two inputs": (
        other(model(node("Concat", "x z", axis=0), more=(["z"], []))),
        "has 2 inputs, not one",
    ),
    "whole numbers": (other(WHOLE), "does not return float32 or float16"),
    "another shape": (
        other(model(node("Identity", "x"), takes=("n", 8, 8, 3), gives=("n", "a", "b", "c"))),
        r"returns \[n, 8, 8, 3\], not \[n, tags\]",
    ),
    "an empty file": (other(b""), "is not a usable ONNX file"),
    "logits": (
        wd(end="Identity"),
        "returns .*, not a probability from 0 to 1: it lacks the sigmoid",
    ),
    "channels first": (
        other(CHANNELS_FIRST),
        r"takes tensor\(float\) \[n, 3, 32, 32\], not pict",
    ),
    "an open size": (
        wd(takes=("n", "h", "w", 3)),
        r"takes tensor\(float\) \[n, n, n, 3\], not pictures",
    ),
    "a giant": (
        wd(takes=(1, 30000, 30000, 3)),
        "1 pictures of 30000x30000 pixels at once, which is",
    ),
    "many giants": (wd(takes=(900, 2000, 2000, 3)), "900 pictures of 2000x2000 pixels at once"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_tagger_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    write, reason = WRONG[name]
    with pytest.raises(FatalError, match=reason) as why:
        answer(opened(write(tmp_path)), RED)
    assert "\n" not in str(why.value)
    assert str(tmp_path) in str(why.value)

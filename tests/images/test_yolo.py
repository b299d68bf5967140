"""Other people's detectors: which boxes they give, and which files are refused."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save_model

from animetools.errors import FatalError
from animetools.images.yolo import choose_yolo
from animetools.tags import Subject
from tests.images.yolos import CELL, F16, F32, FACE, HAND, PERSON, squares, write_yolo
from tests.upscaling.onnxfiles import model, node

SIZES: list[tuple[int | str, int | str]] = [("h", "w"), (640, 640), (320, 640), (416, 256)]


@pytest.mark.parametrize("numbers", [F32, F16])
@pytest.mark.parametrize("size", SIZES)
def test_boxes_are_in_pixels_of_the_picture(
    tmp_path: Path, size: tuple[int | str, int | str], numbers: int
) -> None:
    # Squares three cells wide: the box of the middle cell is the square.
    path = write_yolo(tmp_path / "a.onnx", size=size, numbers=numbers)
    rgb = squares((1000, 700), red=[(600, 300, 240)], green=[(100, 100, 240)])
    (face,) = choose_yolo(path, "face")(rgb)[:1]
    height, width = ((n if isinstance(n, int) else 640) for n in size)
    scale = min(height / 700, width / 1000)
    x, y, wide, high = face.box
    assert wide == pytest.approx(96 / scale, abs=1) and high == pytest.approx(96 / scale, abs=1)
    # The best cell lies in the square: its middle is at most half a cell beside the square's.
    reach = 120 - 0.5 * CELL / scale + 2
    assert abs(x + wide / 2 - 720) <= max(reach, CELL / scale)
    assert abs(y + high / 2 - 420) <= max(reach, CELL / scale)
    assert face.score == pytest.approx(1, abs=0.01)
    assert face.detector == "onnx" and face.landmarks is None


def test_one_object_has_one_box_and_two_have_two(tmp_path: Path) -> None:
    path = write_yolo(tmp_path / "a.onnx", size=(320, 320), box=64)
    rgb = squares((320, 320), red=[(32, 32, 64), (192, 192, 64)])
    found = choose_yolo(path, "face")(rgb)
    # Boxes of neighboring cells overlap by a third: only those that overlap more are one.
    alone = write_yolo(tmp_path / "b.onnx", size=(320, 320), box=260)
    large = choose_yolo(alone, "face")(rgb)
    assert len(found) == 8 and len(large) == 2
    assert [face.score for face in found] == sorted((f.score for f in found), reverse=True)


def test_boxes_end_at_the_edges_of_the_picture(tmp_path: Path) -> None:
    path = write_yolo(tmp_path / "a.onnx", size=(320, 320), box=2000)
    (face,) = choose_yolo(path, "face")(squares((320, 160), red=[(0, 0, 64)]))
    assert face.box == (0, 0, 320, 160)


@pytest.mark.parametrize(
    ("subject", "color"), [("face", "red"), ("hand", "green"), ("figure", "blue")]
)
def test_the_classes_are_chosen_by_their_names(
    tmp_path: Path, subject: Subject, color: str
) -> None:
    detector = choose_yolo(write_yolo(tmp_path / "a.onnx"), subject)
    for other in ("red", "green", "blue"):
        found = detector(squares((640, 640), **{other: [(320, 320, 128)]}))
        assert bool(found) == (other == color)


def test_heads_do_where_there_are_no_faces(tmp_path: Path) -> None:
    texts = {"names": "{0: 'tree', 1: 'Head'}"}
    path = write_yolo(tmp_path / "a.onnx", colors=(FACE, HAND), texts=texts)
    assert choose_yolo(path, "face")(squares((640, 640), green=[(0, 0, 128)]))
    assert not choose_yolo(path, "face")(squares((640, 640), red=[(0, 0, 128)]))


@pytest.mark.parametrize(
    ("subject", "names", "right"),
    [
        ("hand", ["handbag", "left_hand", "person"], 1),
        ("hand", ["handbag", "person head", "hands left"], 2),
        ("figure", ["human_face", "HumanHand", "human"], 2),
        ("figure", ["human_face", "handbag", "HalfBody"], 2),
        ("face", ["faceless", "person", "AnimeFace"], 2),
    ],
)
def test_the_end_of_a_word_and_the_last_one_count(
    tmp_path: Path, subject: Subject, names: list[str], right: int
) -> None:
    path = write_yolo(tmp_path / "a.onnx", texts={"names": repr(names)})
    detector = choose_yolo(path, subject)
    for number, color in enumerate(("red", "green", "blue")):
        found = detector(squares((640, 640), **{color: [(320, 320, 128)]}))
        assert bool(found) == (number == right)


@pytest.mark.parametrize("texts", [{}, {"names": "{0: 'object'}"}, {"names": "]["}])
def test_the_only_class_is_what_is_wanted(tmp_path: Path, texts: dict[str, str]) -> None:
    path = write_yolo(tmp_path / "a.onnx", colors=(PERSON,), texts=texts)
    for subject in ("face", "hand", "figure"):
        assert choose_yolo(path, subject)(squares((640, 640), blue=[(0, 0, 128)]))


def test_eighty_classes_are_read(tmp_path: Path) -> None:
    names = {n: f"thing {n}" for n in range(79)} | {79: "person"}
    colors = [(0, 0, 0)] * 79 + [PERSON]
    path = write_yolo(tmp_path / "a.onnx", colors=colors, texts={"names": repr(names)})
    assert choose_yolo(path, "figure")(squares((640, 640), blue=[(0, 0, 128)]))


@pytest.mark.parametrize(
    ("subject", "how", "message"),
    [
        ("hand", {"colors": (FACE,), "texts": {"names": "{0: 'face'}"}}, "its classes are face"),
        ("face", {"colors": (FACE, HAND), "texts": {}}, "its classes are 2 without names"),
        ("face", {"colors": (FACE,)}, "returns 1 classes, and has names of 3"),
        ("face", {"size": (4096, 4096)}, "takes pictures of 4096x4096 pixels"),
        ("face", {"size": (8, 640)}, "takes pictures of 640x8 pixels"),
        ("face", {"size": ("h", 640)}, r"takes tensor\(float\) \[1, 3, n, 640\]"),
        ("face", {"colors": [FACE] * 81}, "with 1 to 80 classes"),
    ],
)
def test_what_a_file_cannot_do_is_said(
    tmp_path: Path, subject: Subject, how: dict[str, Any], message: str
) -> None:
    path = write_yolo(tmp_path / "a.onnx", **how)
    with pytest.raises(FatalError, match=message) as refused:
        choose_yolo(path, subject)(squares((64, 64)))
    assert "\n" not in str(refused.value)


def hostile(name: str) -> bytes:
    """A file that is no detector, or a bad one."""
    shape: list[str | int | None] = [1, 5, "n"]
    takes: list[str | int | None] = [1, 3, 64, 64]

    def constant(value: object, **more: Any) -> bytes:
        kept = np.asarray(value, np.float32)
        return model(node("Identity", "c"), takes=takes, c=kept, **({"gives": shape} | more))

    good = np.zeros((1, 5, 4), np.float32)
    match name:
        case "nan":
            return constant(np.full_like(good, np.nan))
        case "infinite box":
            return constant(np.concatenate([good[:, :4] + np.inf, good[:, 4:] + 1], 1))
        case "logits":
            return constant(good + 7)
        case "yolo v10":
            return constant(np.zeros((1, 300, 6)), gives=[1, 300, 6])
        case "lies about its shape":
            return constant(np.zeros((1, 300)), gives=None)
        case "no anchors known":
            return constant(np.zeros((5, 4)), gives=None)
        case "text":
            return b"not a network" * 9
        case "empty":
            return b""
        case "integers":
            return model(node("Cast", "x", to=7), takes=takes, gives=shape, given=7)
        case "grey":
            return model(node("Identity", "x"), takes=[1, 1, 64, 64], gives=[1, 5, "n"])
        case _:
            return model(node("Identity", "x"), takes=takes, gives=shape, more=(["z"], ["w"]))


HOSTILE = {
    "nan": "returns values that are not numbers",
    "infinite box": "returns values that are not numbers",
    "logits": "returns 7, not a probability from 0 to 1",
    "yolo v10": r"returns \[1, 300, 6\], not \[1, 4 \+ classes, anchors\]",
    "lies about its shape": r"returns \[1, 300\], not",
    "no anchors known": r"returns \[5, 4\], not",
    "text": "is not a usable ONNX file",
    "empty": "is not a usable ONNX file",
    "integers": "is not a usable ONNX file|does not return float32",
    "grey": r"takes tensor\(float\) \[1, 1, 64, 64\]",
    "two inputs": "is not a usable ONNX file|has 2 inputs",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(hostile(name))
    with pytest.raises(FatalError, match=HOSTILE[name]) as refused:
        choose_yolo(str(path), "face")(squares((100, 100)))
    assert "\n" not in str(refused.value) and "Traceback" not in str(refused.value)


def test_weights_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.zeros(20, np.float32).tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    path = folder / "a.onnx"
    value = numpy_helper.from_array(np.zeros((1, 5, 4), np.float32), "c")
    value.ClearField("raw_data")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="../secret")
    graph = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", F32, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("y", F32, [1, 5, 4])],
        [value],
    )
    save_model(helper.make_model(graph, ir_version=8), str(path))
    with pytest.raises(FatalError, match="is not a usable ONNX file"):
        choose_yolo(str(path), "face")


@pytest.mark.parametrize(
    "names", ["[" * 100000, "{0: " * 3000, "'a'" * 40000, "__import__('os').abort()", "{0: 1}"]
)
def test_names_are_data_and_never_run(tmp_path: Path, names: str) -> None:
    path = write_yolo(tmp_path / "a.onnx", colors=(FACE,), texts={"names": names, "imgsz": names})
    assert choose_yolo(path, "face")(squares((640, 640), red=[(0, 0, 128)]))


def test_many_boxes_take_little_time(tmp_path: Path) -> None:
    # 5000 boxes side by side; comparing each with each takes longer with their square.
    row, column = np.divmod(np.arange(5000), 100)
    size = np.full(5000, 0.5)
    boxes = np.stack([0.64 * column + 0.32, 0.64 * row + 0.32, size, size, np.ones(5000)])
    path = tmp_path / "a.onnx"
    kept = np.asarray(boxes[None], np.float32)
    shapes: dict[str, Any] = {"takes": [1, 3, 64, 64], "gives": [1, 5, 5000]}
    path.write_bytes(model(node("Identity", "c"), c=kept, **shapes))
    assert len(choose_yolo(str(path), "face")(squares((1000, 1000)))) == 3000


def test_detectors_go_to_threads_and_may_be_pickled(tmp_path: Path) -> None:
    detector = choose_yolo(write_yolo(tmp_path / "a.onnx"), "face")
    rgb = squares((500, 400), red=[(100, 100, 200)])
    found = detector(rgb)
    assert found and pickle.loads(pickle.dumps(detector))(rgb) == found
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(detector, [rgb] * 4)) == [found] * 4


def test_files_and_subjects_are_told_apart(tmp_path: Path) -> None:
    one, other = write_yolo(tmp_path / "a.onnx"), write_yolo(tmp_path / "b.onnx", box=90)
    keys = {choose_yolo(path, "face").searched for path in (one, other)}
    keys.add(choose_yolo(one, "hand").searched)
    assert len(keys) == 3
    assert all(re.fullmatch("onnx [0-9a-f]{12} (face|hand)", key) for key in keys)

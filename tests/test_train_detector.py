"""The training of the detector that ships: its people, its scenes, and all of it from nothing."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import torch

from animetools.images import points
from examples.detector.export import network_of, onnx_of
from examples.detector.looks import looked
from examples.detector.network import COARSEST, OUTPUTS, STRIDE, UNIT, Network
from examples.detector.people import LANDMARKS
from examples.detector.scenes import Label, scene_of
from examples.detector.sprites import BYTES, Sprites, grow, sprite_of
from examples.detector.train import BATCH, Views, learn, targets_of, training_of
from examples.training import batches
from tests.conftest import ROOT, Shell


def test_people_are_cut_out_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    grow(str(whole), 7, 4)
    sprites = Sprites(str(whole))
    assert len(sprites) == 4
    first = sprite_of(7, 0)
    assert np.array_equal(sprites[0].pixels, first.pixels)
    assert sprites[0].face == first.face and sprites[0].landmarks == first.landmarks
    # rgb is premultiplied: never lighter than the coverage.
    assert (first.pixels[..., :3] <= first.pixels[..., 3:]).all()
    assert first.pixels[..., 3].max() == 255 and first.pixels[..., 3].min() == 0
    cut.mkdir()
    lines = (whole / "faces.jsonl").read_bytes()
    (cut / "faces.jsonl").write_bytes(lines[: len(lines) - 9])
    (cut / "pixels").write_bytes((whole / "pixels").read_bytes()[: 3 * BYTES + 5])
    grow(str(cut), 7, 4)
    for name in ("faces.jsonl", "pixels"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_scenes_have_their_faces_where_they_say(tmp_path: Path) -> None:
    grow(str(tmp_path), 7, 6)
    sprites = Sprites(str(tmp_path))
    sides = []
    for number in range(60):
        scene = scene_of(sprites, 128, np.random.default_rng(number))
        again = scene_of(sprites, 128, np.random.default_rng(number))
        assert np.array_equal(scene.rgb, again.rgb) and scene.rgb.shape == (128, 128, 3)
        for label in scene.labels:
            sides.append(label.side)
            if label.counts:
                assert -1 <= label.x <= 129 and -1 <= label.y <= 129
                away = abs(label.landmarks - (label.x, label.y)).max()
                assert away < label.side
        seen = looked(scene.rgb, np.random.default_rng(number))
        assert seen.shape == scene.rgb.shape and seen.dtype == np.uint8
    assert len(sides) > 40 and min(sides) < 30 and max(sides) > 80


def test_what_is_to_be_learned_leads_back_to_the_faces() -> None:
    marks = np.array([[60.0, 40], [40, 40], [50, 52], [50, 61]])
    labels = [Label(50, 45, 44, marks, True), Label(100, 100, 20, marks + 50, False)]
    target = targets_of(labels, 128)
    assert target.shape == (OUTPUTS + 1, 128 // STRIDE, 128 // STRIDE)
    assert (target[0] == 1).sum() == 1 and (target[0] == -1).sum() > 1
    target[0] = np.log(
        np.clip(target[0], 1e-4, 1 - 1e-4) / (1 - np.clip(target[0], 1e-4, 1 - 1e-4))
    )
    (spot,) = points.spots(target[:-1], 0.9)
    assert (spot.x, spot.y, spot.side) == tuple(np.round((50, 45, 44), 3)) or np.allclose(
        (spot.x, spot.y, spot.side), (50, 45, 44), atol=1e-3
    )
    for name, mark in zip(LANDMARKS, marks, strict=True):
        assert np.allclose(spot.landmarks[name], mark, atol=1e-3)


def test_a_file_computes_what_its_network_does() -> None:
    torch.manual_seed(0)
    network = Network().eval()
    data = onnx_of(network)
    onnx.checker.check_model(onnx.load_from_string(data))
    assert len(data) < 2_000_000
    opened = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    rng = np.random.default_rng(0)
    for size in ((COARSEST, 3 * COARSEST), (2 * COARSEST, COARSEST)):
        rgb = rng.integers(0, 256, (1, 3, *size)).astype(np.float32)
        with torch.no_grad():
            right = network(torch.from_numpy(rgb)).numpy()
        opened.setInput(rgb)
        found = np.asarray(opened.forward())
        assert found.shape == right.shape
        assert abs(found - right).max() < 0.01 * abs(right).max()


def test_the_network_and_its_reader_agree() -> None:
    assert (points.STRIDE, points.MULTIPLE, points.UNIT) == (STRIDE, COARSEST, UNIT)
    assert points.LANDMARKS == LANDMARKS
    assert Path(points.SHIPPED).stat().st_size < 2_000_000


def test_the_script_continues_and_writes_a_file(shell: Shell, tmp_path: Path) -> None:
    people, run = str(tmp_path / "d/people"), tmp_path / "d/run"
    grow(people, 31, 5)
    run.mkdir()
    stopped = training_of(str(run), 2)
    learn(stopped, *next(iter(batches(Views(Sprites(people)), BATCH, 0, 1))))
    stopped.save()
    done = shell(f"{ROOT}/examples/train-detector.sh d 6 32")
    assert done.returncode == 0, done.stderr
    assert "continuing after 1 of 2" in done.stdout
    assert len(Sprites(people)) == 6
    trained = network_of(str(run))
    assert (tmp_path / "d/points.onnx").read_bytes() == onnx_of(trained)
    assert training_of(str(run), 2).step == 2

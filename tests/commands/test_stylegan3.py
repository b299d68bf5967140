"""StyleGAN 3's files through the commands that take networks."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from animetools.netfiles import checkpoints
from tests.netfiles import sg3
from tests.quick import quick
from tests.tiny import snapshot


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """Networks of 32 and 64 pixels, and one of StyleGAN 2."""
    for name in ("m32", "r64", "t64c"):
        (tmp_path / f"{name}.pkl").symlink_to(sg3.path(name))


def pixels(path: Path) -> NDArray[np.float64]:
    """A picture as numbers."""
    return np.asarray(Image.open(path), np.float64)


def well(line: str, here: Path) -> "subprocess.CompletedProcess[str]":
    """A command that succeeds."""
    done = quick(line, here)
    assert done.returncode == 0, done.stderr
    return done


def test_pictures_are_the_originals_within_a_grey_level(tmp_path: Path) -> None:
    _, info, wanted = sg3.read("m32")
    seeds = ",".join(map(str, info["seeds"]))
    done = well(f"sggen --network m32.pkl --seeds {seeds} --psi 1", tmp_path)
    for path, image in zip(done.stdout.split(), wanted["img_psi1"], strict=True):
        levels = (image * 127.5 + 128).clamp(0, 255).floor().permute(1, 2, 0).numpy()
        assert abs(pixels(tmp_path / path) - levels).max() <= 1


def test_a_picture_is_turned_and_moved(tmp_path: Path) -> None:
    made = "sggen --network r64.pkl --seeds 3"
    well(f"{made} -o plain", tmp_path)
    well(f"{made} --rotate 90 -o turned", tmp_path)
    done = well(f"{made} --translate 0.25,-0.125 --json -o moved", tmp_path)
    plain, turned, moved = (
        pixels(tmp_path / f"{n}/seed0003.png") for n in ("plain", "turned", "moved")
    )
    assert abs(turned - np.rot90(plain)).max() <= 1  # counter-clockwise
    assert abs(moved[:-8, 16:] - plain[8:, :-16]).max() <= 1  # to the right and up
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["translate"] == [0.25, -0.125]


def test_other_families_have_no_transform(tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "two.pkl"), snapshot())
    for line, sentence in (
        ("sggen --network two.pkl --seeds 0 --rotate 3", "--rotate is for StyleGAN 3"),
        ("sggen --network m32.pkl --seeds 0 --translate 0.5", "a shift is two numbers"),
        ("sggen --network m32.pkl --seeds 0 --translate 1e9,1.1.1", "a shift is two numbers"),
        ("sgvideo turn --network two.pkl --seconds 0.1", "turn is for StyleGAN 3"),
        ("sgfig pyramid --network m32.pkl --seeds 0", "only the last layer"),
    ):
        done = quick(line, tmp_path)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_a_turn_is_filmed(tmp_path: Path) -> None:
    done = well(
        "sgvideo turn --network r64.pkl --seconds 0.2 --fps 20 --seed 3 --frames frames", tmp_path
    )
    made = [pixels(tmp_path / path) for path in done.stdout.split()]
    assert len(made) == 4
    for quarter, frame in enumerate(made):
        assert abs(frame - np.rot90(made[0], quarter)).max() <= 1


def test_layers_are_swapped_by_their_rates(tmp_path: Path) -> None:
    well("sgblend r64.pkl r64.pkl --swap 32 -o same.safetensors", tmp_path)
    done = well("sgconvert --info same.safetensors", tmp_path)
    assert "StyleGAN 3, config R" in done.stdout
    wrong = quick("sgblend r64.pkl r64.pkl --swap 48 -o no.pkl", tmp_path)
    assert "no layers that begin at 48 pixels, but at 32, 64" in wrong.stderr

"""Pictures as WD taggers and DeepDanbooru take them, against an implementation of the facts."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from animetools.artist.artist import draw
from animetools.images.files import read_rgb
from animetools.tagging.layouts import Pixels, prepare_deepdanbooru, prepare_wd
from tests.conftest import REAL

SIZE = 448


def by_the_facts(path: Path) -> NDArray[np.int16]:
    """WD: alpha laid on white, padded to a square with white, centered; bicubic; BGR."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    side = max(flat.size)
    square = Image.new("RGB", (side, side), "white")
    square.paste(flat, ((side - flat.width) // 2, (side - flat.height) // 2))
    small = square.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.asarray(small).astype(np.int16)[:, :, [2, 1, 0]]


def unlike(path: Path) -> int:
    """The largest difference, in grey levels."""
    ours = prepare_wd(read_rgb(str(path)), SIZE, SIZE)
    assert ours.shape == (SIZE, SIZE, 3)
    return int(abs(by_the_facts(path) - ours).max())


def test_wd_takes_real_pictures_as_the_facts_say() -> None:
    if not REAL.is_dir():
        pytest.skip("no real images")
    paths = sorted(path for path in REAL.iterdir() if path.suffix in (".jpg", ".png"))
    assert len(paths) >= 10
    assert max(map(unlike, paths[:10])) <= 1


@pytest.mark.parametrize("shape", [(512, 512), (300, 700), (701, 333), (100, 37), (2000, 3)])
@pytest.mark.parametrize("alpha", [False, True])
def test_wd_takes_drawn_pictures_as_the_facts_say(
    tmp_path: Path, shape: tuple[int, int], alpha: bool
) -> None:
    image = Image.fromarray(draw(1, 1, 512).rgb).resize(shape)
    if alpha:
        image.putalpha(Image.linear_gradient("L").resize(shape))
    image.save(tmp_path / "a.png")
    assert unlike(tmp_path / "a.png") <= 1


def test_a_long_strip_needs_no_large_square() -> None:
    strip = np.zeros((1, 60_000, 3), np.uint8)  # its square would take 10 GB
    assert prepare_wd(strip, 64, 64).min() > 200
    assert prepare_wd(strip.swapaxes(0, 1), 64, 64).min() > 200
    assert not prepare_deepdanbooru(strip, 64, 64).any()


def test_deepdanbooru_repeats_the_edges() -> None:
    rgb = np.zeros((100, 50, 3), np.uint8)
    rgb[:, :10] = (255, 0, 0)
    rgb[:, 40:] = (0, 0, 255)
    found = prepare_deepdanbooru(rgb, 64, 64)
    assert found.shape == (64, 64, 3)
    assert (
        found[:, :22] == (255, 0, 0)
    ).all()  # 16 columns beside the picture, and the 6 of its own
    assert (found[:, 42:] == (0, 0, 255)).all()
    assert not found[:, 24:40].any()


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60), st.integers(1, 60))
def test_deepdanbooru_takes_any_size(tall: int, wide: int, height: int, width: int) -> None:
    rgb: Pixels = np.full((tall, wide, 3), 77, np.uint8)
    found = prepare_deepdanbooru(rgb, height, width)
    assert found.shape == (height, width, 3)
    assert (found == 77).all()

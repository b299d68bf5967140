"""AnimeFace-2009 through ctypes."""

import ctypes.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import cv2
import numpy as np
import pytest

from animetools.errors import FatalError
from animetools.images import nvxs
from animetools.images.files import read_rgb
from tests.conftest import REAL

needs_nvxs = pytest.mark.skipif(not nvxs.is_installed(), reason="no wheel of animeface here")
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no real images here")


@pytest.fixture
def unloaded() -> Iterator[None]:
    """The library is looked for anew."""
    nvxs.load.cache_clear()
    yield
    nvxs.load.cache_clear()


@needs_nvxs
def test_finds_the_drawn_face_with_its_parts() -> None:
    (hit,) = nvxs.detect(nvxs.drawn_face())
    assert hit.likelihood > 0.9
    middles = hit.middles
    right, left = middles["right_eye"], middles["left_eye"]
    assert right == pytest.approx((31, 52), abs=6)
    assert left == pytest.approx((65, 52), abs=6)
    assert max(right[1], left[1]) < middles["nose"][1] < middles["mouth"][1] < middles["chin"][1]


@needs_nvxs
def test_an_empty_picture_has_no_face() -> None:
    assert nvxs.detect(np.full((200, 300), 255, np.uint8)) == []


@needs_nvxs
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (56, 56), (57, 57), (500, 57)])
def test_small_pictures_are_no_trouble(shape: tuple[int, int]) -> None:
    assert nvxs.detect(np.zeros(shape, np.uint8)) == []


@needs_nvxs
def test_a_view_of_an_array_is_searched_as_a_copy_is() -> None:
    wide = np.zeros((96, 192), np.uint8)
    wide[:, ::2] = nvxs.drawn_face()
    assert nvxs.detect(wide[:, ::2]) == nvxs.detect(nvxs.drawn_face())


@needs_nvxs
def test_threads_do_not_disturb_each_other() -> None:
    pictures = [
        cv2.copyMakeBorder(nvxs.drawn_face(), n, 40, 40, n, cv2.BORDER_REPLICATE) for n in range(20)
    ]
    grey = [np.asarray(picture, np.uint8) for picture in pictures]
    alone = [nvxs.detect(picture) for picture in grey]
    assert sum(map(len, alone)) >= 10
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(nvxs.detect, grey)) == alone


def test_a_missing_library_is_said_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, unloaded: None
) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)
    assert not nvxs.is_installed()
    with pytest.raises(FatalError, match="pip install animeface"):
        nvxs.detect(nvxs.drawn_face())


@needs_nvxs
def test_a_library_that_finds_nothing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, unloaded: None
) -> None:
    monkeypatch.setattr(nvxs, "drawn_face", lambda: np.full((96, 96), 255, np.uint8))
    with pytest.raises(FatalError, match="does not find a drawn face"):
        nvxs.detect(np.zeros((96, 96), np.uint8))


@needs_nvxs
def test_another_library_of_that_name_is_an_error(
    monkeypatch: pytest.MonkeyPatch, unloaded: None
) -> None:
    monkeypatch.setattr(nvxs, "_path", lambda: ctypes.util.find_library("c"))
    with pytest.raises(FatalError, match="cannot be used"):
        nvxs.load()


@needs_nvxs
@needs_real
def test_faces_are_the_bindings() -> None:
    """As the wheel's own binding finds them in this picture under Pillow 11.3, where it works."""
    rgb = read_rgb(str(REAL / "p012_pd-mera.jpg"))
    first, second = nvxs.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.uint8))
    assert (first.face, second.face) == ((259, 86, 139, 139), (56, 170, 152, 152))
    assert first.likelihood == pytest.approx(0.981435, abs=1e-3)
    # Its grey has fractions, which may move a part by one pixel.
    assert second.left_eye == pytest.approx((149, 204, 41, 29), abs=1)
    assert second.right_eye == pytest.approx((69, 202, 41, 27), abs=1)
    assert second.nose == pytest.approx((129, 250), abs=1)
    assert second.mouth == pytest.approx((114, 269, 30, 11), abs=1)
    assert second.chin == pytest.approx((122, 301), abs=1)

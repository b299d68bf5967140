"""Batches decoded ahead: the same for any number of threads, and going on to the last bit."""

import threading
from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.dataset.training_set import Images
from animetools.errors import Advice, FatalError
from animetools.training.loader import Batch, Loader, signed
from animetools.training.sampler import Sampler
from tests.dataset import sets
from tests.dataset.sets import picture

COUNT = 7


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """A training set of three classes, mirror images too."""
    path = tmp_path_factory.mktemp("sets") / "a"
    pictures = [picture(n, 8, 4) for n in range(COUNT)]
    return Images(
        sets.zipped(path, pictures, [n % 3 for n in range(COUNT)]), mirror=True, conditional=True
    )


def batches(images: Images, count: int, size: int, threads: int, *, start: int = 0) -> list[Batch]:
    """The first of what a loader gives."""
    sampler = Sampler(len(images), 1, start=start)
    with Loader(images, sampler, size, threads=threads) as loader:
        found = list(islice(loader, count))
        assert not loader.left_out
    return found


def same(first: list[Batch], second: list[Batch]) -> bool:
    """Whether they are, bit for bit."""
    return all(
        torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)
        for a, b in zip(first, second, strict=True)
    )


def test_batches_are_the_images_of_the_sampler(images: Images) -> None:
    order = Sampler(len(images), 1).draw(30)
    found = batches(images, 6, 5, threads=2)
    assert found[0].images.shape == (5, 3, 4, 8)
    assert found[0].images.is_contiguous()
    for place, index in enumerate(order):
        planes = picture(index % COUNT, 8, 4)
        expected = torch.from_numpy(planes[:, :, ::-1].copy() if index >= COUNT else planes)
        assert torch.equal(found[place // 5].images[place % 5], expected)
        label = found[place // 5].labels[place % 5]
        assert label.tolist() == [float(index % COUNT % 3 == kind) for kind in range(3)]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 11), st.integers(1, 9), st.integers(0, 8))
def test_a_resumed_loader_goes_on_bit_for_bit_with_any_number_of_threads(
    images: Images, size: int, threads: int, done: int
) -> None:
    whole = batches(images, 10, size, threads=1)
    rest = batches(images, 10 - done, size, threads, start=done * size)
    assert same(whole[done:], rest)


def test_an_image_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    path = sets.folder(tmp_path / "set", [picture(n) for n in range(5)])
    images = Images(path)
    (tmp_path / "set/00001/img00000002.png").write_bytes(b"rubbish")
    (tmp_path / "set/00001/img00000003.png").unlink()
    order = [4 if index in (2, 3) else index for index in Sampler(5, 0).draw(40)]
    with (
        pytest.warns(Advice) as told,
        Loader(images, Sampler(5, 0), 4, threads=3) as loader,
    ):
        found = torch.cat([next(loader).images for _ in range(10)])
    for index, image in zip(order, found, strict=True):
        assert torch.equal(image, torch.from_numpy(picture(index)))
    assert sorted(str(one.message) for one in told) == [
        f"{path}: 00001/img00000002.png: not an image: left out",
        f"{path}: 00001/img00000003.png: No such file or directory: left out",
    ]
    assert len(loader.left_out) == 2


def test_a_set_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    images = Images(sets.folder(tmp_path / "set", [picture(n) for n in range(3)]))
    for file in (tmp_path / "set").rglob("*.png"):
        file.unlink()
    with (
        Loader(images, Sampler(3, 0), 2, threads=2) as loader,
        pytest.raises(FatalError, match=r"3 images in a row cannot be read.*No such file"),
    ):
        next(loader)


def test_no_thread_is_left(images: Images) -> None:
    before = set(threading.enumerate())
    with Loader(images, Sampler(len(images), 0), 4, threads=4) as loader:
        next(loader)
        assert set(threading.enumerate()) - before
    assert set(threading.enumerate()) == before
    with pytest.raises(ZeroDivisionError), Loader(images, Sampler(9, 0), 4, threads=4):
        _ = 1 / 0
    assert set(threading.enumerate()) == before


def test_levels_are_from_minus_one_to_one() -> None:
    values = signed(torch.tensor([0, 1, 255], dtype=torch.uint8))
    assert values.dtype == torch.float32
    assert values.tolist() == [-1.0, float(torch.tensor(1.0) / 127.5 - 1), 1.0]

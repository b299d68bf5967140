"""The augmentations, beside ImageMagick's results, and the choice among them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from animetools.artist.artist import draw
from animetools.colors import Color
from animetools.images.augment import augmented, operations
from animetools.images.skew import skew
from animetools.images.variants import AUGMENTATIONS, Names, Variant, chosen, variants_of
from tests.images.imagemagick import CONVERT, GOLDEN, OPTIONS, convert, drawn

HALF = 0.51  # of a level: ImageMagick's 16 bits, rounded to 8


def check(name: str, pixels: NDArray[np.uint8], levels: NDArray[np.uint16]) -> None:
    """Compare an operation with ImageMagick's 16 bits."""
    made = operations()[name](pixels)
    assert made.dtype == np.uint8
    assert made.shape == levels.shape
    off = abs(made - levels / 257)
    if name == "deskew":  # its weights are in a table, and so are ours
        assert off.max() < 1
    elif name in ("blur", "sharpen"):  # at a tie the last bit decides which window a pixel gets
        assert (off > HALF).mean() < 1e-3
    else:
        assert off.max() < HALF


def test_every_augmentation_has_an_operation_and_a_line_of_the_article() -> None:
    assert tuple(operations()) == AUGMENTATIONS == tuple(OPTIONS)
    assert len(AUGMENTATIONS) == 18


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_operation_gives_what_imagemagick_gave(name: str) -> None:
    with np.load(GOLDEN) as golden:
        check(name, golden["picture"], golden[name])


@pytest.mark.skipif(not CONVERT, reason="no ImageMagick here")
@pytest.mark.parametrize("name", ["deskew", "horizstretch", "blur", "sharpen"])
@pytest.mark.parametrize("size", [(96, 96), (61, 3), (3, 40)])
def test_an_operation_gives_what_imagemagick_gives(name: str, size: tuple[int, int]) -> None:
    pixels = draw(3, 1, 96).rgb if size == (96, 96) else drawn(*size)
    check(name, pixels, convert(pixels, OPTIONS[name]))


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (2, 700)])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_tiny_or_blank_picture_has_all_variants(shape: tuple[int, int], level: int) -> None:
    pixels = np.full((*shape, 3), level, np.uint8)
    height, width = shape
    for name in AUGMENTATIONS:
        made = augmented(pixels, Variant(name))
        assert made.shape[0] >= height
        assert made.shape[1] >= width
        if name in ("blur", "sharpen") or name.endswith("stretch"):
            assert (made == level).all()


@pytest.mark.parametrize("degrees", [-6, -2, 1, 4])
def test_a_tilted_page_is_made_level(degrees: float) -> None:
    y, x = np.mgrid[:300, :400]
    across = y - np.tan(np.radians(degrees)) * x
    page = np.repeat(np.where(across % 20 < 4, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    assert abs(skew(page) + degrees) < 0.3
    made = augmented(page, Variant("deskew"), Color(255, 0, 0))
    assert tuple(made[0, 0]) == (255, 0, 0)
    inside = made[80:-80, 80:-80, 1].astype(float)
    assert inside.std(axis=1).mean() < 0.35 * inside.std(axis=0).mean()  # lines along the rows
    assert abs(skew(made[80:-80, 80:-80])) < 0.3


def test_a_mirrored_variant_is_the_mirrored_variant() -> None:
    pixels = drawn()
    assert np.array_equal(augmented(pixels, Variant(mirrored=True)), pixels[:, ::-1])
    for name in ("deskew", "red"):
        plain = augmented(pixels, Variant(name))
        assert np.array_equal(augmented(pixels, Variant(name, True)), plain[:, ::-1])


def test_names_are_read_in_any_order_and_written_in_one() -> None:
    names = Names.parse(" Yellow,deskew,red,red")
    assert names.names == ("deskew", "red", "yellow")
    assert Names.parse(str(names)) == names
    with pytest.raises(ValueError, match=r"'rad' is not one of deskew, horizstretch, .*"):
        Names.parse("red,rad")


def test_variants_with_mirrors_have_names_of_their_own() -> None:
    variants = variants_of(AUGMENTATIONS, mirror=True)
    assert len({variant.name for variant in variants}) == 37
    assert [variant.name for variant in variants_of(["red"], mirror=True)] == [
        *("red", "mirror", "red.mirror")
    ]


@given(st.integers(0, 40), st.integers(0, 2**70), st.binary(max_size=20), st.booleans())
def test_a_choice_is_made_once_and_grows_with_its_count(
    count: int, seed: int, data: bytes, mirror: bool
) -> None:
    variants = variants_of(AUGMENTATIONS, mirror=mirror)
    made = chosen(variants, count, seed, data)
    assert made == chosen(variants[::-1], count, seed, data)[::-1]
    assert len(made) == min(count, len(variants))
    assert made == [variant for variant in variants if variant in made]
    assert set(made) <= set(chosen(variants, count + 1, seed, data))


def test_every_variant_is_chosen_equally_often() -> None:
    variants = variants_of(AUGMENTATIONS, mirror=False)
    counts = dict.fromkeys(variants, 0)
    for picture in range(3000):
        for variant in chosen(variants, 3, 7, picture.to_bytes(2)):
            counts[variant] += 1
    assert 400 < min(counts.values()) <= max(counts.values()) < 600  # 500 each, 5 sigma is 102
    assert chosen(variants, 9, 7, b"a") != chosen(variants, 9, 8, b"a")

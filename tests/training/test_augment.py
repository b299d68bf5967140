"""Augmentation: like the original program, like its description, twice differentiable."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from animetools.training.augment import COLORS, FILTER, NUMBERS, PIPES, Ada, augmented
from animetools.training.diffaugment import diffaugment, diffaugmented
from tests.netfiles.goldens import GOLDEN, Array

torch.set_num_threads(1)

TOLERANCE = 2e-5  # of the golden numbers
EVERY = 5  # the golden files hold every fifth number of a result, in C order
GOLDEN_PIPES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in NUMBERS},
    **PIPES,
    "rotate": ("rotpre", "rotpost"),
    "imgfilter": FILTER,
    "imgfilter_bands1010": ("band0", "band2"),
    "grey_bgc": PIPES["bgc"],
}
SHAPES = {"bgc": (2, 3, 64, 64), "bgcfnc": (2, 3, 64, 64), "grey_bgc": (1, 1, 32, 32)}


def load(name: str) -> dict[str, Array]:
    with np.load(GOLDEN / "training" / f"augment_{name}.npz") as file:
        return dict(file)


SINGLE, PIPE = load("single"), load("pipe")


def waves(n: int, channels: int, height: int, width: int) -> Tensor:
    """The images of the golden files."""
    i, c, y, x = np.ogrid[:n, :channels, :height, :width]
    value = 0.8 * np.sin(0.37 * y + 0.23 * x * (c + 1) + i)
    return torch.tensor(value * np.cos(0.11 * x - 0.29 * y * (i + 1) + c), dtype=torch.float32)


def percentile(pipe: Sequence[str], count: int, q: float) -> dict[str, Tensor]:
    """Everything happens, and to the same degree, with the original's idea of a percentile."""
    drawn = {}
    for name in pipe:
        value = torch.tensor(q)
        if name == "rotpost":
            value = torch.tensor(0.5)  # one turn is enough
        elif name == "noise":
            value = torch.erfinv(value)
        elif NUMBERS[name].normal:
            value = torch.erfinv(2 * value - 1)
        drawn[name] = torch.cat([torch.zeros(1), value.expand(NUMBERS[name].count)])
    return {name: columns.expand(count, -1) for name, columns in drawn.items()}


def at_percentile(images: Tensor, name: str, q: float) -> Tensor:
    noise = np.random.RandomState(7).standard_normal(images.shape)
    drawn = percentile(GOLDEN_PIPES[name], len(images), q)
    return augmented(images, 1, drawn, lambda: torch.tensor(noise).to(images))


def error(result: Tensor, expected: Array) -> float:
    return float((result.flatten() - torch.tensor(expected).flatten()).abs().max())


@pytest.mark.parametrize("key", SINGLE)
def test_every_transformation_is_the_original(key: str) -> None:
    name, _, q = key.rpartition("_")
    result = at_percentile(waves(1, 3, 32, 48), name, float(q))
    assert error(result.flatten()[::EVERY], SINGLE[key]) < TOLERANCE


@pytest.mark.parametrize("key", PIPE)
def test_every_pipe_is_the_original(key: str) -> None:
    name, _, q = key.rpartition("_")
    images = waves(*SHAPES.get(name, (1, 3, 64, 64)))
    result = at_percentile(images, name, float(q))
    assert error(result.flatten()[::EVERY], PIPE[key]) < TOLERANCE


def test_draws_and_gates_are_the_original() -> None:
    golden = load("draws")
    drawn = {}
    for name in PIPES["bgcfnc"]:
        numbers = golden["draw_cutout_centre" if name == "cutout" else f"draw_{name}"]
        drawn[name] = torch.tensor(np.hstack([golden[f"draw_{name}_gate"], numbers]))
    noise = torch.tensor(golden["draw_noise_image"])
    result = augmented(waves(6, 3, 32, 32), 0.4, drawn, lambda: noise)
    assert error(result, golden["out"]) < TOLERANCE


def smooth(height: int = 40, width: int = 40, channels: int = 3) -> Tensor:
    """One image without fine detail, different in all corners, [1, channels, height, width]."""
    y, x = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
    planes = [0.8 * x - 0.3 * y, 0.5 * (x + y) - 0.4, 0.7 * y - 0.2 * x]
    return torch.stack(planes[:channels])[None] - 0.1


def only(name: str, *numbers: float, images: Tensor | None = None) -> Tensor:
    """One image after one transformation for which `numbers` were drawn."""
    drawn = {name: torch.tensor([[0.0, *numbers]], dtype=torch.float64)}
    return augmented(smooth() if images is None else images, 1, drawn, lambda: torch.ones(()))


def inner(images: Tensor, border: int = 10) -> Tensor:
    """Where neither the border nor the filter's asymmetry shows."""
    return images[:, :, border:-border, border:-border]


def moved(x: int = 0, y: int = 0) -> Tensor:
    return smooth().roll((y, x), (2, 3))


@pytest.mark.parametrize(
    ("name", "numbers", "expected"),
    [
        ("xflip", [0.6], smooth().flip(3)),
        ("xflip", [0.4], smooth()),
        ("rotate90", [0.3], smooth().rot90(-1, (3, 2))),
        ("rotate90", [0.6], smooth().rot90(2, (3, 2))),
        ("rotate90", [0.9], smooth().rot90(1, (3, 2))),
        ("xint", [0.9, 0.5], moved(x=4)),
        ("xint", [0.5, 0.1], moved(y=-4)),
        ("rotpre", [0.75], smooth().rot90(-1, (3, 2))),
        ("rotpost", [0.25], smooth().rot90(1, (3, 2))),
        ("xfrac", [0.8, -0.4], moved(x=4, y=-2)),
        ("brightness", [1.5], smooth() + 0.3),
        ("contrast", [2], smooth() * 2),
        ("contrast", [-2], smooth() / 2),
        ("lumaflip", [0.4], smooth()),
        ("hue", [0.5], smooth()),
        ("hue", [0.5 + 1 / 3], smooth().roll(1, 1)),  # a third of the circle: red becomes green
        ("saturation", [-40], smooth().mean(1, keepdim=True).expand(-1, 3, -1, -1)),
        ("noise", [-0.7], smooth() + 0.07),
    ],
)
def test_what_a_transformation_does(name: str, numbers: list[float], expected: Tensor) -> None:
    result = only(name, *numbers)
    torch.testing.assert_close(inner(result), inner(expected), atol=2e-2, rtol=0)
    if name in COLORS or name == "noise":  # everywhere, and not nearly
        torch.testing.assert_close(result, expected)


def test_lumaflip_turns_brightness_over_and_keeps_hue() -> None:
    before, after = smooth(), only("lumaflip", 0.6)
    grey = before.mean(1, keepdim=True)
    torch.testing.assert_close(after, before - 2 * grey)


@pytest.mark.parametrize(
    ("name", "drawn", "wider", "higher"),
    [
        ("scale", 5.0, 2.0, 2.0),
        ("scale", -5.0, 0.5, 0.5),
        ("aniso", 5.0, 2.0, 0.5),
    ],
)
def test_scale_enlarges_from_the_center(
    name: str, drawn: float, wider: float, higher: float
) -> None:
    y, x = torch.arange(48)[:, None] - 23.5, torch.arange(48) - 23.5

    def blob(width: float, height: float) -> Tensor:
        return torch.exp(-((x / (4 * width)) ** 2) - (y / (4 * height)) ** 2)[None, None]

    result = only(name, drawn, images=blob(1, 1))
    # Farther out the reflected border shows.
    torch.testing.assert_close(inner(result), inner(blob(wider, higher)), atol=0.03, rtol=0)


def test_bands_split_the_frequencies() -> None:
    flat, rough = torch.full((1, 1, 32, 32), 0.5), (torch.arange(32) % 2 - 0.5).expand(1, 1, 32, 32)
    for images, own in ((flat, "band0"), (rough, "band3")):
        for name in FILTER:
            ratio = only(name, 1.0, images=images) / images
            # A band of twice its strength; then the power is what it was.
            power = {"band0": 10 / 13}.get(name, 1 / 13)
            gain = (2 if name == own else 1) / math.sqrt(1 + 3 * power)
            if images is rough:  # it changes along x only
                gain *= (2 if name == "band0" else 1) / math.sqrt(1 + 3 * power)
            else:
                gain *= gain
            torch.testing.assert_close(ratio, torch.full_like(ratio, gain), rtol=1e-4, atol=0)


@pytest.mark.parametrize("size", [(40, 40), (30, 50)])
def test_cutout_makes_a_hole_half_as_large(size: tuple[int, int]) -> None:
    images = torch.ones(1, 3, *size)
    result = only("cutout", 0.5, 0.25, images=images)
    left = math.ceil(size[1] / 4)
    images[:, :, : size[0] // 2, left : size[1] - left] = 0
    assert torch.equal(result, images)


PIPE_NAMES = st.sampled_from(sorted(PIPES))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(
    pipe=PIPE_NAMES,
    n=st.integers(1, 3),
    channels=st.sampled_from([1, 3]),
    height=st.integers(22, 30),
    width=st.integers(22, 30),
    p=st.sampled_from([0.2, 1.0, 1.7]),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=40, deadline=None)
def test_any_image_keeps_its_shape(
    pipe: str, n: int, channels: int, height: int, width: int, p: float, seed: int
) -> None:
    images = torch.rand(n, channels, height, width, generator=seeded(0)) * 2 - 1
    result = Ada(PIPES[pipe])(images, p, seeded(seed))
    assert result.shape == images.shape
    assert result.dtype == images.dtype
    assert result.isfinite().all()


def augment(images: Tensor, p: float, seed: int, pipe: str = "bgcfnc") -> Tensor:
    return Ada(PIPES[pipe])(images, p, seeded(seed))


def test_nothing_happens_with_probability_0() -> None:
    images, generator = waves(4, 3, 32, 32), seeded(0)
    before = generator.get_state()
    assert Ada(PIPES["bgcfnc"])(images, torch.zeros(()), generator) is images
    assert torch.equal(generator.get_state(), before)


def test_the_same_generator_gives_the_same_bytes() -> None:
    images = waves(4, 3, 32, 32)
    for function in (Ada(PIPES["bgcfnc"]), diffaugment):
        results = [function(images, 0.6, seeded(seed)) for seed in (0, 0, 1)]
        assert torch.equal(results[0], results[1])
        assert not torch.equal(results[0], results[2])


@given(seed=st.integers(0, 2**63 - 1), cut=st.integers(1, 7))
@settings(max_examples=15, deadline=None)
def test_a_batch_is_changed_as_its_parts_are(seed: int, cut: int) -> None:
    images = waves(8, 3, 24, 24)
    for function, tolerance in ((Ada(PIPES["bgcf"]), 1e-3), (diffaugment, 0.0)):
        generator = seeded(seed)
        parts = [function(part, 0.5, generator) for part in torch.split(images, [cut, 8 - cut])]
        # The reflected border is as wide as any image of the batch needs it, and then ends in 0.
        torch.testing.assert_close(
            torch.cat(parts), function(images, 0.5, seeded(seed)), rtol=0, atol=tolerance
        )


def test_an_image_that_nothing_happens_to_is_not_touched() -> None:
    images = waves(16, 3, 32, 32)
    result = augment(images, 0.1, 3, "bg")
    still = (result == images).flatten(1).all(1)
    assert 2 <= still.sum() <= 14


@pytest.mark.parametrize(
    ("pipe", "share"),
    [
        (("brightness",), 1.0),
        (("xflip",), 0.5),
        (("rotate90",), 0.75),
        (("rotpre", "rotpost"), 1.0),  # a turn at all
        (("noise",), 1.0),
    ],
)
@pytest.mark.parametrize("p", [0.3, 0.8, 1.2])
def test_p_is_the_share_of_images_that_are_changed(
    pipe: tuple[str, ...], share: float, p: float
) -> None:
    images = waves(2000, 1, 4, 4)
    result = Ada(pipe)(images, p, seeded(5))
    changed = ((result - images).abs() > 1e-6).flatten(1).any(1).double().mean()
    assert abs(changed - min(p, 1) * share) < 0.04


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_what_is_drawn_has_its_distribution(name: str) -> None:
    columns = Ada((name,)).draw(20000, seeded(1))[name]
    assert columns.shape == (20000, 1 + NUMBERS[name].count)
    gate, *numbers = columns.unbind(1)
    normals = (0.0, 1.0) if NUMBERS[name].normal else (0.5, math.sqrt(1 / 12))
    for column, (mean, deviation) in [
        (gate, (0.5, math.sqrt(1 / 12))),
        *((number, normals) for number in numbers),
    ]:
        assert abs(column.mean() - mean) < 0.03
        assert abs(column.std() - deviation) < 0.03
    assert torch.corrcoef(columns.T).tril(-1).abs().max() < 0.03


@pytest.mark.parametrize("pipe", ["bgc", "noise", "cutout", "filter"])
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_have_gradients(pipe: str, channels: int) -> None:
    size = (23, 22) if pipe == "filter" else (5, 4)
    images = torch.rand(2, channels, *size, dtype=torch.float64, generator=seeded(2))
    images.requires_grad_()

    def function(images: Tensor) -> Tensor:
        return Ada(PIPES[pipe])(images, 0.9, seeded(11))

    assert not torch.equal(function(images), images)
    for check in (gradcheck, gradgradcheck):
        assert check(function, images, fast_mode=True)


def test_r1_through_the_pipeline_reaches_the_discriminator() -> None:
    """What a loss needs: the gradient of a gradient's size, by weights behind the augmentation."""
    weight = torch.rand(3, 16, 16, dtype=torch.float64, generator=seeded(0)).requires_grad_()
    images = waves(4, 3, 16, 16).double().requires_grad_()

    def penalty(weight: Tensor) -> Tensor:
        scores = (weight * Ada()(images, 0.8, seeded(1))).tanh().sum((1, 2, 3))
        (slope,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
        return slope.square().sum()

    assert gradcheck(penalty, weight, fast_mode=True)


@pytest.mark.parametrize(
    ("pipe", "shape", "reason"),
    [
        ("color", (2, 4, 32, 32), "images of 4 channels have no colors to change"),
        ("bgcf", (2, 3, 32, 21), "images of 21 pixels have no frequencies to change"),
    ],
)
@pytest.mark.parametrize("p", [0.0, 0.5])
def test_images_that_cannot_be_changed_are_refused_at_once(
    pipe: str, shape: tuple[int, ...], reason: str, p: float
) -> None:
    with pytest.raises(ValueError, match=reason):
        Ada(PIPES[pipe])(torch.zeros(shape), p, seeded(0))


def test_any_number_of_channels_can_be_moved() -> None:
    images = waves(2, 4, 12, 20)
    result = Ada(PIPES["bg"])(images, 1, seeded(0))
    alone = Ada(PIPES["bg"])(images[:, 1:2], 1, seeded(0))
    torch.testing.assert_close(result[:, 1:2], alone)


# DiffAugment


def plain_diffaugment(image: Array, drawn: Sequence[float]) -> Array:
    """One image [C, H, W], pixel by pixel as the paper's text has it."""
    channels, height, width = image.shape
    image = image + drawn[0] - 0.5
    for y in range(height):
        for x in range(width):
            mean = sum(image[:, y, x]) / channels
            image[:, y, x] = [mean + (value - mean) * drawn[1] * 2 for value in image[:, y, x]]
    image = image.mean() + (image - image.mean()) * (drawn[2] + 0.5)

    shifts = [int(size * 0.125 + 0.5) for size in (height, width)]
    down, across = (
        math.floor(drawn[3 + i] * (2 * shift + 1)) - shift for i, shift in enumerate(shifts)
    )
    holes = [int(size * 0.5 + 0.5) for size in (height, width)]
    top, left = (
        math.floor(drawn[5 + i] * (size + 1 - hole % 2)) - hole // 2
        for i, (size, hole) in enumerate(zip((height, width), holes, strict=True))
    )
    result = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            if top <= y < top + holes[0] and left <= x < left + holes[1]:
                continue
            if 0 <= y + down < height and 0 <= x + across < width:
                result[:, y, x] = image[:, y + down, x + across]
    return result


@given(
    n=st.integers(1, 3),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 13),
    width=st.integers(1, 13),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_diffaugment_is_what_its_paper_says(
    n: int, channels: int, height: int, width: int, seed: int
) -> None:
    random = np.random.RandomState(seed)
    images = random.uniform(-1, 1, (n, channels, height, width))
    drawn = random.choice([0.0, 0.3, 0.5, 0.8, 1 - 2**-53], (n, 7))
    result = diffaugmented(torch.tensor(images), torch.tensor(drawn))
    for image, numbers, changed in zip(images, drawn, result, strict=True):
        assert error(changed, plain_diffaugment(image, list(numbers))) < 1e-12


def test_diffaugment_draws_every_place() -> None:
    """Of a hole and of a move, the farthest ones included."""
    # Three moves and nine holes in each direction, of which some look the same.
    places = (np.indices((3, 3, 9, 9)).reshape(4, -1).T + 0.5) / [3, 3, 9, 9]
    drawn = torch.tensor(np.hstack([np.full((len(places), 3), 0.5), places]))
    possible = diffaugmented(torch.ones(len(places), 1, 8, 8), drawn)
    seen = diffaugment(torch.ones(6000, 1, 8, 8), 0.0, seeded(0))
    assert holes(seen) == holes(possible)


def holes(images: Tensor) -> set[bytes]:
    return {image.tobytes() for image in (images != 0).numpy()}


def test_gradients_of_diffaugment_have_gradients() -> None:
    images = torch.rand(2, 3, 5, 4, dtype=torch.float64, generator=seeded(2)).requires_grad_()

    def function(images: Tensor) -> Tensor:
        return diffaugment(images, 0.0, seeded(3))

    for check in (gradcheck, gradgradcheck):
        assert check(function, images, fast_mode=True)

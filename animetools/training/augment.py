"""ADA's augmentation: the discriminator sees it and the generator does not learn it.

Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data"
(StyleGAN2-ADA, arXiv:2006.06676), appendix B.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce

import torch
from torch import Tensor
from torch.nn import functional

from animetools.training.ranks import ALONE, Ranks
from animetools.training.warping import ALL, moved, reflected


@dataclass(frozen=True)
class Number:
    """The random numbers of a transformation, and its parameters that they become."""

    value: Callable[[Tensor], Tensor]  # of what is drawn: in 0..1, or normally distributed
    neutral: float  # the parameter that changes nothing
    normal: bool = False
    count: int = 1  # 2: for x, and for y


def _angle(drawn: Tensor) -> Tensor:
    return (2 * drawn - 1) * math.pi


NUMBERS = {
    "xflip": Number(lambda drawn: (2 * drawn).floor(), 0),
    "rotate90": Number(lambda drawn: (4 * drawn).floor(), 0),
    "xint": Number(lambda drawn: (2 * drawn - 1) * 0.125, 0, count=2),
    "scale": Number(lambda drawn: (0.2 * drawn).exp2(), 1, normal=True),
    "rotpre": Number(_angle, 0),
    "aniso": Number(lambda drawn: (0.2 * drawn).exp2(), 1, normal=True),
    "rotpost": Number(_angle, 0),
    "xfrac": Number(lambda drawn: 0.125 * drawn, 0, normal=True, count=2),
    "brightness": Number(lambda drawn: 0.2 * drawn, 0, normal=True),
    "contrast": Number(lambda drawn: (0.5 * drawn).exp2(), 1, normal=True),
    "lumaflip": Number(lambda drawn: (2 * drawn).floor(), 0),
    "hue": Number(_angle, 0),
    "saturation": Number(lambda drawn: drawn.exp2(), 1, normal=True),
    "band0": Number(lambda drawn: drawn.exp2(), 1, normal=True),
    "band1": Number(lambda drawn: drawn.exp2(), 1, normal=True),
    "band2": Number(lambda drawn: drawn.exp2(), 1, normal=True),
    "band3": Number(lambda drawn: drawn.exp2(), 1, normal=True),
    "noise": Number(lambda drawn: 0.1 * drawn.abs(), 0, normal=True),
    "cutout": Number(lambda drawn: drawn, math.inf, count=2),  # the center of the hole
}
"""The transformations, in the order in which they are applied."""

BLIT = ("xflip", "rotate90", "xint")
GEOM = ("scale", "rotpre", "aniso", "rotpost", "xfrac")
COLOR = ("brightness", "contrast", "lumaflip", "hue", "saturation")
FILTER = ("band0", "band1", "band2", "band3")
PIPES = {
    "blit": BLIT,
    "geom": GEOM,
    "color": COLOR,
    "filter": FILTER,
    "noise": ("noise",),
    "cutout": ("cutout",),
    "bg": BLIT + GEOM,
    "bgc": BLIT + GEOM + COLOR,
    "bgcf": BLIT + GEOM + COLOR + FILTER,
    "bgcfn": (*BLIT, *GEOM, *COLOR, *FILTER, "noise"),
    "bgcfnc": (*BLIT, *GEOM, *COLOR, *FILTER, "noise", "cutout"),
}

# The four bands that the wavelet sym2 splits the frequencies into, the lowest first: the left half
# and the center of symmetric filters, times 32768. Their sum is the unit impulse.
# fmt: off
BANDS = (
    (-1, 0, 9, 16, 18, 0, -66, -144, -207, -256, -297, -288, -212, 0, 468, 1056, 1674, 2304, 2918,
     3456, 3888, 4096),
    (1, 0, -9, -16, -18, 0, 66, 144, 207, 256, 297, 288, 244, 0, -756, -1568, -2250, -2304, -806,
     1152, 3024, 4096),
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -32, 0, 288, 512, 576, 0, -3136, -4608, 2304, 8192),
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1024, 0, -9216, 16384),
)
# fmt: on
SIDE = len(BANDS[0]) - 1  # taps on either side of the center
POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)  # of the bands, expected of images


def linear(matrix: Tensor) -> Tensor:
    """matrix [n, k, k] in homogeneous coordinates, [n, k + 1, k + 1]."""
    matrix = functional.pad(matrix, (0, 1, 0, 1))
    matrix[:, -1, -1] = 1
    return matrix


def stretch(x: Tensor, y: Tensor) -> Tensor:
    """What multiplies by x and y, both [n, 1]."""
    return linear(torch.cat([x, y], 1).diag_embed())


def turn(angle: Tensor) -> Tensor:
    """What turns by an angle [n, 1] from x towards y."""
    sin, cos = angle.sin(), angle.cos()
    return linear(torch.cat([cos, -sin, sin, cos], 1).view(-1, 2, 2))


def shift(by: Tensor) -> Tensor:
    """What adds by [n, k]."""
    size = by.shape[1]
    return torch.eye(size + 1, dtype=by.dtype) + functional.pad(by[:, :, None], (size, 0, 0, 1))


# From where a pixel is to where it was, seen from the center: x to the right, y downwards.
MOVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "xflip": lambda flip, size: stretch(1 - 2 * flip, torch.ones_like(flip)),
    "rotate90": lambda turns, size: turn(turns * (math.pi / 2)),
    "xint": lambda part, size: shift(-(part * size).round()),
    "scale": lambda scale, size: stretch(1 / scale, 1 / scale),
    "rotpre": lambda angle, size: turn(angle),
    "aniso": lambda scale, size: stretch(1 / scale, scale),
    "rotpost": lambda angle, size: turn(angle),
    "xfrac": lambda part, size: shift(-part * size),
}

UNIT = torch.eye(3, dtype=torch.float64)
GREY = torch.full((3, 3), 1 / 3, dtype=torch.float64)  # gives each channel the mean of all
ROUND = UNIT.new_tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)  # a quarter round grey

# From a color to another.
COLORS: dict[str, Callable[[Tensor], Tensor]] = {
    "brightness": lambda more: shift(more.expand(-1, 3)),
    "contrast": lambda times: linear(times[:, :, None] * UNIT),
    "lumaflip": lambda flip: linear(UNIT - 2 * flip[:, :, None] * GREY),
    "hue": lambda angle: linear(
        GREY + angle.cos()[:, :, None] * (UNIT - GREY) + angle.sin()[:, :, None] * ROUND
    ),
    "saturation": lambda times: linear(GREY + times[:, :, None] * (UNIT - GREY)),
}


@dataclass(frozen=True)
class Ada:
    """The transformations of a pipeline, each applied to an image with probability p."""

    pipe: tuple[str, ...] = PIPES["bgc"]
    ranks: Ranks = ALONE

    def __call__(self, images: Tensor, p: Tensor | float, generator: torch.Generator) -> Tensor:
        """Transform images [n, C, H, W]; p may be over 1.

        A generator on the CPU draws the same for images on any device, and for a batch as for its
        parts one after the other, but for "noise".
        Raises ValueError if colors change and C is neither 1 nor 3, or if frequencies change and
        a side is shorter than 22 pixels.
        """
        channels, *sides = images.shape[1:]
        if channels not in (1, 3) and COLORS.keys() & self.pipe:
            raise ValueError(f"images of {channels} channels have no colors to change")
        if min(sides) <= SIDE and set(FILTER) & set(self.pipe):
            raise ValueError(f"images of {min(sides)} pixels have no frequencies to change")
        p = float(p)
        if p <= 0:
            return images
        mine, count = self.ranks.share(len(images))
        drawn = self.draw(count, generator)
        noise = partial(grain, images, count, generator)
        return augmented(images, p, drawn, lambda: noise()[mine], mine)

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The random numbers of `augmented`, float64 on the CPU."""
        sizes = [1 + NUMBERS[name].count for name in self.pipe]
        table = torch.rand(
            count, sum(sizes), generator=generator, device=generator.device, dtype=torch.float64
        ).cpu()
        drawn = dict(zip(self.pipe, torch.split(table, sizes, 1), strict=True))
        for name, columns in drawn.items():
            if NUMBERS[name].normal:
                # Not by randn, whose order of numbers depends on how many there are.
                columns[:, 1:] = torch.special.ndtri(columns[:, 1:])
        return drawn


def grain(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Normally distributed noise for so many images like these, drawn where they are."""
    if generator.device != images.device:
        seed = torch.randint(2**62, (), generator=generator, device=generator.device)
        generator = torch.Generator(images.device).manual_seed(int(seed))
    size = (count, *images.shape[1:])
    return torch.randn(size, generator=generator, device=images.device, dtype=images.dtype)


def augmented(
    images: Tensor,
    p: float,
    drawn: Mapping[str, Tensor],
    noise: Callable[[], Tensor],
    mine: slice = ALL,
) -> Tensor:
    """Apply transformations, by their random numbers, to images [n, C, H, W] in -1..1.

    drawn[name] [n, 1 + count], on the CPU, decides by its first column, in 0..1, and holds what
    `NUMBERS` asks for in the others; noise makes normally distributed noise like the images.
    Nothing is cut off at -1 and 1. Other ranks may have images too: `mine` are those of n at hand.
    """
    values = parameters(p, drawn)
    size = torch.tensor([images.shape[3], images.shape[2]], dtype=torch.float64)
    moves = [MOVES[name](value, size) for name, value in values.items() if name in MOVES]
    if moves:
        images = moved(images, reduce(torch.matmul, moves), mine)
    values = {name: value[mine] for name, value in values.items()}
    colors = [COLORS[name](value) for name, value in values.items() if name in COLORS]
    if colors:
        images = recolored(images, reduce(torch.matmul, reversed(colors)))
    bands = {FILTER.index(name): value for name, value in values.items() if name in FILTER}
    if bands:
        images = filtered(images, bands)
    if "noise" in values:
        images = images + values["noise"].to(images)[:, :, None, None] * noise()
    if "cutout" in values:
        images = images * outside(values["cutout"], size).to(images)
    return images


def parameters(p: float, drawn: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters [n, count] of each transformation that changes any image."""
    values = {}
    for name, columns in drawn.items():
        number = NUMBERS[name]
        # Two turns, so that an image is turned at all with the probability p.
        chance = 1 - math.sqrt(max(1 - p, 0)) if name in ("rotpre", "rotpost") else p
        chosen = columns[:, :1] < chance
        if chosen.any():
            value = number.value(columns[:, 1:]).double()
            values[name] = value.where(chosen, number.neutral)
    return values


def recolored(images: Tensor, colors: Tensor) -> Tensor:
    """Images [n, C, H, W] with colors transformed by colors [n, 4, 4].

    A grey image is a color image with three equal channels; their mean is kept.
    """
    times, more = colors[:, :3, :3], colors[:, :3, 3:]
    if images.shape[1] == 1:
        times, more = times.sum((1, 2), keepdim=True) / 3, more.mean(1, keepdim=True)
    return torch.baddbmm(more.to(images), times.to(images), images.flatten(2)).view_as(images)


def filtered(images: Tensor, bands: Mapping[int, Tensor]) -> Tensor:
    """Images [n, C, H, W] with frequency bands amplified, bands[i] [n, 1] times.

    Each leaves the power of an image with an average spectrum as it is.
    """
    power = torch.tensor(POWER, dtype=torch.float64)
    gains = torch.ones(len(images), len(BANDS), dtype=torch.float64)
    for i, band in bands.items():
        times = torch.ones_like(gains).index_copy(1, torch.tensor([i]), band)
        gains = gains * times / (times.square() @ power)[:, None].sqrt()
    down, across = (
        torch.einsum("nb,ibo->nio", gains, banding(size))[:, None].to(images)
        for size in images.shape[2:]
    )
    result: Tensor = down.mT @ (images @ across)
    return result


def banding(size: int) -> Tensor:
    """Splits into frequency bands, with reflected borders: [size, bands, size], float64."""
    halves = torch.tensor(BANDS, dtype=torch.float64) / 2**15
    taps = torch.cat([halves, halves[:, :-1].flip(1)], 1)
    taps = functional.pad(taps, (size - 1, size - 1)).unfold(1, size + 2 * SIDE, 1).flip(1)
    return reflected(taps.permute(2, 0, 1), size, SIDE)


def outside(centers: Tensor, size: Tensor) -> Tensor:
    """Which pixels [n, 1, H, W] lie outside of a hole half as wide and high as the image."""
    width, height = size.int().tolist()
    x: Tensor = ((torch.arange(width) + 0.5) / width - centers[:, :1]).abs() >= 0.25
    y: Tensor = ((torch.arange(height) + 0.5) / height - centers[:, 1:]).abs() >= 0.25
    return x[:, None, None] | y[:, None, :, None]

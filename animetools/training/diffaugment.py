"""The augmentation that every image gets, for training sets of a few hundred images.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training" (arXiv:2006.10738).
"""

import torch
from torch import Tensor
from torch.nn import functional

from animetools.training.ranks import ALONE, Ranks


def diffaugment(
    images: Tensor, p: Tensor | float, generator: torch.Generator, ranks: Ranks = ALONE
) -> Tensor:
    """Change colors of images [n, C, H, W] in -1..1, move them, cut a hole; p has no say in it.

    A generator on the CPU draws the same for images on any device, and for a batch as for its parts
    one after the other.
    """
    mine, count = ranks.share(len(images))
    drawn = torch.rand(count, 7, generator=generator, device=generator.device, dtype=torch.float64)
    return diffaugmented(images, drawn[mine].cpu())


def diffaugmented(images: Tensor, drawn: Tensor) -> Tensor:
    """`diffaugment` with what is drawn [n, 7], in 0..1: three for the colors, two for a move, two
    for a hole, rows before columns.
    """
    images = recolored(images, drawn[:, :3].to(images))
    images = translated(images, drawn[:, 3:5])
    return cut(images, drawn[:, 5:])


def recolored(images: Tensor, drawn: Tensor) -> Tensor:
    """More or less brightness, then saturation, then contrast, drawn [n, 3]."""
    brightness, saturation, contrast = drawn[:, :, None, None, None].unbind(1)
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (contrast + 0.5)


def translated(images: Tensor, drawn: Tensor) -> Tensor:
    """Moved by up to an eighth of the height and of the width, drawn [n, 2]; behind it is grey."""
    most = torch.tensor([int(size * 0.125 + 0.5) for size in images.shape[2:]])
    moves = (drawn * (2 * most + 1)).long() - most
    return torch.stack(
        [
            functional.pad(image, (-across, across, -down, down))
            for image, (down, across) in zip(images, moves.tolist(), strict=True)
        ]
    )


def cut(images: Tensor, drawn: Tensor) -> Tensor:
    """With a grey hole half as high and wide as an image, drawn [n, 2]; it may hang over an edge."""
    inside = []
    for size, place in zip(images.shape[2:], drawn.unbind(1), strict=True):
        hole = int(size * 0.5 + 0.5)
        first = (place * (size + 1 - hole % 2)).long() - hole // 2
        pixels = torch.arange(size) - first[:, None]
        inside.append((pixels >= 0) & (pixels < hole))
    rows, columns = inside
    return images * (~(rows[:, None, :, None] & columns[:, None, None])).to(images)

"""How far pictures are from others: pixels at several scales, and features of a network."""

import math
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from animetools.errors import FatalError
from animetools.networks.discriminator import AnyDiscriminator

Features = Callable[[Tensor], Sequence[Tensor]]

SCALES = 4  # of pixels, each half as fine as the one before
LEAST_SIDE = 4  # pixels a side of the coarsest


def as_shown(images: Tensor, targets: Tensor) -> Tensor:
    """Images with the pixels cut off that are beyond black or white where the targets are so."""
    return torch.where((images * targets > 1) & (targets.abs() >= 1), targets, images)


def pixel_distance(images: Tensor, targets: Tensor) -> Tensor:
    """The mean square difference [n] of images [n, C, H, W], summed over scales."""
    difference = images - targets
    total = difference.square().mean((1, 2, 3))
    for _ in range(SCALES - 1):
        if min(difference.shape[2:]) < 2 * LEAST_SIDE:
            break
        difference = functional.avg_pool2d(difference, 2)
        total = total + difference.square().mean((1, 2, 3))
    return total


def feature_distance(features: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """The mean over layers of the squared differences of unit vectors [n, C, ...], [n].

    Source: Zhang et al. 2018 (LPIPS), equation 1, with equal weights.
    """
    each = [
        (one - other).square().sum(1).flatten(1).mean(1)
        for one, other in zip(features, others, strict=True)
    ]
    return torch.stack(each).mean(0)


def of_discriminator(discriminator: AnyDiscriminator) -> Features:
    """The features of all blocks of a discriminator for images [n, C, H, W], -1..1."""

    def features(images: Tensor) -> list[Tensor]:
        return [_unit(x) for x in discriminator.block_outputs(images)]

    return features


def of_torchscript(
    path: str, channels: int, size: tuple[int, int], device: torch.device
) -> Features:
    """The features of a TorchScript file for images [n, channels, *size], -1..1.

    The network in it takes RGB [n, 3, H, W] in -1..1 and gives a tensor, or several; those of maps
    [n, C, H, W] are compared pixel by pixel. Loading it runs the program in it.

    Raises FatalError if it cannot be loaded, does not take such images, or has no gradients.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            network = torch.jit.load(path, map_location=device).eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as why:
        raise FatalError(f"--features {path}: not a TorchScript file") from why

    def features(images: Tensor) -> list[Tensor]:
        rgb = images.expand(-1, 3, -1, -1) if channels == 1 else images[:, :3]
        made = network(rgb)
        return [_unit(x) for x in ([made] if isinstance(made, Tensor) else made)]

    probe = torch.zeros(1, channels, *size, device=device, requires_grad=True)
    try:
        made = features(probe)
        (slope,) = torch.autograd.grad([x.sum() for x in made], probe)
    except (RuntimeError, TypeError, AttributeError, IndexError) as why:
        reason = " ".join(str(why).strip().split("\n")[-1].split())
        raise FatalError(
            f"--features {path} cannot be used for images of {size[1]}x{size[0]} pixels: {reason}"
        ) from None
    if any(x.dim() < 2 or len(x) != 1 for x in made) or not math.isfinite(float(slope.sum())):
        raise FatalError(f"--features {path} does not give features [n, C] or [n, C, H, W]")
    return features


def _unit(x: Tensor) -> Tensor:
    """Vectors along axis 1, scaled to length 1."""
    return x * (x.square().sum(1, keepdim=True) + 1e-8).rsqrt()

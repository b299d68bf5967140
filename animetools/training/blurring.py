"""A blur of all that a discriminator sees, which fades in the first kimg of a run.

A generator that can turn its picture would else let the first gradients turn it any way.
Source: Karras et al. 2021 (StyleGAN3, arXiv:2106.12423), appendix G.
"""

import math

import torch
from torch import Tensor

from animetools.training.config import TrainConfig

FIRST = 10.0  # sigma at the start, in pixels


def sigma_at(config: TrainConfig, kimg: float) -> float:
    """The sigma of the blur after so many kimg."""
    return FIRST * max(1 - kimg / config.blur_kimg, 0.0) if config.blur_kimg else 0.0


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Images [n, C, H, W], black around them, each axis filtered by 2^-(x / sigma)^2.

    Taps reach to 3 sigma, rounded down. Can be differentiated any number of times.
    """
    reach = math.floor(3 * sigma)
    if not reach:
        return images
    down, across = (_filter(side, sigma, reach).to(images) for side in images.shape[2:])
    return down @ images @ across


def _filter(size: int, sigma: float, reach: int) -> Tensor:
    """The filter along an axis of so many pixels as a matrix [size, size], which is symmetric."""
    taps = torch.arange(-reach, reach + 1, dtype=torch.float64).div(sigma).square().neg().exp2()
    place = torch.arange(size, dtype=torch.float64)
    apart = place[:, None] - place
    return (apart / sigma).square().neg().exp2() * (apart.abs() <= reach) / taps.sum()

"""Noise maps that are optimized, and stay noise.

Source: Karras et al. 2019 (StyleGAN2), section 5 and appendix D.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST = 8  # pixels a side of the coarsest map of a pyramid


def correlation(layers: Sequence[Tensor]) -> Tensor:
    """How far noise maps [n, 1, H, W] of several layers are from white noise, [n].

    The sum of squared correlations of neighbors, across and down, at every scale down to 8 x 8
    pixels; a scale keeps the variance of white noise.
    """
    total = torch.zeros_like(layers[0][:, 0, 0, 0])
    for maps in layers:
        while min(maps.shape[2:]) >= SMALLEST:
            for axis in (2, 3):
                total = total + (maps * maps.roll(1, axis)).mean((1, 2, 3)).square()
            maps = 2 * functional.avg_pool2d(maps, 2)
    return total

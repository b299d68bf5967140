"""What moves and turns the images of a StyleGAN 3."""

import math

import torch
from torch import Tensor


def transform_of(x: float, y: float, degrees: float) -> Tensor:
    """The transform [3, 3] of an input that turns an image counter-clockwise and then moves it.

    x is to the right and y down, in widths of the image. The network takes the inverse: where each
    place of the new image is in the old one.
    """
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    placed = torch.tensor([[cos, sin, x], [-sin, cos, y], [0, 0, 1]], dtype=torch.float64)
    inverse: Tensor = torch.linalg.inv(placed)
    return inverse.float()

"""The labels that the networks learn from: those of the images, some of them incomplete."""

from typing import Protocol

import torch
from torch import Tensor


class Labels(Protocol):
    """The labels of the training images, [images, c_dim]: a tensor, or what reads like one."""

    def __len__(self) -> int:
        """The number of images."""

    def __getitem__(self, indices: Tensor) -> Tensor:
        """The labels of these images, on the CPU."""


def lose_tags(labels: Tensor, probability: float, chance: torch.Generator) -> Tensor:
    """Labels [n, c_dim] on the CPU, each of which loses tags with this probability.

    Of one that does, each tag is kept with a share that is drawn from 0 to 1; a label of one tag or
    class is emptied. So a network learns to obey lists that leave things open, and to do without.
    """
    images, tags = labels.nonzero(as_tuple=True)
    loses = torch.rand(len(labels), generator=chance) < probability
    share = torch.rand(len(labels), generator=chance) * (images.bincount(minlength=len(labels)) > 1)
    lost = loses[images] & (torch.rand(len(images), generator=chance) >= share[images])
    kept = labels.clone()
    kept[images[lost], tags[lost]] = 0
    return kept

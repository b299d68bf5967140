"""Clusters of w: what a network mostly draws."""

import numpy as np
import torch
from torch import Tensor

ROUNDS = 50  # of k-means at the most; few points move after twenty


@torch.inference_mode()
def k_means(points: Tensor, count: int, seed: int) -> tuple[Tensor, list[int]]:
    """The means [count, D] of clusters of points [N, D], and how many points each has, largest first.

    The same for the same seed. There are at least `count` points.

    Source: Lloyd 1982; its start, Arthur & Vassilvitskii 2007 (k-means++).
    """
    chance = np.random.default_rng(seed)
    chosen = [int(chance.integers(len(points)))]
    nearest = (points - points[chosen[0]]).square().sum(1)
    while len(chosen) < count:
        steps = nearest.double().cumsum(0)
        at = int(torch.searchsorted(steps, chance.random() * steps[-1], right=True))
        chosen.append(min(at, len(points) - 1))
        nearest = nearest.minimum((points - points[chosen[-1]]).square().sum(1))
    means = points[chosen].clone()
    squares = points.square().sum(1)
    owners = torch.full((len(points),), -1)
    for _ in range(ROUNDS):
        far = squares[:, None] - 2 * points @ means.T + means.square().sum(1)
        least, found = far.min(1)
        if torch.equal(found, owners):
            break
        owners = found
        sizes = owners.bincount(minlength=count)
        means.zero_().index_add_(0, owners, points).div_(sizes.clamp(min=1)[:, None])
        for empty in (sizes == 0).nonzero().flatten().tolist():  # it takes the loneliest point
            lonely = int(least.argmax())
            means[empty], least[lonely] = points[lonely], -torch.inf
    sizes = owners.bincount(minlength=count)
    order = sizes.argsort(descending=True, stable=True)
    return means[order], sizes[order].tolist()

"""What follows the networks while they learn: the average generator, w, magnitudes, and ADA's p."""

import torch
from torch import Tensor, nn

from animetools.networks.layers import Mapping

MAGNITUDES = 20000  # images: the half-life of StyleGAN 3's magnitudes


def ema_decay(seen: int, batch: int, kimg: float, ramp: float | None) -> float:
    """The share of the average generator that a batch leaves, after `seen` images.

    The half-life is `kimg`, or the share `ramp` of what was seen, whichever is less.
    """
    images = kimg * 1000 if ramp is None else min(kimg * 1000, seen * ramp)
    return float(0.5 ** (batch / max(images, 1e-8)))


def magnitude_decay(batch: int) -> float:
    """The share of the average magnitudes that a batch leaves.

    Source: Karras et al. 2021 (StyleGAN3), appendix B.
    """
    return float(0.5 ** (batch / MAGNITUDES))


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move an average's parameters to a network's; its buffers become the network's."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
    for mine, theirs in zip(average.buffers(), network.buffers(), strict=True):
        mine.copy_(theirs)


def track_average(mapping: Mapping, mean: Tensor, decay: float) -> None:
    """Move the average w towards the mean [w_dim] of a batch, which is not mixed.

    Source: Karras et al. 2018 (StyleGAN), appendix B.
    """
    mapping.w_avg.copy_(mean.lerp(mapping.w_avg, decay))


def adapted(p: Tensor, sign: Tensor, target: float, change: float) -> Tensor:
    """p, up by `change` where the mean sign of the reals' scores is over its target, else down.

    Source: Karras et al. 2020 (StyleGAN2-ADA), section 3.
    """
    return (p + (sign - target).sign() * change).clamp_min(0)

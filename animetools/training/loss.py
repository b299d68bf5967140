"""The losses of StyleGAN 2: two players, each with a main loss and a regulariser.

Whatever is drawn by chance is an argument, so that a batch gives the same in one round as in
several. A loss comes with its terms: what it was of each image, without gradients.
Sources: Karras et al. 2019 (StyleGAN2, arXiv:1912.04958); Karras et al. 2020 (StyleGAN2-ADA,
arXiv:2006.06676).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from animetools.networks.convolution import weights_fixed
from animetools.networks.generator import Noise
from animetools.networks.layers import Mapping
from animetools.networks.stylegan2.modules import Discriminator, Generator

Terms = dict[str, Tensor]

W_DECAY = 0.995  # of the average w
PATH_DECAY = 0.99  # of the average path length


@dataclass(frozen=True)
class Pair:
    """The two networks as every loss runs them: the one place that decides on their precision.

    `augment` changes all images, real or not, before the discriminator sees them.
    """

    generator: Generator
    discriminator: Discriminator
    augment: Callable[[Tensor], Tensor] | None = None

    def images(self, ws: Tensor, noise: Tensor | None) -> Tensor:
        """The images [n, C, H, W] of ws [n, num_ws, w_dim].

        noise [n, pixels] is that of all layers in a row; None is the stored one.
        """
        return self.generator.synthesis(ws, "const" if noise is None else self._layers(noise))  # type: ignore[no-any-return]

    def scores(self, images: Tensor, c: Tensor | None) -> Tensor:
        """What the discriminator says [n] about images [n, C, H, W] with labels c [n, c_dim].

        Neighbours are a minibatch group: they stay one if a batch is cut between groups.
        """
        seen = images if self.augment is None else self.augment(images)
        group = self.group(len(seen))
        # Where the discriminator looks for groups, their members lie n / group apart.
        spread = torch.arange(len(seen), device=seen.device).view(-1, group).t().flatten()
        features = self.discriminator.features(seen)[spread]
        scores = self.discriminator.score(features, None if c is None else c[spread])
        return scores.view(group, -1).t().flatten()

    def group(self, count: int) -> int:
        """How many of `count` images the discriminator compares with each other."""
        compares = self.discriminator.config.mbstd_features > 0
        return min(self.discriminator.mbstd_group or count, count) if compares else 1

    def _layers(self, noise: Tensor) -> Noise:
        shapes = self.generator.noise_shapes
        parts = torch.split(noise, [height * width for height, width in shapes], 1)
        return [part.view(-1, 1, *shape) for part, shape in zip(parts, shapes, strict=True)]


def mix(ws: Tensor, others: Tensor, cutoff: int) -> Tensor:
    """ws [n, num_ws, w_dim], from row `cutoff` on those of others.

    Source: Karras et al. 2018 (StyleGAN), section 3.1 (mixing regularisation).
    """
    return torch.cat([ws[:, :cutoff], others[:, cutoff:]], 1)


def track_average(mapping: Mapping, ws: Tensor) -> None:
    """Move the average w towards ws [n, num_ws, w_dim], which are not mixed.

    Source: Karras et al. 2018 (StyleGAN), appendix B.
    """
    mapping.w_avg.copy_(ws[:, 0].detach().mean(0).lerp(mapping.w_avg, W_DECAY))


def generator_loss(
    pair: Pair, ws: Tensor, noise: Tensor | None, c: Tensor | None, top_k: float = 1.0
) -> tuple[Tensor, Terms]:
    """How little the images of ws pass for real ones.

    Only the share `top_k` of each minibatch group counts that the discriminator rates highest, one
    image at least. Terms: score_fake [n], loss_g.
    Sources: Goodfellow et al. 2014, section 3 (the loss that does not saturate); Sinha et al. 2020
    (Top-k Training of GANs).
    """
    scores = pair.scores(pair.images(ws, noise), c)
    group = pair.group(len(scores))
    best = scores
    if (kept := max(1, int(top_k * group))) < group:
        best = scores.view(-1, group).topk(kept, 1).values.flatten()
    losses = softplus(-best)
    return losses.mean(), {"score_fake": scores.detach(), "loss_g": losses.detach()}


def fake_loss(
    pair: Pair, ws: Tensor, noise: Tensor | None, c: Tensor | None
) -> tuple[Tensor, Terms]:
    """How much the images of ws are taken for real ones; no gradient goes into the generator.

    Terms: score_fake, loss_fake, both [n].
    """
    with torch.no_grad():
        images = pair.images(ws, noise)
    scores = pair.scores(images, c)
    losses = softplus(scores)
    return losses.mean(), {"score_fake": scores.detach(), "loss_fake": losses.detach()}


def real_loss(
    pair: Pair, reals: Tensor, c: Tensor | None, gamma: float = 0.0
) -> tuple[Tensor, Terms]:
    """How little reals [n, C, H, W] are taken for real; with gamma R1 is added to it.

    Terms: score_real, loss_real, and with gamma r1_penalty, all [n].
    """
    reals = reals.detach().requires_grad_(gamma > 0)
    scores = pair.scores(reals, c)
    losses = softplus(-scores)
    terms = {"score_real": scores.detach(), "loss_real": losses.detach()}
    if gamma == 0:
        return losses.mean(), terms
    penalties = _slopes(scores, reals)
    return (losses + gamma / 2 * penalties).mean(), terms | {"r1_penalty": penalties.detach()}


def r1_loss(pair: Pair, reals: Tensor, c: Tensor | None, gamma: float) -> tuple[Tensor, Terms]:
    """How steep the discriminator is at reals [n, C, H, W], as they are before augmentation.

    Terms: score_real, r1_penalty (without gamma), both [n].
    Source: Mescheder et al. 2018 (Which Training Methods for GANs do actually Converge?), eq. 9.
    """
    reals = reals.detach().requires_grad_()
    scores = pair.scores(reals, c)
    penalties = _slopes(scores, reals)
    terms = {"score_real": scores.detach(), "r1_penalty": penalties.detach()}
    return gamma / 2 * penalties.mean(), terms


def _slopes(scores: Tensor, images: Tensor) -> Tensor:
    """The squared gradient [n] of each score with respect to its image."""
    with weights_fixed():
        (slopes,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return slopes.square().sum((1, 2, 3))


def path_lengths(
    pair: Pair, ws: Tensor, noise: Tensor | None, directions: Tensor, *, learn: bool = True
) -> Tensor:
    """How far the images of ws move in random directions when ws move: [n].

    directions are standard normal, [n, C, H, W]; ws require a gradient. Without `learn` the
    lengths are numbers only.
    Source: Karras et al. 2019 (StyleGAN2), section 3.2 and appendix B.
    """
    images = pair.images(ws, noise)
    height, width = images.shape[2:]
    moved = (images * directions).sum() / math.sqrt(height * width)
    with weights_fixed():
        (slopes,) = torch.autograd.grad(moved, ws, create_graph=learn)
    return slopes.square().sum(2).mean(1).sqrt()


def path_loss(lengths: Tensor, mean: Tensor, weight: float) -> tuple[Tensor, Tensor, Terms]:
    """How far path lengths [n] are from their moving average.

    The average that they are compared with contains them already, and has its share in the
    gradient. Returns the loss, the new average [] and the terms: path_penalty [n].
    Source: Karras et al. 2019 (StyleGAN2), equation 4.
    """
    mean = lengths.mean().lerp(mean, PATH_DECAY)
    penalties = (lengths - mean).square()
    return weight * penalties.mean(), mean.detach(), {"path_penalty": penalties.detach()}

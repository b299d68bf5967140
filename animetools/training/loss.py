"""The losses of StyleGANs: each of the two networks has a main loss and a regularizer.

Random numbers are arguments, so that a batch gives the same in one part as in several. A loss
comes with its terms: its value for each image, without gradients.
Sources: Karras et al. 2019 (StyleGAN2, arXiv:1912.04958); Karras et al. 2020 (StyleGAN2-ADA,
arXiv:2006.06676).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from animetools.networks.convolution import weights_fixed
from animetools.networks.discriminator import Discriminator
from animetools.networks.generator import Generator, Noise
from animetools.networks.layers import Dense

Terms = dict[str, Tensor]

PATH_DECAY = 0.99  # of the average path length


@dataclass(frozen=True)
class Networks:
    """Generator and discriminator as every loss runs them.

    `augment` changes all images, real or fake, before the discriminator sees them. While networks
    grow, images are `small`: as large as they have grown, which is faster. A `classifier` tells
    labels from what the discriminator's head makes of images.
    """

    generator: Generator
    discriminator: Discriminator
    augment: Callable[[Tensor], Tensor] | None = None
    small: bool = False
    classifier: Dense | None = None

    def images(self, ws: Tensor, noise: Tensor | None) -> Tensor:
        """The images [n, C, H, W] of ws [n, num_ws, w_dim].

        noise [n, pixels] is that of the layers in a row, from the lowest to as many as it is for;
        the others, and all with None, have the stored noise.
        """
        synthesis: Any = self.generator.synthesis
        draw = synthesis.grown if self.small else synthesis
        return draw(ws, "const" if noise is None else self._layers(noise))  # type: ignore[no-any-return]

    def scores(self, images: Tensor, c: Tensor | None) -> Tensor:
        """The scores [n] of images [n, C, H, W] with labels c [n, c_dim]."""
        return self.judge(self.hidden(images), c)

    def judge(self, hidden: Tensor, c: Tensor | None) -> Tensor:
        """The scores [n] of what the head makes of images, [n, dense], with labels c [n, c_dim]."""
        return self.discriminator.judge(self.discriminator.b4.out(hidden), c)

    def hidden(self, images: Tensor) -> Tensor:
        """What the discriminator's head makes of images [n, C, H, W] before its outputs, [n, dense].

        Neighbors are a minibatch group: they stay one if a batch is split between groups.
        """
        seen = images if self.augment is None else self.augment(images)
        group = self.group(len(seen))
        # The discriminator expects members of a group n / group apart.
        spread = torch.arange(len(seen), device=seen.device).view(-1, group).t().flatten()
        features = self.discriminator.features(seen)[spread]
        hidden = self.discriminator.b4.hidden(features, self.discriminator.mbstd_group)
        return hidden.view(group, len(seen) // group, -1).transpose(0, 1).flatten(0, 1)

    def group(self, count: int) -> int:
        """How many of `count` images the discriminator compares with each other."""
        compares = self.discriminator.config.mbstd_features > 0
        return min(self.discriminator.mbstd_group or count, count) if compares else 1

    def _layers(self, noise: Tensor) -> Noise:
        stored: Any = self.generator.synthesis.noise_consts
        layers, start = [], 0
        for const in stored:
            part = noise[:, start : start + const.numel()]
            start += const.numel()
            layers.append(part.view(-1, 1, *const.shape) if part.numel() else const[None, None])
        return layers


def mix(ws: Tensor, others: Tensor, cutoff: int) -> Tensor:
    """ws [n, num_ws, w_dim], from row `cutoff` on those of others.

    Source: Karras et al. 2018 (StyleGAN), section 3.1 (mixing regularization).
    """
    return torch.cat([ws[:, :cutoff], others[:, cutoff:]], 1)


def generator_loss(
    networks: Networks,
    ws: Tensor,
    noise: Tensor | None,
    c: Tensor | None,
    top_k: float = 1.0,
    classify: float = 0.0,
) -> tuple[Tensor, Terms]:
    """The generator's loss.

    Only the share `top_k` of each minibatch group counts that has the highest scores, one image at
    least. A classifier also asks for the tags or class of each label, by the weight `classify`; not
    for the lack of others, since labels may be incomplete.
    Terms: score_fake [n], loss_g and perhaps loss_asked, all [n].
    Sources: Goodfellow et al. 2014, section 3 (the non-saturating loss); Sinha et al. 2020
    (Top-k Training of GANs); Odena et al. 2017 (Auxiliary Classifier GANs), section 3.
    """
    hidden = networks.hidden(networks.images(ws, noise))
    scores = networks.judge(hidden, c)
    group = networks.group(len(scores))
    best = scores
    if (kept := max(1, int(top_k * group))) < group:
        best = scores.view(-1, group).topk(kept, 1).values.flatten()
    losses = softplus(-best)
    value, terms = losses.mean(), {"score_fake": scores.detach(), "loss_g": losses.detach()}
    if networks.classifier is None or c is None:
        return value, terms
    asked = (softplus(-networks.classifier(hidden)) * (c > 0)).sum(1)
    return value + classify * asked.mean(), terms | {"loss_asked": asked.detach()}


def fake_loss(networks: Networks, fakes: Tensor, c: Tensor | None) -> tuple[Tensor, Terms]:
    """The discriminator's loss for fakes [n, C, H, W]; no gradient reaches the generator.

    Terms: score_fake, loss_fake, both [n].
    """
    scores = networks.scores(fakes.detach(), c)
    losses = softplus(scores)
    return losses.mean(), {"score_fake": scores.detach(), "loss_fake": losses.detach()}


def real_loss(
    networks: Networks,
    reals: Tensor,
    c: Tensor | None,
    whole: Tensor | None = None,
    wrong: Tensor | None = None,
    mismatch: float = 0.0,
    classify: float = 0.0,
) -> tuple[Tensor, Terms]:
    """The discriminator's loss for reals [n, C, H, W] with labels c [n, c_dim].

    With a `mismatch` reals also count as fakes, by that weight, with `wrong` labels [n, m, c_dim]:
    the mean of all that have a tag or class which their own `whole` ones [n, c_dim] lack. A
    classifier learns the whole labels, by the weight `classify`.
    Terms: score_real, loss_real and perhaps loss_mismatch and loss_classify, all [n].
    Sources: Reed et al. 2016 (Generative Adversarial Text to Image Synthesis), algorithm 1, where
    each image has one wrong label; Odena et al. 2017 (Auxiliary Classifier GANs), section 3.
    """
    hidden = networks.hidden(reals.detach())
    outputs = networks.discriminator.b4.out(hidden)
    scores = networks.discriminator.judge(outputs, c)
    losses = softplus(-scores)
    terms = {"score_real": scores.detach(), "loss_real": losses.detach()}
    if whole is not None and networks.classifier is not None:
        found, wanted = networks.classifier(hidden), (whole > 0).to(hidden.dtype)
        missed = binary_cross_entropy_with_logits(found, wanted, reduction="none").sum(1)
        losses, terms = losses + classify * missed, terms | {"loss_classify": missed.detach()}
    if whole is None or wrong is None:
        return losses.mean(), terms
    false = ((wrong > 0) & (whole <= 0).unsqueeze(1)).any(2)
    each = outputs.repeat_interleave(wrong.shape[1], 0)
    judged = networks.discriminator.judge(each, wrong.flatten(0, 1)).view_as(false)
    means = (softplus(judged) * false).sum(1) / false.sum(1).clamp_min(1)
    return (losses + mismatch * means).mean(), terms | {"loss_mismatch": means.detach()}


def r1_loss(
    networks: Networks, reals: Tensor, c: Tensor | None, gamma: float
) -> tuple[Tensor, Terms]:
    """R1: the gradient penalty of the scores of reals [n, C, H, W], before augmentation.

    That of small images is the same as if they were enlarged: each of their pixels is then several,
    which share its gradient.

    Terms: score_real, r1_penalty (without gamma), both [n].
    Source: Mescheder et al. 2018 (Which Training Methods for GANs do actually Converge?), eq. 9.
    """
    reals = reals.detach().requires_grad_()
    scores = networks.scores(reals, c)
    with weights_fixed():
        (slopes,) = torch.autograd.grad(scores.sum(), reals, create_graph=True)
    larger = networks.generator.height // reals.shape[2]
    penalties = slopes.square().sum((1, 2, 3)) / larger**2
    terms = {"score_real": scores.detach(), "r1_penalty": penalties.detach()}
    return gamma / 2 * penalties.mean(), terms


def path_lengths(
    networks: Networks, ws: Tensor, noise: Tensor | None, directions: Tensor, *, learn: bool = True
) -> Tensor:
    """Path lengths: how far the images of ws move in random directions when ws move, [n].

    directions are standard normal, [n, C, H, W]; ws require a gradient. Without `learn` the
    lengths have no gradient.
    Source: Karras et al. 2019 (StyleGAN2), section 3.2 and appendix B.
    """
    images = networks.images(ws, noise)
    height, width = images.shape[2:]
    moved = (images * directions).sum() / math.sqrt(height * width)
    with weights_fixed():
        (slopes,) = torch.autograd.grad(moved, ws, create_graph=learn)
    return slopes.square().sum(2).mean(1).sqrt()


def path_loss(lengths: Tensor, mean: Tensor, weight: float) -> tuple[Tensor, Tensor, Terms]:
    """The path length loss: the squared distance of lengths [n] from their moving average.

    That average contains them already, and has its share in the gradient. Returns the loss, the new
    average [] and the terms: path_penalty [n].
    Source: Karras et al. 2019 (StyleGAN2), equation 4.
    """
    mean = lengths.mean().lerp(mean, PATH_DECAY)
    penalties = (lengths - mean).square()
    return weight * penalties.mean(), mean.detach(), {"path_penalty": penalties.detach()}

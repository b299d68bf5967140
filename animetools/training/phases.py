"""The four phases of an iteration: each adds up the gradients of one loss, a part of the batch at a time.

Karras et al. 2019 (StyleGAN2, arXiv:1912.04958), appendix B; Karras et al. 2020 (StyleGAN2-ADA,
arXiv:2006.06676), appendix B; Karras et al. 2021 (StyleGAN3, arXiv:2106.12423), appendix B.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import backward

from animetools.training import loss
from animetools.training.averages import magnitude_decay, track_average
from animetools.training.config import TrainConfig
from animetools.training.draw import Draw
from animetools.training.labels import crossed
from animetools.training.loss import Networks, Terms
from animetools.training.ranks import Ranks

G_INTERVAL = 4  # steps of the generator between two of its regularizations
D_INTERVAL = 16  # and of the discriminator


@dataclass(frozen=True)
class Phases:
    """The gradients of two networks, gathered between an optimizer's `begin` and `step`.

    Draws and reals are this rank's share of a batch. Phases that draw fakes move the average w; for
    a StyleGAN 3 only the discriminator's does, and its average magnitudes too.
    """

    networks: Networks
    config: TrainConfig
    ranks: Ranks
    chance: torch.Generator  # of the parts that labels get from others

    @property
    def intervals(self) -> tuple[int, int]:
        """Steps between two regularizations of the generator, and of the discriminator."""
        return (G_INTERVAL, D_INTERVAL) if self.config.lazy else (1, 1)

    def generator_gradients(self, draw: Draw, top_k: float = 1.0) -> Terms:
        """Add up the gradients of the generator's loss; `top_k` is as in loss.py."""
        ws, classify = self._ws(draw), self.config.classify
        leaf = ws.detach().requires_grad_()  # the mapping runs once, however many the parts
        parts = []
        for part_ws, noise, c in self._parts(leaf, draw.noise, draw.c):
            value, terms = loss.generator_loss(self.networks, part_ws, noise, c, top_k, classify)
            backward(value / self._pieces)
            parts.append(terms)
        backward(ws, leaf.grad)
        return joined(parts)

    def path_length_gradients(
        self, draw: Draw, directions: Tensor, mean: Tensor
    ) -> tuple[Terms, Tensor]:
        """Add up the gradients of the path length loss, and move the average length `mean` [].

        A length's gradient depends on all others, through the average that contains them. So
        several parts are run twice: for the lengths, and once the gradients of these are known.
        Directions are those of all ranks; a rank may have no share of so few images.
        """
        count = len(directions)
        places = self.ranks.places(count, self.config.accumulate)
        directions, ws = directions[places], self._ws(draw)
        leaf = ws.detach().requires_grad_()
        size = max(1, len(ws) // self.config.accumulate)
        parts = [slice(first, first + size) for first in range(0, len(ws), size)]

        def measure(images: slice, learn: bool) -> Tensor:
            noise = None if draw.noise is None else draw.noise[images]
            return loss.path_lengths(
                self.networks, leaf[images], noise, directions[images], learn=learn
            )

        measured = [measure(images, learn=len(parts) == 1) for images in parts]
        own = torch.cat(measured).detach() if measured else directions.new_zeros(0)
        lengths = self.ranks.whole(own, places, count).requires_grad_()
        weight = self.config.pl_weight * self.intervals[0]
        value, mean, terms = loss.path_loss(lengths, mean, weight)
        slopes = torch.autograd.grad(value, lengths)[0][places]
        for images, length in zip(parts, measured, strict=True):
            again = length if len(parts) == 1 else measure(images, learn=True)
            backward(again, slopes[images])
        if measured:
            backward(ws, leaf.grad)
        return terms, mean

    def discriminator_gradients(
        self, draw: Draw, reals: Tensor, labels: Tensor | None, whole: Tensor | None = None
    ) -> Terms:
        """Add up the gradients of the discriminator's loss.

        `whole` are the labels of the reals before they lost tags, for `mismatch` and `classify`.
        """
        of_fakes, of_reals = [], []
        for fakes, (c,) in zip(self.fakes(draw), self._parts(draw.c), strict=True):
            value, terms = loss.fake_loss(self.networks, fakes, c)
            backward(value / self._pieces)
            of_fakes.append(terms)
        mismatch, wrong = self.config.mismatch, None
        if mismatch and labels is not None:
            count = len(labels) * self.ranks.count
            places = self.ranks.places(count, self.config.accumulate)
            wrong = crossed(self.ranks.whole(labels, places, count), self.chance)[places]
        for images, own, full, false in self._parts(reals, labels, whole, wrong):
            value, terms = loss.real_loss(
                self.networks, images, own, full, false, mismatch, self.config.classify
            )
            backward(value / self._pieces)
            of_reals.append(terms)
        known = joined(of_fakes)
        signs = {"sign_fake": known["score_fake"].sign()}
        return known | signs | joined(of_reals)

    @torch.no_grad()
    def fakes(self, draw: Draw) -> Iterator[Tensor]:
        """The images of a draw that the discriminator learns from, a part at a time.

        Those of a StyleGAN 3 are all drawn first, since its average magnitudes follow the whole batch.
        """
        ws = self._ws(draw, follows=True)
        parts = self._parts(ws, draw.noise)
        if not self.config.alias_free:
            for part, noise in parts:
                yield self.networks.images(part, noise)
            return
        synthesis: Any = self.networks.generator.synthesis
        decay = magnitude_decay(len(ws) * self.ranks.count)
        yield from synthesis.following([part for part, _ in parts], decay, self.ranks.mean)

    def r1_gradients(self, reals: Tensor, labels: Tensor | None) -> Terms:
        """Add up the gradients of R1."""
        weight = self.config.gamma * self.intervals[1]
        parts = []
        for images, classes in self._parts(reals, labels):
            value, terms = loss.r1_loss(self.networks, images, classes, weight)
            backward(value / self._pieces)
            parts.append(terms)
        return joined(parts)

    @property
    def _pieces(self) -> int:
        """How many pieces a batch is in: the parts of all ranks."""
        return self.config.accumulate * self.ranks.count

    def _ws(self, draw: Draw, *, follows: bool = False) -> Tensor:
        """The rows of w of a draw, mixed; moves the average w towards the unmixed ones.

        That of a StyleGAN 3 `follows` the discriminator's fakes only.
        """
        mapping = self.networks.generator.mapping
        ws: Tensor = mapping(draw.z, draw.c, draw.blur)
        if follows or not self.config.alias_free:
            mean = self.ranks.mean(ws[:, 0].detach())
            track_average(mapping, mean, self.config.w_decay)
        if draw.mixed is None:
            return ws
        z, cutoff = draw.mixed
        return loss.mix(ws, mapping(z, draw.c, draw.blur), cutoff)

    def _parts(self, *batches: Tensor | None) -> Iterator[tuple[Any, ...]]:
        """The parts of several tensors [n, ...] that belong to the same images."""
        count = self.config.accumulate
        parts = ([None] * count if batch is None else batch.chunk(count) for batch in batches)
        return zip(*parts, strict=True)


def joined(parts: Sequence[Terms]) -> Terms:
    """The terms of several parts as those of one batch."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

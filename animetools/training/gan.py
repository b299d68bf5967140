"""One iteration of training: four phases, two optimizers, the moving averages.

Karras et al. 2019 (StyleGAN2, arXiv:1912.04958), appendix B; Karras et al. 2020 (StyleGAN2-ADA,
arXiv:2006.06676), section 3 and appendix B; Karras et al. 2021 (StyleGAN3, arXiv:2106.12423),
appendix G.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import backward

from animetools.errors import FatalError
from animetools.networks.discriminator import Discriminator
from animetools.networks.generator import Generator
from animetools.networks.layers import Dense
from animetools.networks.ops import enlarge
from animetools.training import growth, loss
from animetools.training.averages import (
    adapted,
    ema_decay,
    follow,
    magnitude_decay,
    track_average,
)
from animetools.training.blurring import blurred, sigma_at
from animetools.training.config import TrainConfig
from animetools.training.draw import Draw, RandomNumbers
from animetools.training.labels import Labels, crossed
from animetools.training.loss import Networks, Terms
from animetools.training.networks import layers_from_image
from animetools.training.optimizer import Optimizer
from animetools.training.ranks import ALONE, Ranks
from animetools.training.schedules import value_at

Augment = Callable[[Tensor, float, torch.Generator], Tensor]
"""(images [n, C, H, W], the probability p, a source of random numbers) to images like them."""

G_INTERVAL = 4  # steps of the generator between two of its regularizations
D_INTERVAL = 16  # and of the discriminator
ADA_INTERVAL = 4  # iterations between two adjustments of p


class GAN:
    """Two networks that learn from each other, and all that their run needs to be resumed.

    They are trained on their device and in their dtype; `precision` is that of the upper blocks.
    `config` may be replaced between any two iterations, but for `freeze_d`. `labels` are those of
    the training images [images, c_dim]: fakes have each as often. `seen` is where its count of
    images begins, which says how far networks that grow have grown. `ranks` share each batch.
    All random numbers come from one generator, `chance`. A batch gives the same in any number of
    parts, but for rounding, if the augmentation draws the same for a batch as for its parts.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        config: TrainConfig,
        *,
        augment: Augment | None = None,
        labels: Labels | None = None,
        precision: torch.dtype | None = None,
        seen: int = 0,
        ranks: Ranks = ALONE,
    ) -> None:
        synthesis: Any = generator.synthesis
        synthesis.precision = discriminator.precision = precision
        for network in (generator, discriminator):  # as the convolutions want their weights
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator, self.discriminator, self.config = generator, discriminator, config
        self.ema = copy.deepcopy(generator).requires_grad_(False)
        average: Any = self.ema.synthesis
        average.precision = None
        self.lods: list[Tensor] = []  # of the networks, if they grow
        if config.grows:
            self.lods = [discriminator.lod, synthesis.lod, average.lod]
        frozen = set()
        for layer in layers_from_image(discriminator)[: config.freeze_d]:
            frozen |= set(layer.requires_grad_(False).parameters())
        w_avg = generator.mapping.w_avg
        self.device, self.dtype = w_avg.device, w_avg.dtype
        learning = [x for x in discriminator.parameters() if x not in frozen]
        self.classifier = None
        if config.classify:
            self.classifier = Dense(discriminator.config.dense, generator.config.mapping.c_dim)
            nn.init.zeros_(self.classifier.to(w_avg).weight)
            learning += self.classifier.parameters()
        self.g, self.d = Optimizer(generator.parameters(), ranks), Optimizer(learning, ranks)
        self.labels, self.chance = labels, torch.Generator().manual_seed(config.seed)
        self.random = RandomNumbers(self.chance, self.device, self.dtype)
        self.augment, self.ranks = augment, ranks
        self.seen, self.iteration = seen, 0  # real images, and iterations
        self.rates = 0.0, 0.0  # learning rates of the last iteration: generator, discriminator
        self.path_mean = w_avg.new_zeros(())
        self.p = torch.tensor(config.p, dtype=torch.float32)
        self.signs = torch.zeros(2, device=self.device)  # of the reals' scores: sum, count
        self.networks = Networks(
            generator,
            discriminator,
            self.shown,
            small=config.grows and augment is None,  # augmentation is of whole images
            classifier=self.classifier,
        )
        self.grow()

    @property
    def lod(self) -> float:
        """The level of detail of the networks (growth.py); 0 if they do not grow."""
        return float(self.lods[0]) if self.lods else 0.0

    @property
    def resolution(self) -> int:
        """The shorter side of the images."""
        return min(self.generator.config.image_size)

    @property
    def size(self) -> int:
        """What the shorter side is in the next iteration."""
        return growth.size_at(self.config, self.resolution, self.seen / 1000)

    def now(self, schedule: str) -> float:
        """The number of a schedule in the next iteration."""
        return value_at(schedule, self.seen / 1000, self.size)

    def grow(self) -> None:
        """Bring the level of detail to where the schedule has it; Adam restarts at each stage.

        Source: StyleGAN's published training: where layers begin to fade in, and where they end.
        """
        before = self.lod
        for lod in self.lods:
            lod.fill_(growth.lod_at(self.config, self.resolution, self.seen / 1000))
        now = self.lod  # as the networks hold it
        if (math.floor(before), math.ceil(before)) != (math.floor(now), math.ceil(now)):
            self.g.reset()
            self.d.reset()

    def step(self, reals: Tensor, labels: Tensor | None = None) -> Terms:
        """One iteration with reals [n, C, H, W] in -1..1 and their labels [n, c_dim] on the CPU.

        With several ranks they are this rank's share of the batch.
        The generator learns first, and with `d_repeats` in every so many iterations only; in
        StyleGAN 1's program the discriminator does, which after the first step is the same order:
        generator, discriminator, average, and the latter two again.
        Returns the mean [] of every term of the losses (loss.py) that were due, and path_mean, p.
        Where one is not finite the run has failed: gradients that are not finite are replaced, so
        that the networks may look sound for a while.
        Raises ValueError if the batch cannot be split into parts of whole minibatch groups, or if
        labels are missing.
        """
        config, batch = self.config, len(reals) * self.ranks.count
        group = self.networks.group(len(reals))
        if self.generator.config.mapping.c_dim and (labels is None or self.labels is None):
            raise ValueError("networks with labels learn from labelled images only")
        if len(reals) % (config.accumulate * group):
            raise ValueError(
                f"a batch of {len(reals)} images does not divide into {config.accumulate} parts of "
                f"whole minibatch groups of {group}"
            )
        self.grow()
        whole = None if labels is None else labels.to(self.device, self.dtype)
        labels = None if labels is None else self._learned_share(labels, batch)
        reals = growth.faded(reals, self.lod)
        if not self.networks.small:
            reals = enlarge(reals, 2 ** int(self.lod))
        self.rates = self.now(config.g_lr), self.now(config.d_lr)
        g_interval, d_interval = self.intervals
        regular = bool(config.pl_weight) or not config.alias_free  # StyleGAN 3's has one loss
        self.g.tune(self.rates[0], g_interval if config.lazy and regular else None)
        self.d.tune(self.rates[1], d_interval if config.lazy else None)

        terms: Terms = {}
        turn, repeat = divmod(self.iteration, config.d_repeats)
        if repeat == 0:
            self.g.begin()
            terms |= self.generator_gradients(self.draw(batch))
            if config.pl_weight and turn % g_interval == 0:
                self._step_if_lazy(self.g)
                half = max(1, batch // 2)
                terms |= self.path_length_gradients(self.draw(half), self.directions(half))
            self.g.step()

        self.d.begin()
        terms |= self.discriminator_gradients(self.draw(batch), reals, labels, whole)
        if config.gamma and self.iteration % d_interval == 0:
            self._step_if_lazy(self.d)
            terms |= self.r1_gradients(reals, labels)
        self.d.step()

        self.finish(batch)
        means = torch.stack([values.mean() for values in terms.values()])
        self.ranks.add(means)
        of_all = dict(zip(terms, means / self.ranks.count, strict=True))
        return of_all | {"path_mean": self.path_mean, "p": self.p}

    @property
    def intervals(self) -> tuple[int, int]:
        """Steps between two regularizations of the generator, and of the discriminator."""
        return (G_INTERVAL, D_INTERVAL) if self.config.lazy else (1, 1)

    def draw(self, count: int) -> Draw:
        """New latents, labels and noise for so many fakes, of which it gives this rank's share."""
        unused = 2 * int(self.lod)  # of the layers, those that are still to grow
        draw = self.random.fakes(count, self.generator, self.config, self.labels, unused)
        return draw if self.ranks.count == 1 else draw.at(self._places(count))

    def directions(self, count: int) -> Tensor:
        """Directions in the space of images, for so many path lengths of all ranks."""
        config, halved = self.generator.config, int(self.lod) if self.networks.small else 0
        height, width = (side >> halved for side in config.image_size)
        return self.random.normal(count, config.image_channels, height, width)

    def shown(self, images: Tensor) -> Tensor:
        """Images as the discriminator sees them: blurred for a while, and augmented."""
        images = blurred(images, sigma_at(self.config, self.seen / 1000))
        return images if self.augment is None else self.augment(images, float(self.p), self.chance)

    def generator_gradients(self, draw: Draw) -> Terms:
        """Add up the gradients of the generator's loss."""
        ws, top_k, classify = self._ws(draw), self.now(self.config.top_k), self.config.classify
        leaf = ws.detach().requires_grad_()  # the mapping runs once, however many the parts
        parts = []
        for part_ws, noise, c in self._parts(leaf, draw.noise, draw.c):
            value, terms = loss.generator_loss(self.networks, part_ws, noise, c, top_k, classify)
            backward(value / self._pieces)
            parts.append(terms)
        backward(ws, leaf.grad)
        return joined(parts)

    def path_length_gradients(self, draw: Draw, directions: Tensor) -> Terms:
        """Add up the gradients of the path length loss, and move the average length.

        A length's gradient depends on all others, through the average that contains them. So
        several parts are run twice: for the lengths, and once the gradients of these are known.
        Directions are those of all ranks; a rank may have no share of so few images.
        """
        places, count = self._places(len(directions)), len(directions)
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
        value, self.path_mean, terms = loss.path_loss(lengths, self.path_mean, weight)
        slopes = torch.autograd.grad(value, lengths)[0][places]
        for images, length in zip(parts, measured, strict=True):
            again = length if len(parts) == 1 else measure(images, learn=True)
            backward(again, slopes[images])
        if measured:
            backward(ws, leaf.grad)
        return terms

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
            places = self._places(len(reals) * self.ranks.count)
            wrong = crossed(self._of_all(labels), self.chance)[places]
        for images, own, full, false in self._parts(reals, labels, whole, wrong):
            value, terms = loss.real_loss(
                self.networks, images, own, full, false, mismatch, self.config.classify
            )
            backward(value / self._pieces)
            of_reals.append(terms)
        known = joined(of_fakes)
        signs = {"sign_fake": known["score_fake"].sign()}
        return known | signs | self._watched(joined(of_reals))

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
        synthesis: Any = self.generator.synthesis
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
        return self._watched(joined(parts))

    def finish(self, batch: int) -> None:
        """After the phases: move the average generator, the counters and p."""
        config = self.config
        decay = ema_decay(self.seen, batch, config.ema_kimg, config.ema_ramp)
        follow(self.ema, self.generator, decay)
        self.seen += batch
        self.iteration += 1
        if self.iteration % ADA_INTERVAL == 0:
            if config.aug == "ada":
                change = ADA_INTERVAL * batch / (config.ada_kimg * 1000)
                total, count = self.signs.cpu()
                self.p = adapted(self.p, total / count, config.target, change)
            self.signs = torch.zeros_like(self.signs)

    def state(self) -> dict[str, Any]:
        """All that the next iterations depend on but the config: tensors and plain containers.

        The tensors are the very ones that learn: write them out before the next step.
        """
        return {
            "G": dict(self.generator.state_dict()),
            "D": dict(self.discriminator.state_dict()),
            "G_ema": dict(self.ema.state_dict()),
            "classifier": dict(self.classifier.state_dict()) if self.classifier else {},
            "G_adam": self.g.state(),
            "D_adam": self.d.state(),
            "path_mean": self.path_mean,
            "p": self.p,
            "signs": self.signs,
            "seen": self.seen,
            "iteration": self.iteration,
            "chance": self.chance.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from a state.

        On a CPU, with as many threads, every number is then as if training had never stopped. A
        classifier that the state lacks starts from zeros.
        Raises FatalError for the state of other networks.
        """
        try:
            self.generator.load_state_dict(state["G"])
            self.discriminator.load_state_dict(state["D"])
            self.ema.load_state_dict(state["G_ema"])
            moments = state["D_adam"]
            if self.classifier and state.get("classifier"):
                self.classifier.load_state_dict(state["classifier"])
            elif state.get("classifier"):  # its moments come last
                count = len(self.d.parameters)
                moments = {number: moments[number] for number in moments if number < count}
            self.g.load(state["G_adam"])
            self.d.load(moments)
            for name in ("path_mean", "p", "signs"):
                mine = getattr(self, name)
                setattr(self, name, mine.clone().copy_(state[name].view_as(mine)))
            self.seen, self.iteration = int(state["seen"]), int(state["iteration"])
            self.chance.set_state(state["chance"])
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as why:
            raise FatalError(
                f"the saved state does not fit the networks of this run ({why}); resume with the "
                "options of the run that saved it, or start a new run with --transfer"
            ) from why

    @property
    def _pieces(self) -> int:
        """How many pieces a batch is in: the parts of all ranks."""
        return self.config.accumulate * self.ranks.count

    def _places(self, count: int) -> Tensor:
        return self.ranks.places(count, self.config.accumulate)

    def _step_if_lazy(self, optimizer: Optimizer) -> None:
        """Lazy regularization is a step of its own."""
        if self.config.lazy:
            optimizer.step()
            optimizer.begin()

    def _learned_share(self, labels: Tensor, batch: int) -> Tensor:
        """Labels of this rank's share of a batch as the networks get them."""
        if not self.config.label_dropout:
            return self.random.learned(labels, self.config)
        return self.random.learned(self._of_all(labels), self.config)[self._places(batch)]

    def _of_all(self, labels: Tensor) -> Tensor:
        """The labels of all ranks, of which these are this rank's."""
        batch = len(labels) * self.ranks.count
        return self.ranks.whole(labels, self._places(batch), batch)

    def _ws(self, draw: Draw, *, follows: bool = False) -> Tensor:
        """The rows of w of a draw, mixed; moves the average w towards the unmixed ones.

        That of a StyleGAN 3 `follows` the discriminator's fakes only.
        """
        mapping = self.generator.mapping
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

    def _watched(self, terms: Terms) -> Terms:
        """The terms of real images, whose scores are counted for the adjustment of p."""
        signs = terms["score_real"].sign()
        counts = torch.stack([signs.sum(), signs.new_tensor(len(signs))])
        self.ranks.add(counts)
        self.signs += counts
        return terms | {"sign_real": signs}


def joined(parts: Sequence[Terms]) -> Terms:
    """The terms of several parts as those of one batch."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

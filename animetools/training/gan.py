"""Two networks in training: an iteration of their phases, and all that the next one depends on.

Karras et al. 2019 (StyleGAN2, arXiv:1912.04958), appendix B; Karras et al. 2020 (StyleGAN2-ADA,
arXiv:2006.06676), section 3 and appendix B; Karras et al. 2021 (StyleGAN3, arXiv:2106.12423),
appendix G.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from animetools.errors import FatalError
from animetools.networks.discriminator import Discriminator
from animetools.networks.generator import Generator
from animetools.networks.layers import Dense
from animetools.networks.ops import enlarge
from animetools.training import growth
from animetools.training.averages import adapted, ema_decay, follow
from animetools.training.blurring import blurred, sigma_at
from animetools.training.config import TrainConfig
from animetools.training.draw import Draw, RandomNumbers
from animetools.training.labels import Labels
from animetools.training.loss import Networks, Terms
from animetools.training.networks import learning
from animetools.training.optimizer import Optimizer
from animetools.training.phases import Phases
from animetools.training.ranks import ALONE, Ranks
from animetools.training.schedules import value_at

Augment = Callable[[Tensor, float, torch.Generator], Tensor]
"""(images [n, C, H, W], the probability p, a source of random numbers) to images like them."""

ADA_INTERVAL = 4  # iterations between two adjustments of p
# What a state of other networks raises.
MISFITS = KeyError, ValueError, TypeError, AttributeError, RuntimeError, OverflowError


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
        w_avg = generator.mapping.w_avg
        self.device, self.dtype = w_avg.device, w_avg.dtype
        learns = learning(discriminator.requires_grad_(False), config.freeze_d)
        self.classifier = None
        if config.classify:
            self.classifier = Dense(discriminator.config.dense, generator.config.mapping.c_dim)
            nn.init.zeros_(self.classifier.to(w_avg).weight)
            learns += self.classifier.parameters()
        self.g, self.d = Optimizer(generator.parameters(), ranks), Optimizer(learns, ranks)
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
            raise ValueError("networks with labels learn from labeled images only")
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
        phases = self.phases
        g_interval, d_interval = phases.intervals
        regular = bool(config.pl_weight) or not config.alias_free  # StyleGAN 3's has one loss
        self.g.tune(self.rates[0], g_interval if config.lazy and regular else None)
        self.d.tune(self.rates[1], d_interval if config.lazy else None)

        terms: Terms = {}
        turn, repeat = divmod(self.iteration, config.d_repeats)
        if repeat == 0:
            self.g.begin()
            terms |= phases.generator_gradients(self.draw(batch), self.now(config.top_k))
            if config.pl_weight and turn % g_interval == 0:
                self._step_if_lazy(self.g)
                half = max(1, batch // 2)
                found, self.path_mean = phases.path_length_gradients(
                    self.draw(half), self.directions(half), self.path_mean
                )
                terms |= found
            self.g.step()

        self.d.begin()
        terms |= self.watched(
            phases.discriminator_gradients(self.draw(batch), reals, labels, whole)
        )
        if config.gamma and self.iteration % d_interval == 0:
            self._step_if_lazy(self.d)
            terms |= self.watched(phases.r1_gradients(reals, labels))
        self.d.step()

        self.finish(batch)
        means = torch.stack([values.mean() for values in terms.values()])
        self.ranks.add(means)
        of_all = dict(zip(terms, means / self.ranks.count, strict=True))
        return of_all | {"path_mean": self.path_mean, "p": self.p}

    @property
    def phases(self) -> Phases:
        """The phases of the next iteration."""
        return Phases(self.networks, self.config, self.ranks, self.chance)

    def draw(self, count: int) -> Draw:
        """New latents, labels and noise for so many fakes, of which it gives this rank's share."""
        unused = 2 * int(self.lod)  # of the layers, those that are still to grow
        draw = self.random.fakes(count, self.generator, self.config, self.labels, unused)
        if self.ranks.count == 1:
            return draw
        return draw.at(self.ranks.places(count, self.config.accumulate))

    def directions(self, count: int) -> Tensor:
        """Directions in the space of images, for so many path lengths of all ranks."""
        config, halved = self.generator.config, int(self.lod) if self.networks.small else 0
        height, width = (side >> halved for side in config.image_size)
        return self.random.normal(count, config.image_channels, height, width)

    def shown(self, images: Tensor) -> Tensor:
        """Images as the discriminator sees them: blurred for a while, and augmented."""
        images = blurred(images, sigma_at(self.config, self.seen / 1000))
        return images if self.augment is None else self.augment(images, float(self.p), self.chance)

    def watched(self, terms: Terms) -> Terms:
        """The terms of real images, whose scores are counted for the adjustment of p."""
        signs = terms["score_real"].sign()
        counts = torch.stack([signs.sum(), signs.new_tensor(len(signs))])
        self.ranks.add(counts)
        self.signs += counts
        return terms | {"sign_real": signs}

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
        except MISFITS as why:
            raise FatalError(
                f"the saved state does not fit the networks of this run ({why}); resume with the "
                "options of the run that saved it, or start a new run with --transfer"
            ) from why

    def _step_if_lazy(self, optimizer: Optimizer) -> None:
        """Lazy regularization is a step of its own."""
        if self.config.lazy:
            optimizer.step()
            optimizer.begin()

    def _learned_share(self, labels: Tensor, batch: int) -> Tensor:
        """Labels of this rank's share of a batch as the networks get them."""
        if not self.config.label_dropout:
            return self.random.learned(labels, self.config)
        places = self.ranks.places(batch, self.config.accumulate)
        whole = self.ranks.whole(labels, places, batch)
        return self.random.learned(whole, self.config)[places]

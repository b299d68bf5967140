"""One iteration of training: four phases, two optimisers, the moving averages.

Karras et al. 2019 (StyleGAN2, arXiv:1912.04958), appendix B; Karras et al. 2020 (StyleGAN2-ADA,
arXiv:2006.06676), section 3 and appendix B.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import backward

from animetools.errors import FatalError
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from animetools.networks.stylegan2.modules import Discriminator, Generator
from animetools.training import loss
from animetools.training.config import Rules
from animetools.training.loss import Pair, Terms

Augment = Callable[[Tensor, float, torch.Generator], Tensor]
"""(images [n, C, H, W], their probability p, what to draw from) to images of the same shape."""

ADA_INTERVAL = 4  # iterations between two adjustments of p


@dataclass(frozen=True)
class Draw:
    """What chance gives to a batch of fakes."""

    z: Tensor  # [n, z_dim]
    c: Tensor | None = None  # labels [n, c_dim]
    noise: Tensor | None = None  # of all layers in a row [n, pixels]; None: the stored noise
    mixed: tuple[Tensor, int] | None = None  # another z, and the first row of w that is its


class Player:
    """One of the two networks as a learner: its gradients, which lie in one piece, and its Adam.

    So a parameter that a loss does not reach has the gradient 0, not none: Adam counts the step
    and its second moment decays. Only in its turn does a network gather gradients.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        sizes = [parameter.numel() for parameter in self.parameters]
        self.gradient = self.parameters[0].new_zeros(sum(sizes))
        for parameter, part in zip(self.parameters, torch.split(self.gradient, sizes), strict=True):
            parameter.grad = part.as_strided(parameter.shape, parameter.stride())
        self.adam = torch.optim.Adam(self.parameters, betas=(0.0, 0.99), eps=1e-8, fused=True)
        self._learn(False)

    def tune(self, rate: float, interval: int) -> None:
        """Set the learning rate, corrected for one more step every `interval` iterations.

        Source: Karras et al. 2019 (StyleGAN2), appendix B (lazy regularisation).
        """
        share = interval / (interval + 1) if interval > 1 else 1.0
        for group in self.adam.param_groups:
            group["lr"], group["betas"] = rate * share, (0.0, 0.99**share)

    def begin(self) -> None:
        """Gather gradients from here on."""
        self.gradient.zero_()
        self._learn(True)

    def step(self) -> None:
        """Learn from what was gathered since `begin`."""
        self._learn(False)
        self.gradient.nan_to_num_(nan=0.0, posinf=1e5, neginf=-1e5)
        self.adam.step()

    def state(self) -> dict[int, dict[str, Tensor]]:
        """What Adam has gathered, by the number of the parameter."""
        state: dict[int, dict[str, Tensor]] = self.adam.state_dict()["state"]
        return state

    def load(self, state: dict[int, dict[str, Tensor]]) -> None:
        """Go on from a copy of such a state; some error if it is of other parameters."""
        self.adam.load_state_dict(self.adam.state_dict() | {"state": copy.deepcopy(state)})
        for parameter, moments in self.adam.state.items():
            shape = parameter.shape
            wanted = {"step": torch.Size(), "exp_avg": shape, "exp_avg_sq": shape}
            if {name: value.shape for name, value in moments.items()} != wanted:
                raise ValueError("the optimiser's tensors have other shapes")
            for name in ("exp_avg", "exp_avg_sq"):  # in the parameter's order, as Adam made them
                moments[name] = torch.empty_like(parameter).copy_(moments[name])

    def _learn(self, learns: bool) -> None:
        for parameter in self.parameters:
            parameter.requires_grad_(learns)


class Trainer:
    """Two networks that learn from each other, and all that their run needs to go on.

    The networks are trained where they are, on their device and in their dtype. `rules` may be
    replaced between any two iterations. `labels` are those of the training images [images, c_dim]:
    fakes have each as often. `frozen` layers of the discriminator, counted from the image side, do
    not learn. p is where the augmentation begins. `precision` is that of the upper blocks.
    All chance comes from one generator, `chance`. A batch gives the same in any number of rounds,
    but for rounding, if the augmentation draws the same for a batch as for its parts.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        rules: Rules,
        *,
        seed: int = 0,
        ema: Generator | None = None,
        frozen: int = 0,
        augment: Augment | None = None,
        p: float = 0.0,
        labels: Tensor | None = None,
        precision: torch.dtype | None = None,
    ) -> None:
        generator.synthesis.precision = discriminator.precision = precision
        for network in (generator, discriminator):  # as the convolutions want their weights
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator, self.discriminator, self.rules = generator, discriminator, rules
        self.ema = (copy.deepcopy(generator) if ema is None else ema).requires_grad_(False)
        self.ema.synthesis.precision = None
        still = set()
        for layer in layers_from_image(discriminator)[:frozen]:
            still |= set(layer.requires_grad_(False).parameters())
        self.g = Player(generator.parameters())
        self.d = Player(x for x in discriminator.parameters() if x not in still)
        w_avg = generator.mapping.w_avg
        self.device, self.dtype = w_avg.device, w_avg.dtype
        self.labels, self.chance = labels, torch.Generator().manual_seed(seed)
        self.seen = self.iteration = 0  # real images, and iterations
        self.path_mean = w_avg.new_zeros(())
        self.p = torch.tensor(p, dtype=torch.float32)
        self.signs = torch.zeros(2, device=self.device)  # of the reals' scores: sum, count
        self.pair = Pair(
            generator,
            discriminator,
            None if augment is None else lambda x: augment(x, float(self.p), self.chance),
        )

    def step(self, reals: Tensor, labels: Tensor | None = None) -> Terms:
        """One iteration with reals [n, C, H, W] in -1..1 and their labels [n, c_dim].

        Returns the mean [] of every term of the losses (loss.py) that were due, and path_mean, p.
        Where one is not finite the run has failed: gradients that are not finite are replaced, so
        that the networks may look sound for a while.
        Raises ValueError if the batch does not divide into rounds of whole minibatch groups, or if
        labels are missing.
        """
        rules, batch = self.rules, len(reals)
        if self.generator.config.mapping.c_dim and (labels is None or self.labels is None):
            raise ValueError("networks with labels learn from labelled images only")
        if batch % (rules.accumulate * self.pair.group(batch)):
            raise ValueError(
                f"a batch of {batch} images does not divide into {rules.accumulate} rounds of "
                f"whole minibatch groups of {self.pair.group(batch)}"
            )
        self.g.tune(rules.g_rate, rules.g_interval)
        self.d.tune(rules.d_rate, rules.d_interval)

        self.g.begin()
        terms = self.g_main(self.draw(batch))
        if rules.pl_weight and self.iteration % rules.g_interval == 0:
            if rules.g_interval > 1:
                self.g.step()
                self.g.begin()
            half = max(1, batch // 2)
            terms |= self.g_reg(self.draw(half), self.directions(half))
        self.g.step()

        self.d.begin()
        terms |= self.d_main(self.draw(batch), reals, labels)
        if rules.gamma and rules.d_interval > 1 and self.iteration % rules.d_interval == 0:
            self.d.step()
            self.d.begin()
            terms |= self.d_reg(reals, labels)
        self.d.step()

        self.finish(batch)
        means = {name: values.mean() for name, values in terms.items()}
        return means | {"path_mean": self.path_mean, "p": self.p}

    def draw(self, count: int) -> Draw:
        """New latents, labels and noise for so many fakes."""
        rows, z_dim = self.generator.num_ws, self.generator.config.mapping.z_dim
        z, c, mixed = self._normal(count, z_dim), None, None
        if self.labels is not None:
            chosen = torch.randint(len(self.labels), (count,), generator=self.chance)
            c = self.labels[chosen].to(self.device, self.dtype)
        if torch.rand((), generator=self.chance) < self.rules.mixing:
            cutoff = int(torch.randint(1, rows, (), generator=self.chance))
            mixed = self._normal(count, z_dim), cutoff
        pixels = sum(height * width for height, width in self.generator.noise_shapes)
        return Draw(z, c, self._normal(count, pixels), mixed)

    def directions(self, count: int) -> Tensor:
        """Directions in the space of images, for so many path lengths."""
        channels = self.generator.config.image_channels
        return self._normal(count, channels, self.generator.height, self.generator.width)

    def g_main(self, draw: Draw) -> Terms:
        """Gather the gradients of the generator's loss."""
        ws = self._ws(draw)
        leaf = ws.detach().requires_grad_()  # the mapping runs once, however many the rounds
        parts = []
        for round_ws, noise, c in self._rounds(leaf, draw.noise, draw.c):
            value, terms = loss.generator_loss(self.pair, round_ws, noise, c, self.rules.top_k)
            backward(value / self.rules.accumulate)
            parts.append(terms)
        backward(ws, leaf.grad)
        return joined(parts)

    def g_reg(self, draw: Draw, directions: Tensor) -> Terms:
        """Gather the gradients of the path lengths' loss, and move their average.

        A length's gradient depends on all others, through the average that has them in it. So
        several rounds are run twice: for the lengths, and once their pull is known.
        """
        ws = self._ws(draw)
        leaf = ws.detach().requires_grad_()
        size = max(1, len(ws) // self.rules.accumulate)
        rounds = [slice(first, first + size) for first in range(0, len(ws), size)]

        def measure(images: slice, learn: bool) -> Tensor:
            noise = None if draw.noise is None else draw.noise[images]
            return loss.path_lengths(
                self.pair, leaf[images], noise, directions[images], learn=learn
            )

        measured = [measure(images, learn=len(rounds) == 1) for images in rounds]
        lengths = torch.cat(measured).detach().requires_grad_()
        weight = self.rules.pl_weight * self.rules.g_interval
        value, self.path_mean, terms = loss.path_loss(lengths, self.path_mean, weight)
        (pull,) = torch.autograd.grad(value, lengths)
        for images, length in zip(rounds, measured, strict=True):
            again = length if len(rounds) == 1 else measure(images, learn=True)
            backward(again, pull[images])
        backward(ws, leaf.grad)
        return terms

    def d_main(self, draw: Draw, reals: Tensor, labels: Tensor | None) -> Terms:
        """Gather the gradients of the discriminator's loss, R1 included where it is not lazy."""
        with torch.no_grad():
            ws = self._ws(draw)
        gamma = self.rules.gamma if self.rules.d_interval == 1 else 0.0
        of_fakes, of_reals = [], []
        for round_ws, noise, c in self._rounds(ws, draw.noise, draw.c):
            value, terms = loss.fake_loss(self.pair, round_ws, noise, c)
            backward(value / self.rules.accumulate)
            of_fakes.append(terms)
        for images, classes in self._rounds(reals, labels):
            value, terms = loss.real_loss(self.pair, images, classes, gamma)
            backward(value / self.rules.accumulate)
            of_reals.append(terms)
        fakes = joined(of_fakes)
        signs = {"sign_fake": fakes["score_fake"].sign()}
        return fakes | signs | self._watched(joined(of_reals))

    def d_reg(self, reals: Tensor, labels: Tensor | None) -> Terms:
        """Gather the gradients of R1."""
        weight = self.rules.gamma * self.rules.d_interval
        parts = []
        for images, classes in self._rounds(reals, labels):
            value, terms = loss.r1_loss(self.pair, images, classes, weight)
            backward(value / self.rules.accumulate)
            parts.append(terms)
        return self._watched(joined(parts))

    def finish(self, batch: int) -> None:
        """What follows the phases: the average generator, the counters and p."""
        rules = self.rules
        decay = ema_decay(self.seen, batch, rules.ema_kimg, rules.ema_ramp)
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.ema.parameters()), list(self.generator.parameters()), 1 - decay
            )
        for average, value in zip(self.ema.buffers(), self.generator.buffers(), strict=True):
            average.copy_(value)
        self.seen += batch
        self.iteration += 1
        if self.iteration % ADA_INTERVAL == 0:
            if rules.target is not None:
                change = ADA_INTERVAL * batch / (rules.ada_kimg * 1000)
                total, count = self.signs.cpu()
                self.p = adapted(self.p, total / count, rules.target, change)
            self.signs = torch.zeros_like(self.signs)

    def state(self) -> dict[str, Any]:
        """All that the next iterations depend on but the rules: tensors and plain containers.

        The networks' tensors are the very ones that learn: write them out before the next step.
        """
        return {
            "G": dict(self.generator.state_dict()),
            "D": dict(self.discriminator.state_dict()),
            "G_ema": dict(self.ema.state_dict()),
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
        """Go on where the trainer that gave this state was.

        On a CPU, with as many threads, every number is then as if it had never stopped.
        Raises FatalError for a state that is not of such networks.
        """
        try:
            self.generator.load_state_dict(state["G"])
            self.discriminator.load_state_dict(state["D"])
            self.ema.load_state_dict(state["G_ema"])
            self.g.load(state["G_adam"])
            self.d.load(state["D_adam"])
            for name in ("path_mean", "p", "signs"):
                mine = getattr(self, name)
                setattr(self, name, mine.clone().copy_(state[name].view_as(mine)))
            self.seen, self.iteration = int(state["seen"]), int(state["iteration"])
            self.chance.set_state(state["chance"])
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as why:
            raise FatalError(
                f"the saved state does not fit the networks of this run ({why}); resume with the "
                "options of the run that it is from, or start anew from its network"
            ) from why

    def _normal(self, *shape: int) -> Tensor:
        """New normally distributed numbers, drawn where they are needed: there may be many."""
        seed = int(torch.randint(1 << 62, (), generator=self.chance))
        source = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(shape, generator=source, device=self.device, dtype=self.dtype)

    def _ws(self, draw: Draw) -> Tensor:
        """The rows of w of a draw, mixed; the average w follows the first of them."""
        mapping = self.generator.mapping
        ws: Tensor = mapping(draw.z, draw.c)
        loss.track_average(mapping, ws)
        if draw.mixed is None:
            return ws
        z, cutoff = draw.mixed
        return loss.mix(ws, mapping(z, draw.c), cutoff)

    def _rounds(self, *batches: Tensor | None) -> Iterator[tuple[Any, ...]]:
        """What each round takes of several things [n, ...] that belong to the same images."""
        count = self.rules.accumulate
        parts = ([None] * count if batch is None else batch.chunk(count) for batch in batches)
        return zip(*parts, strict=True)

    def _watched(self, terms: Terms) -> Terms:
        """The terms of real images, once p's adjustment has heard of their scores."""
        signs = terms["score_real"].sign()
        self.signs += torch.stack([signs.sum(), signs.new_tensor(len(signs))])
        return terms | {"sign_real": signs}


def joined(parts: Sequence[Terms]) -> Terms:
    """The terms of several rounds as those of one batch, in the order of the rounds."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def ema_decay(seen: int, batch: int, kimg: float, ramp: float | None) -> float:
    """What is left of the average generator after a batch, with `seen` images before it.

    The half-life is `kimg`, or the share `ramp` of what was seen, whichever is less.
    """
    images = kimg * 1000 if ramp is None else min(kimg * 1000, seen * ramp)
    return float(0.5 ** (batch / max(images, 1e-8)))


def adapted(p: Tensor, sign: Tensor, target: float, change: float) -> Tensor:
    """p, up by `change` where the mean sign of the reals' scores is over its target, else down.

    Source: Karras et al. 2020 (StyleGAN2-ADA), section 3.
    """
    return (p + (sign - target).sign() * change).clamp_min(0)


def layers_from_image(discriminator: Discriminator) -> list[nn.Module]:
    """The layers that `frozen` counts: from the image side down to the 4 x 4 part, without it.

    Source: Mo et al. 2020 (Freeze the Discriminator).
    """
    names = ("fromrgb", "conv0", "conv1", "skip")
    blocks = discriminator.blocks[:-1]
    return [getattr(block, name) for block in blocks for name in names if hasattr(block, name)]


def new_networks(
    generator: StyleGAN2GeneratorConfig, discriminator: StyleGAN2DiscriminatorConfig, seed: int
) -> tuple[Generator, Discriminator]:
    """Networks of random weights, which depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Generator(generator), Discriminator(discriminator)

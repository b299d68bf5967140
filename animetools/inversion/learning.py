"""How an encoder learns: from pictures that the generator draws of latents which are known."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.autograd import backward
from torch.nn import functional

from animetools.inversion import loss
from animetools.inversion.encoder import Encoder
from animetools.inversion.start import sampled
from animetools.networks.generator import Generator
from animetools.networks.layers import Mapping
from animetools.sampling.labels import PossibleLabels

RATE = 1.5e-3  # of learning, the highest
WARM = 100  # steps in which the rate rises, at most a tenth of all; they compare latents alone
COOL = 0.4  # share of a run, its last, in which the rate falls to 0, and features are compared
DECAY = 0.01  # of weights
CLIP = 1.0  # the longest gradient
LEAST_PSI = 0.5  # of samples
MIXED = 0.25  # share of samples whose rows come from two w
HELD_BACK, HELD_BACK_STREAM = 64, 1 << 31  # samples for validation, and their random numbers
COMPARED = 0.5  # share of samples whose pictures are compared too
CHANGED = 0.25  # further pictures, as the generator does not draw them
PICTURE_WEIGHT = 4.0  # of how far the pictures are apart; that of w is 1
FEATURE_WEIGHT = 0.1  # beside pixels
OWN_WEIGHT = 0.02  # of what rows have of their own
USUAL_WEIGHT = 0.01  # of the distance from the mean, where nothing else holds w


@dataclass
class Learner:
    """An encoder that learns, after `done` steps of `steps` with `batch` samples each.

    It is where the generator and the features are; the `mapping` of the generator is on the CPU.
    All random numbers of a step come from the seed, its number, and how often the run has diverged.
    """

    encoder: Encoder
    mapping: Mapping
    generator: Generator
    features: loss.Features | None
    labels: PossibleLabels | None
    steps: int
    batch: int
    seed: int
    done: int = 0
    divergences: int = 0

    def __post_init__(self) -> None:
        """Begin with the moments of Adam at 0."""
        self.adam = torch.optim.AdamW(
            self.encoder.parameters(), RATE, weight_decay=DECAY, fused=True
        )

    @property
    def device(self) -> torch.device:
        """Where it learns."""
        return self.encoder.mean.device

    def step(self) -> dict[str, Tensor]:
        """Learn from one batch; returns the terms of the loss."""
        stream = np.random.default_rng([self.seed, self.done, self.divergences])
        rows = self._rows(stream)
        with torch.no_grad():
            images = self._drawn(rows).clamp(-1, 1)
        sees = self.done >= self._warm
        changed = images[: round(CHANGED * self.batch)] if sees else images[:0]
        images = torch.cat([images, altered(changed, stream)])

        # The latents of samples are known, those of changed pictures are not.
        self.encoder.train()
        shared, own = self.encoder(images)
        found = shared[:, None] + own
        terms = {"w": (found[: self.batch] - rows).square().mean()}
        total = terms["w"] + OWN_WEIGHT * own.square().mean()
        if sees:
            usual = USUAL_WEIGHT * shared[self.batch :].square().mean()
            some = torch.arange(len(images), device=self.device) >= (1 - COMPARED) * self.batch
            terms |= self._distances(found[some], images[some])
            apart = terms["pixels"] + FEATURE_WEIGHT * terms.get("features", 0)
            total = total + PICTURE_WEIGHT * apart + usual

        self.adam.zero_grad()
        backward(total)
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), CLIP)
        for group in self.adam.param_groups:
            group["lr"] = self.rate
        self.adam.step()
        self.done += 1
        return {name: value.detach() for name, value in terms.items()}

    @property
    def rate(self) -> float:
        """The learning rate of the next step: up, level, and down to the end.

        The level part lets a run be made longer or shorter while it is under way.
        """
        return RATE * min((self.done + 1) / self._warm, 1, self._left)

    @property
    def _warm(self) -> int:
        """Steps in which the rate rises."""
        return max(min(WARM, self.steps // 10), 1)

    @property
    def _left(self) -> float:
        """From 1 to 0 while the rate falls; more before."""
        return (self.steps - self.done) / max(self.steps * COOL, 1)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """How near the encoder comes to samples that it does not learn from.

        That is the root mean square error of w, in units of its spread, and the mean PSNR in dB.
        """
        w = self._w(np.random.default_rng([self.seed, 0, HELD_BACK_STREAM]), HELD_BACK)
        images = self._drawn(w[:, None].expand(-1, self.generator.num_ws, -1)).clamp(-1, 1)
        shared, own = self.encoder.eval()(images)
        found = self._drawn(shared[:, None] + own).clamp(-1, 1)
        error = (found - images).square().mean((1, 2, 3)).clamp_min(1e-10) / 4
        return {
            "held_back_w": float((shared - w).square().mean().sqrt()),
            "psnr": float(-10 * error.log10().mean()),
        }

    def _rows(self, stream: np.random.Generator) -> Tensor:
        """The latents [n, rows, w_dim] of samples at psi 1 and lower; some have rows of two w."""
        count, rows = self.batch, self.generator.num_ws
        w = self._w(stream, count)
        psi = np.minimum(stream.uniform(LEAST_PSI, 2 - LEAST_PSI, (count, 1)), 1)
        w = w * torch.from_numpy(psi).to(w)
        latents = w[:, None].repeat(1, rows, 1)
        for n in range(round(MIXED * count)):
            cut = int(stream.integers(rows))
            latents[n, cut:] = w[count - 1 - n]
        return latents[stream.permutation(count)]

    def _w(self, stream: np.random.Generator, count: int) -> Tensor:
        """Random w [count, w_dim], as the encoder counts them."""
        with torch.no_grad():
            _, w = sampled(self.mapping, self.labels, stream, count)
        return (w.to(self.device) - self.encoder.mean) / self.encoder.deviation

    def _drawn(self, rows: Tensor) -> Tensor:
        ws = self.encoder.mean + rows * self.encoder.deviation
        images: Tensor = self.generator.synthesis(ws, "const")
        return images

    def _distances(self, rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        images = loss.as_shown(self._drawn(rows), targets)
        terms = {"pixels": loss.pixel_distance(images, targets).mean()}
        if self.features and self._left < 1:
            with torch.no_grad():
                wanted = [x.clone() for x in self.features(targets)]
            distance = loss.feature_distance(self.features(images), wanted)
            terms["features"] = distance.mean()
        return terms


def altered(images: Tensor, stream: np.random.Generator) -> Tensor:
    """Images [n, C, H, W], -1..1, in other colors, moved, turned, scaled and blurred a little."""
    count, channels = images.shape[:2]
    if not count:
        return images

    def drawn(low: float, high: float, *shape: int) -> Tensor:
        return torch.from_numpy(stream.uniform(low, high, shape).astype(np.float32)).to(images)

    turn, scale = drawn(-0.15, 0.15, count), drawn(0.85, 1.15, count)
    cos, sin = turn.cos() * scale, turn.sin() * scale
    move = drawn(-0.12, 0.12, 2, count)
    matrix = torch.stack([cos, -sin, move[0], sin, cos, move[1]], 1).reshape(count, 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    images = images * drawn(0.7, 1.3, count, channels, 1, 1) + drawn(
        -0.25, 0.25, count, channels, 1, 1
    )
    soft = functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    return images.lerp(soft, drawn(0, 1, count, 1, 1, 1)).clamp(-1, 1)

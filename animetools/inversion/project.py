"""From a picture to the latent that a network draws it from, by an encoder and by gradients."""

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from animetools.errors import FatalError, ItemError
from animetools.inversion import loss, noise, start
from animetools.inversion.lbfgs import minimize
from animetools.inversion.network import ProjectingNetwork
from animetools.inversion.pictures import Pixels
from animetools.inversion.projection import Projection
from animetools.networks.ops import normalize_instances
from animetools.sampling.render import to_pixels

NOISE_WEIGHT = 1.0  # of the correlations in noise maps


class Projector:
    """A network on a device, with resolved options, and the search for latents in it.

    A picture's result does not depend on those beside it. A CPU takes each picture alone; a GPU
    always gets a whole group, filled up, since another number may choose other kernels, which round
    differently. Several threads may call it at once.
    """

    def __init__(self, network: ProjectingNetwork, device: torch.device) -> None:
        self.network, self.options, self.device = network, network.options, device
        self.is_on_cpu = device.type == "cpu"
        self.group = 1 if self.is_on_cpu else network.group
        own, labels = network.network.generator, network.labels()
        self.space = start.measured(own, labels, self.options.seed)
        self.nearest = (
            start.Nearest(own, device, labels, self.options.seed, start.COMPARED)
            if self.options.start == "nearest"
            else None
        )
        self.generator = own if self.is_on_cpu else copy.deepcopy(own).to(device)
        self.mean = self.space.mean.to(device)
        self.features = network.features(device)
        encoder = network.encoder()
        self.encoder = encoder and encoder.to(device)
        of_z = labels if self.options.space == "z" else None  # one alone
        self.labels = None if of_z is None else torch.from_numpy(of_z.rows([0])[0]).to(device)

    def __call__(self, targets: Sequence[Pixels]) -> list[Projection | ItemError]:
        """The latents of pictures uint8 [C, H, W], or an ItemError in a picture's place."""
        if self.is_on_cpu:
            torch.set_num_threads(1)  # of this thread: there is one per core
        found: list[Projection | ItemError] = []
        for first in range(0, len(targets), self.group):
            some = list(targets[first : first + self.group])
            try:
                found += self._together(some + some[-1:] * (self.group - len(some)))[: len(some)]
            except torch.OutOfMemoryError:
                raise FatalError(
                    f"{self.device} has too little memory for {self.group} pictures at once: try a"
                    " smaller --batch"
                ) from None
        return found

    def _together(self, pictures: Sequence[Pixels]) -> list[Projection | ItemError]:
        targets = torch.from_numpy(np.stack(pictures)).to(self.device).float() * (2 / 255) - 1
        begin = self._begin(targets)
        wanted = None
        if self.features:
            with torch.no_grad():
                wanted = [x.clone() for x in self.features(targets)]

        def evaluate(x: Tensor) -> tuple[Tensor, Tensor]:
            x = x.detach().requires_grad_()
            latents, maps = self._split(x)
            ws = self._ws(latents)
            images = loss.as_shown(self._images(ws, maps), targets)
            values = loss.pixel_distance(images, targets)
            if self.features and wanted:
                distance = loss.feature_distance(self.features(images), wanted)
                values = values + self.options.feature_weight * distance
            away = (ws - self.mean) / self.space.deviation
            values = values + self.options.realism * away.square().mean((1, 2))
            if maps:
                values = values + NOISE_WEIGHT * noise.correlation(maps)
            (slope,) = torch.autograd.grad(values.sum(), x)
            return values.detach(), slope

        x, values = begin, torch.zeros_like(begin[:, 0])
        if self.options.steps:
            x, values = minimize(evaluate, begin, self.options.steps)
        with torch.no_grad():
            latents, maps = self._split(x)
            images = loss.as_shown(self._images(self._ws(latents), maps), targets)
            distances = (
                loss.feature_distance(self.features(images), wanted).tolist()
                if self.features and wanted
                else [None] * len(x)
            )
        is_finite = (values + images.mean((1, 2, 3))).isfinite().tolist()
        made = to_pixels(images).cpu().numpy().transpose(0, 3, 1, 2)
        kept = self._stored(latents).cpu().numpy()
        found: list[Projection | ItemError] = []
        for n, target in enumerate(pictures):
            if not is_finite[n]:
                found.append(ItemError("its pixels are not finite numbers: try another network"))
                continue
            layers = tuple(one[n, 0].cpu().numpy() for one in maps)
            name = "z" if self.options.space == "z" else "w"
            latent = name, kept[n : n + 1], layers
            found.append(Projection(*latent, target, made[n], distances[n]))
        return found

    @cached_property
    def rows(self) -> int:
        """How many rows of latents are looked for."""
        return self.generator.num_ws if self.options.space == "w+" else 1

    def _begin(self, targets: Tensor) -> Tensor:
        """Where the search begins, [n, d], for images [n, C, H, W]."""
        x = self._encoded(targets) if self.encoder else self._usual(targets.cpu())
        if self.options.noise:
            consts: Any = self.generator.synthesis.noise_consts
            maps = torch.cat([const.flatten() for const in consts])
            x = torch.cat([x, maps.expand(len(x), -1)], 1)
        return x

    @torch.no_grad()
    def _encoded(self, targets: Tensor) -> Tensor:
        """The guess of the encoder, [n, d]."""
        assert self.encoder
        w, ws = self.encoder.ws(targets)
        found = ws if self.options.space == "w+" else w[:, None]
        return ((found - self.mean) / self.space.deviation).flatten(1)

    def _usual(self, targets: Tensor) -> Tensor:
        """The mean, or the nearest sample, [n, d], for images [n, C, H, W] on the CPU."""
        starts = []
        for target in targets:
            z, w = self.nearest.of(target) if self.nearest else (self.space.usual, None)
            if self.options.space == "z":
                first = z
            elif w is None:
                first = torch.zeros_like(self.space.mean)
            else:
                first = (w - self.space.mean) / self.space.deviation
            starts.append(first.repeat(self.rows))
        return torch.stack(starts).to(self.device)

    def _split(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The latents [n, rows, dim], w as deviations from the mean, and noise maps [n, 1, H, W]."""
        config = self.generator.config.mapping
        size = self.rows * (config.z_dim if self.options.space == "z" else config.w_dim)
        latents, rest = x[:, :size].reshape(len(x), self.rows, -1), x[:, size:]
        if not self.options.noise:
            return latents, []
        shapes = self.generator.noise_shapes
        parts = torch.split(rest, [height * width for height, width in shapes], 1)
        maps = [
            normalize_instances(part.reshape(-1, 1, *shape))
            for part, shape in zip(parts, shapes, strict=True)
        ]
        return latents, maps

    def _stored(self, latents: Tensor) -> Tensor:
        """The latents as files hold them: z [n, z_dim], w [n, w_dim] or w [n, rows, w_dim]."""
        if self.options.space == "z":
            return latents[:, 0]
        ws = self.mean + latents * self.space.deviation
        return ws if self.options.space == "w+" else ws[:, 0]

    def _ws(self, latents: Tensor) -> Tensor:
        """The w [n, num_ws, w_dim] of latents, as `sggen` takes it from a file."""
        generator, stored = self.generator, self._stored(latents)
        if self.options.space == "z":
            labels = None if self.labels is None else self.labels.expand(len(stored), -1)
            truncation = generator.config.truncation
            return generator.truncate(
                generator.mapping(stored, labels), truncation.psi, truncation.cutoff
            )
        return stored.reshape(len(stored), self.rows, -1).expand(-1, generator.num_ws, -1)

    def _images(self, ws: Tensor, maps: list[Tensor]) -> Tensor:
        """The images [n, C, H, W] of w and noise maps."""
        images: Tensor = self.generator.synthesis(ws, maps or "const")
        return images

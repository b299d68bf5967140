"""From a picture to the latent that a network draws it from, by gradients."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from animetools.errors import FatalError, ItemError
from animetools.images.files import encode_png
from animetools.images.sheet import sheet
from animetools.inversion import loss, noise, start
from animetools.inversion.lbfgs import minimize
from animetools.inversion.options import ProjectionOptions
from animetools.inversion.pictures import Pixels, psnr
from animetools.netfiles.classes import lists_of, mean_labels
from animetools.networks.discriminator import Discriminator
from animetools.sampling import latent_files
from animetools.sampling.latents import Floats
from animetools.sampling.render import to_pixels
from animetools.sampling.sampler import OpenNetwork, open_network

NOISE_WEIGHT = 1.0  # of the correlations in noise maps


@dataclass(frozen=True)
class Projection:
    """What was found for a picture: latents, and the picture that they give.

    `values` are z [1, z_dim], w [1, w_dim] or all rows of w [1, rows, w_dim]; `noise` are maps
    [H, W], one a layer, if they were looked for. The `target` and what was `drawn` are uint8
    [C, H, W]. `features` is the distance by features, if they were compared.
    """

    name: str
    values: Floats
    noise: tuple[Floats, ...]
    target: Pixels
    drawn: Pixels
    features: float | None

    @property
    def error(self) -> dict[str, float]:
        """How near it came, as the fields of a record."""
        found = {"psnr": round(psnr(self.target, self.drawn), 3)}
        return found if self.features is None else found | {"features": round(self.features, 6)}

    def latent_file(self, facts: dict[str, Any]) -> bytes:
        """An .npz of the latents, noise0, noise1 ... and facts, a text of JSON."""
        return latent_files.encode(self.name, self.values, self.noise, facts)

    def sheet(self) -> bytes:
        """A PNG of the target, left, and what was drawn, right."""
        both = [one.transpose(1, 2, 0) for one in (self.target, self.drawn)]
        pixels = sheet(both, 2, 2)
        return encode_png(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


@dataclass(frozen=True)
class ProjectingNetwork:
    """How pictures are projected with a network file; it survives pickling, without the network.

    A GPU takes `group` pictures at once.
    """

    path: str
    options: ProjectionOptions
    group: int = 1

    @property
    def network(self) -> OpenNetwork:
        """What the file holds. Raises as `open_network`."""
        return open_network(self.path)

    def labels(self) -> Floats | None:
        """The labels [c_dim] of all pictures, if any are given.

        Raises ItemError for an unknown class, and if z needs one.
        """
        lists = lists_of(self.options.class_, self.options.tags)
        if lists:
            return mean_labels(self.network.classes, lists)
        if self.network.classes and self.options.space == "z":
            raise ItemError("the picture of a z depends on its class: give --class or --tags")
        return None

    def discriminator(self) -> Discriminator | None:
        """The discriminator, if it is to be compared and the file has one for these pictures."""
        file, config = self.network.file, self.network.generator.config
        if self.options.features != "discriminator" or "D" not in file.networks:
            return None
        built = file.discriminator.build()
        assert isinstance(built, Discriminator)
        theirs = built.config
        fits = (theirs.image_size, theirs.image_channels) == (
            config.image_size,
            config.image_channels,
        )
        return built if fits else None

    def features(self, device: torch.device) -> loss.Features | None:
        """What pictures are compared by on a device, beside pixels.

        Raises FatalError for a file that cannot be used.
        """
        options, config = self.options, self.network.generator.config
        if not options.feature_weight or options.features == "none":
            return None
        if options.features != "discriminator":
            return loss.of_torchscript(
                options.features, config.image_channels, config.image_size, device
            )
        discriminator = self.discriminator()
        return discriminator and loss.of_discriminator(discriminator.to(device))


def load_projections(
    network: ProjectingNetwork, device: torch.device
) -> Callable[[Sequence[Pixels]], list[Projection | ItemError]]:
    """What projects pictures uint8 [C, H, W] on a device."""
    return Projector(network, device)


class Projector:
    """A network on a device, and the search for latents in it.

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
        self.labels = None if labels is None else torch.from_numpy(labels).to(device)

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
        targets = torch.from_numpy(np.stack(pictures)).float() * (2 / 255) - 1
        begin = self._begin(targets)
        targets = targets.to(self.device)
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

        x, values = minimize(evaluate, begin, self.options.steps)
        with torch.no_grad():
            latents, maps = self._split(x)
            images = loss.as_shown(self._images(self._ws(latents), maps), targets)
            distances = (
                loss.feature_distance(self.features(images), wanted).tolist()
                if self.features and wanted
                else [None] * len(x)
            )
        made = to_pixels(images).cpu().numpy().transpose(0, 3, 1, 2)
        kept = self._stored(latents).cpu().numpy()
        found: list[Projection | ItemError] = []
        for n, target in enumerate(pictures):
            if not math.isfinite(float(values[n])):
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
        """Where the search begins, [n, d], for images [n, C, H, W] on the CPU."""
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
        x = torch.stack(starts).to(self.device)
        if self.options.noise:
            consts: Any = self.generator.synthesis.noise_consts
            maps = torch.cat([const.flatten() for const in consts])
            x = torch.cat([x, maps.expand(len(x), -1)], 1)
        return x

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
            noise.normalized(part.reshape(-1, 1, *shape))
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

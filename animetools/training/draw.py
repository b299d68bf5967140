"""The random numbers of a batch of fakes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from animetools.networks.generator import Generator
from animetools.training.config import TrainConfig
from animetools.training.labels import Labels, lose_tags


@dataclass(frozen=True)
class Draw:
    """The random numbers of a batch of fakes."""

    z: Tensor  # [n, z_dim]
    c: Tensor | None = None  # labels [n, c_dim]
    blur: Tensor | None = None  # of the embedded labels [n, embedded]
    noise: Tensor | None = None  # of the layers in a row [n, pixels]; None: the stored noise
    mixed: tuple[Tensor, int] | None = None  # another z, and the first row of w that it gives

    def at(self, places: Tensor) -> "Draw":
        """That of some of the fakes."""
        c, blur, noise = (x if x is None else x[places] for x in (self.c, self.blur, self.noise))
        mixed = None if self.mixed is None else (self.mixed[0][places], self.mixed[1])
        return Draw(self.z[places], c, blur, noise, mixed)


@dataclass(frozen=True)
class RandomNumbers:
    """Where all random numbers of a run come from: one `source`, on the CPU.

    They are given on the device, and in the dtype, of the networks.
    """

    source: torch.Generator
    device: torch.device
    dtype: torch.dtype

    def fakes(
        self,
        count: int,
        generator: Generator,
        config: TrainConfig,
        labels: Labels | None,
        unused: int,
    ) -> Draw:
        """Of so many fakes, whose labels are those of training images.

        `unused` is how many of the generator's layers are still to grow.
        """
        rows, z_dim = generator.num_ws - unused, generator.config.mapping.z_dim
        z, c, blur, mixed = self.normal(count, z_dim), None, None, None
        if labels is not None:
            chosen = torch.randint(len(labels), (count,), generator=self.source)
            c = self.learned(labels[chosen], config)
            if config.label_noise:
                blur = self.normal(count, generator.mapping.embedded) * config.label_noise
        if torch.rand((), generator=self.source) < config.mixing:
            cutoff = int(torch.randint(1, rows, (), generator=self.source))
            mixed = self.normal(count, z_dim), cutoff
        shapes = generator.noise_shapes
        pixels = sum(height * width for height, width in shapes[: len(shapes) - unused])
        return Draw(z, c, blur, self.normal(count, pixels), mixed)

    def normal(self, *shape: int) -> Tensor:
        """Normally distributed numbers, drawn on the device: there may be many."""
        seed = int(torch.randint(1 << 62, (), generator=self.source))
        source = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(shape, generator=source, device=self.device, dtype=self.dtype)

    def learned(self, labels: Tensor, config: TrainConfig) -> Tensor:
        """Labels [n, c_dim] on the CPU as the networks get them: some lose tags."""
        if config.label_dropout:
            labels = lose_tags(labels, config.label_dropout, self.source)
        return labels.to(self.device, self.dtype)

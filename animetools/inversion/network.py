"""The network that pictures are projected into."""

from dataclasses import dataclass, replace
from typing import Self

import torch

from animetools.errors import FatalError, ItemError
from animetools.inversion import encoder_file, loss
from animetools.inversion.encoder import Encoder
from animetools.inversion.options import ProjectionOptions
from animetools.networks.discriminator import AnyDiscriminator
from animetools.sampling.labels import PossibleLabels
from animetools.sampling.sampler import OpenNetwork, open_network


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

    def labels(self) -> PossibleLabels | None:
        """The labels of pictures; None for a network without classes.

        Raises ItemError for an unknown class, and if z needs one.
        """
        options, is_z = self.options, self.options.space == "z"
        labels = self.network.labels(options.class_, options.tags, exact=is_z)
        if labels and labels.asked is None and is_z:
            raise ItemError("the picture of a z depends on its class: give --class or --tags")
        return labels

    def resolved(self) -> Self:
        """The same with the encoder, the way and the steps that are meant where none are given.

        The network that ships has an encoder, which is used unless the options exclude it.

        Raises FatalError if an encoder is needed and there is none.
        """
        path = self.options.encoder
        if not path and self.options.encodes:
            is_shipped = encoder_file.network_of(encoder_file.SHIPPED) == self.network.sha256
            path = encoder_file.SHIPPED if is_shipped else ""
        if not path and self.options.way in ("encode", "both"):
            raise FatalError(
                f"no encoder of {self.path}: name one with --encoder, or make one with"
                " --train-encoder"
            )
        return replace(self, options=self.options.resolved(path))

    def check(self) -> None:
        """Raise ItemError or FatalError for what the options need and the files do not have."""
        self.labels()
        self.encoder()
        generator = self.network.generator
        if generator.config.image_channels not in (1, 3, 4):
            raise ItemError(f"it draws {generator.config.image_channels} channels, not a picture")
        if self.options.noise and not generator.noise_shapes:
            raise ItemError("--noise: it takes no noise")
        if self.options.features not in ("discriminator", "none"):
            self.features(torch.device("cpu"))

    def encoder(self) -> Encoder | None:
        """The encoder that the options name, if any.

        Raises FatalError for a file that is damaged, or of another network.
        """
        if not self.options.encoder:
            return None
        file = encoder_file.read(self.options.encoder)
        opened = self.network
        file.check(self.options.encoder, self.path, opened.sha256, opened.generator)
        return file.encoder

    def discriminator(self) -> AnyDiscriminator | None:
        """The discriminator, if it is to be compared and the file has one for these pictures."""
        file, config = self.network.file, self.network.generator.config
        if self.options.features != "discriminator" or "D" not in file.networks:
            return None
        built = file.discriminator.build()
        assert isinstance(built, AnyDiscriminator)
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
        if discriminator is None:
            return None
        return loss.of_discriminator(discriminator.requires_grad_(False).to(device))

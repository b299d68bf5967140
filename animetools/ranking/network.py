"""A network file, and how images are scored with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch

from animetools.errors import ItemError
from animetools.images.fit import How
from animetools.netfiles import checkpoints
from animetools.netfiles.classes import (
    classes_in_record,
    classes_of,
    labels_of_record,
    mean_labels,
    takes_tags,
)
from animetools.networks.cpu import share_freed_memory
from animetools.networks.devices import DTYPES
from animetools.networks.discriminator import AnyDiscriminator
from animetools.ranking.scores import Pixels, Prepared, Scored, Scorer, prepare


@cache
def open_discriminator(path: str) -> tuple[AnyDiscriminator, tuple[str, ...], bool]:
    """The discriminator of a network file, the classes that it knows, and whether they are tags.

    Once in a process.

    Raises OSError, and ItemError for a file that is damaged, has no discriminator, or one for images
    that no file holds.
    """
    share_freed_memory()  # before there are threads
    file = checkpoints.read(path)
    discriminator = file.discriminator.build()
    assert isinstance(discriminator, AnyDiscriminator)
    channels = discriminator.config.image_channels
    if channels not in (1, 3, 4):
        raise ItemError(f"its discriminator takes images of {channels} channels: no file has that")
    return discriminator, classes_of(file.facts, discriminator.c_dim), takes_tags(file.facts)


@dataclass(frozen=True)
class ScoringNetwork:
    """How images are scored with a network file; it survives pickling, without the network.

    `wanted` are lists of classes, by name or number, of whose labels all images have the mean;
    without them each has its own, which may be no tags, but not no class. A GPU scores `group`
    images at once.
    """

    path: str
    wanted: tuple[tuple[str, ...], ...] = ()
    dtype: str = "fp32"
    group: int = 1

    @property
    def discriminator(self) -> AnyDiscriminator:
        """The discriminator, on the CPU. Raises as `open_discriminator`."""
        return open_discriminator(self.path)[0]

    @property
    def needs_class(self) -> bool:
        """Whether each image must name a class of its own. Raises as `own_classes`."""
        return bool(self.own_classes) and not open_discriminator(self.path)[2]

    @property
    def own_classes(self) -> tuple[str, ...]:
        """The classes of which each image has its own; empty where all share theirs.

        Raises ItemError if the network does not have a class that is wanted.
        """
        classes = open_discriminator(self.path)[1]
        if not self.wanted:
            return classes
        mean_labels(classes, self.wanted)
        return ()

    def scorer(self, device: torch.device) -> Scorer:
        """The discriminator on a device; once in a process."""
        return _scorer(self, device)

    def prepared(self, rgb: Pixels, how: How, record: dict[str, Any]) -> Prepared:
        """An image uint8 [H, W, 3] as a scorer takes it, with the labels of its record's classes.

        Raises ItemError if it must have classes of its own and the record names none of them.
        """
        pixels, classes = prepare(rgb, self.discriminator.config, how), self.own_classes
        if not classes:
            return pixels, None
        words = classes_in_record(record, classes)
        if not words and self.needs_class:
            raise ItemError("its record names no class of the network: give --class or --tags")
        return pixels, torch.from_numpy(labels_of_record(classes, words))[None]


@cache
def _scorer(network: ScoringNetwork, device: torch.device) -> Scorer:
    discriminator, classes, _ = open_discriminator(network.path)
    labels = mean_labels(classes, network.wanted) if network.wanted else None
    return Scorer(discriminator, device, DTYPES[network.dtype], labels, network.group)


def load_scores(
    network: ScoringNetwork, keep_features: bool, device: torch.device
) -> Callable[[Sequence[Prepared]], list[Scored | ItemError]]:
    """What scores images on a device."""
    return partial(network.scorer(device).score, keep_features=keep_features)

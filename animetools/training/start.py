"""What a run begins with: new networks, a snapshot that it resumes, or weights of another network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from animetools.dataset.annotations import annotations
from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from animetools.netfiles.fetch import locate
from animetools.netfiles.networkfile import NetworkFile
from animetools.training import matching, resume, snapshots, transfer
from animetools.training.architecture import Configs
from animetools.training.config import TrainConfig
from animetools.training.gan import GAN
from animetools.training.loader import LabelTable
from animetools.training.ranks import ALONE, Ranks
from animetools.training.settings import as_networks, refuse_architecture, settings


@dataclass(frozen=True)
class Start:
    """The settings of a run, the configs of its networks, and where their weights come from."""

    images: Images
    device: torch.device
    config: TrainConfig
    configs: Configs
    saved: NetworkFile | None = None  # the snapshot that is resumed
    source: NetworkFile | None = None  # the network whose weights are copied
    transferred: str = ""  # its name, or that of the one that the snapshot began with
    seen: int = 0  # images, where a new run begins

    @property
    def facts(self) -> dict[str, Any]:
        """What snapshots say of the run."""
        facts: dict[str, Any] = {"dataset": self.images.name, "images": len(self.images)}
        facts |= self.images.label_facts
        return facts | ({"transfer": self.transferred} if self.transferred else {})

    @property
    def fingerprint(self) -> list[str]:
        """What must be the same on all ranks."""
        return [self.images.identity.digest, f"{self.config}"]

    def refuse_others(self, fingerprint: list[str]) -> None:
        """Raise FatalError if this is not the fingerprint of rank 0."""
        if self.fingerprint != fingerprint:
            raise FatalError(
                "it has other images or settings than rank 0: give all ranks the same dataset and"
                " options"
            )

    def gan(self, ranks: Ranks = ALONE) -> tuple[GAN, str]:
        """The networks, and which layers of the source do not fit, if there is one.

        Raises FatalError if the snapshot does not fit.
        """
        labels = LabelTable(self.images) if self.config.cond else None
        gan, said = transfer.gan_of(
            self.config, self.configs, self.device, self.source, labels, self.seen, ranks
        )
        if self.saved:
            snapshots.restore(gan, self.saved, self.config)
        return gan, said


def start(
    given: Mapping[str, Any],
    images: Images,
    device: torch.device,
    resumed: str,
    transferred: str,
    resume_kimg: float | None,
    note: Callable[[str], object],
) -> Start:
    """What a run on these images begins with, that resumes or transfers a file, with these settings.

    Raises FatalError if they do not go together, or a file is unsuitable.
    """
    saved = resume.read(resumed) if resumed else None
    if device.type == "cuda" and not saved and given.get("preset") != "s1":
        given = {"dtype": "fp16", **given}
    side = max(images.height, images.width)
    config = settings(given, side, saved, resumed, transfer=bool(transferred))
    images.mirror, images.conditional = config.mirror, config.cond
    begin = Start(images, device, config, transfer.new_configs(config, images))
    if saved:
        configs = matching.resumed_configs(begin.configs, saved, resumed)
        first = saved.facts.get("transfer", "")
        config = as_networks(config, begin.configs, configs)
        begin = replace(begin, config=config, configs=configs, saved=saved, transferred=first)
        resume.refuse_other_labels(saved, images.label_names, resumed)
    elif transferred:
        begin = _transferring(begin, given, transferred, resume_kimg, note)
    for found, cure in annotations(images.pictures, learned=config.cond):
        note(f"{images.path} has {found}, which sgtrain does not learn: {cure}")
    transfer.refuse_too_frozen(config, begin.configs)
    if config.dtype != "fp32" and not transfer.precision_of(config.dtype, device):
        note(f"--dtype {config.dtype} is slow on this device: training in fp32")
    return begin


def _transferring(
    begin: Start,
    given: Mapping[str, Any],
    path: str,
    resume_kimg: float | None,
    note: Callable[[str], object],
) -> Start:
    """A run of new networks, begun with the weights of a file instead."""
    config, new = begin.config, begin.configs
    source = transfer.source_of(locate(path))
    configs = matching.configs_like(new, source, path)
    refuse_architecture(given, new[0], source.generator.config, path)
    seen, lost = transfer.seen_before(config, configs, source, path, resume_kimg)
    if "preset" in given and configs != new:
        note(f"the networks are those of {path}, not of {config.preset}")
    if lost:
        note(f"{lost}: raise --resume-kimg to keep it")
    config = as_networks(config, new, configs)
    return replace(
        begin, config=config, configs=configs, source=source, transferred=path, seen=seen
    )

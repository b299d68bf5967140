"""Snapshots of sgtrain: networks that any command reads, and all that the run needs to resume."""

import os
import zipfile
from dataclasses import asdict
from typing import Any

import torch

from animetools.errors import FatalError, ItemError
from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import Config
from animetools.networks.discriminator import Discriminator
from animetools.runs.snapshots import listed, named
from animetools.training import growth
from animetools.training.config import TrainConfig
from animetools.training.gan import GAN
from animetools.training.networks import learning

NETWORKS = ("G", "D", "G_ema")


def write(folder: str, gan: GAN, config: TrainConfig, facts: dict[str, Any]) -> str:
    """Write the snapshot of a run as it is now; returns its path."""
    state = gan.state()
    configs: dict[str, Config] = {
        "G": gan.generator.config,
        "D": gan.discriminator.config,
        "G_ema": gan.ema.config,
    }
    networks = {name: SavedNetwork(configs[name], state.pop(name)) for name in NETWORKS}
    kimg = gan.seen / 1000
    facts = facts | {"kimg": kimg, "config": asdict(config)}
    path = os.path.join(folder, named(kimg))
    checkpoints.write(path, NetworkFile("animetools", networks, facts, state))
    return path


def read(path: str) -> NetworkFile:
    """A snapshot with the state of its run, whose networks are what its configs say.

    Raises FatalError for another file, or a damaged one.
    """
    try:
        snapshot = checkpoints.read(path)
        if (
            snapshot.training is None
            or set(snapshot.networks) != set(NETWORKS)
            or not isinstance(snapshot.facts.get("config"), dict)
        ):
            raise ItemError(
                "it holds no state of a run to resume: start a new run from its weights with --transfer"
            )
        for network in snapshot.networks.values():
            network.build()
        if not _is_whole(path):
            raise ItemError("damaged: a checksum does not match")
    except ItemError as why:
        raise FatalError(f"{path}: {why}") from why
    return snapshot


def restore(gan: GAN, snapshot: NetworkFile, config: TrainConfig) -> None:
    """Have a GAN continue from a snapshot, whose settings may differ.

    Raises FatalError for a snapshot of other networks, or one that has grown further than the
    settings say.
    """
    networks = {name: network.state for name, network in snapshot.networks.items()}
    state = networks | (snapshot.training or {})
    had = snapshot.facts["config"]
    before, adam = had.get("freeze_d"), state.get("D_adam")
    if type(before) is int and before != config.freeze_d and type(adam) is dict:
        state["D_adam"] = _renumbered(adam, gan.discriminator, before, config.freeze_d)
    gan.load_state(state)
    if why := growth.setback(config, gan.resolution, gan.seen / 1000, gan.lod):
        raise FatalError(f"{why}: leave out --stable-kimg and --fade-kimg")
    if config.aug == "fixed" or config.p != had.get("p"):
        gan.p = torch.tensor(config.p)


def home(resumed: str) -> str | None:
    """The folder of the run whose last snapshot this is; None if the run has continued since."""
    folder = os.path.dirname(resumed) or "."
    ours = os.path.exists(os.path.join(folder, "run.json"))
    last = listed(folder)[-1:] if ours else []
    return folder if last and os.path.samefile(last[0], resumed) else None


def _is_whole(path: str) -> bool:
    """Whether all parts of a file of torch.save match their checksums, which torch does not check."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except Exception:  # noqa: BLE001  of a damaged file zipfile raises half a dozen kinds
        return False


def _renumbered(
    adam: dict[Any, Any], discriminator: Discriminator, before: int, now: int
) -> dict[Any, Any]:
    """Adam's state by the number of the parameter, where other layers are frozen than before."""
    then, later = learning(discriminator, before), learning(discriminator, now)
    places = {parameter: number for number, parameter in enumerate(later)}
    numbers = {n: places[parameter] for n, parameter in enumerate(then) if parameter in places}
    # Weight and bias of a classifier, if there is one, come last.
    numbers |= {len(then) + n: len(later) + n for n in range(2)}
    return {new: adam[old] for old, new in numbers.items() if old in adam}

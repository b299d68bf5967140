"""Where runs live: their folders, and the snapshots that they go on from."""

import fcntl
import json
import os
import re
import zipfile
from dataclasses import asdict, dataclass
from typing import Any
from weakref import finalize

import torch

from animetools import atomic
from animetools.errors import FatalError, ItemError
from animetools.names import fitted
from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import Config
from animetools.networks.stylegan2.modules import Discriminator
from animetools.training.config import TrainConfig
from animetools.training.step import Trainer, layers_from_image

NETWORKS = ("G", "D", "G_ema")
RUN = re.compile(r"(\d{5,9})-.*")
SNAPSHOT = re.compile(r"snapshot-(\d{6,9}(?:\.\d{3})?)\.pkl")  # once without the fraction


@dataclass(frozen=True)
class Pace:
    """When a run saves, and what it keeps."""

    kimg: float = 200.0  # between two snapshots
    minutes: float = 30.0  # nor longer
    keep: int = 5  # of the last; 0: all
    keep_every: int = 0  # kimg, besides

    def count(self, kimg: float) -> int:
        """How many snapshots there are at once in a run of so many kimg, about."""
        count = self.keep + 1 if self.keep else int(kimg / self.kimg) + 1
        return count + int(kimg / self.keep_every) if self.keep and self.keep_every else count


def write(folder: str, trainer: Trainer, config: TrainConfig, facts: dict[str, Any]) -> str:
    """Write the snapshot of a run as it is now; returns its path.

    Any command reads its networks; with the rest of it a run goes on as if it had never stopped.
    """
    state = trainer.state()
    configs: dict[str, Config] = {
        "G": trainer.generator.config,
        "D": trainer.discriminator.config,
        "G_ema": trainer.ema.config,
    }
    networks = {name: SavedNetwork(configs[name], state.pop(name)) for name in NETWORKS}
    kimg = trainer.seen / 1000
    facts = facts | {"kimg": kimg, "config": asdict(config)}
    path = os.path.join(folder, named(kimg))
    checkpoints.write(path, NetworkFile("animetools", networks, facts, state))
    return path


def named(kimg: float) -> str:
    """What a snapshot is called after so many kimg; the names sort as the numbers do."""
    return f"snapshot-{kimg:010.3f}.pkl"


def read(path: str) -> NetworkFile:
    """A snapshot with the state of its run, whose networks are what its configs say.

    Raises FatalError if it is none, or damaged.
    """
    try:
        snapshot = checkpoints.read(path)
        if (
            snapshot.training is None
            or set(snapshot.networks) != set(NETWORKS)
            or not isinstance(snapshot.facts.get("config"), dict)
        ):
            raise ItemError(
                "no state of a run to resume is in it; begin a new one with its weights: --transfer"
            )
        for network in snapshot.networks.values():
            network.build()
        if not _is_whole(path):
            raise ItemError("damaged: a checksum does not agree")
    except ItemError as why:
        raise FatalError(f"{path}: {why}") from why
    return snapshot


def restore(trainer: Trainer, snapshot: NetworkFile, config: TrainConfig) -> None:
    """Have a trainer go on from a snapshot, with settings that may be others than it had.

    Raises FatalError if it is of other networks.
    """
    networks = {name: network.state for name, network in snapshot.networks.items()}
    state = networks | (snapshot.training or {})
    had = snapshot.facts["config"]
    before, adam = had.get("freeze_d"), state.get("D_adam")
    if type(before) is int and before != config.freeze_d and type(adam) is dict:
        state["D_adam"] = _renumbered(adam, trainer.discriminator, before, config.freeze_d)
    trainer.load_state(state)
    if config.aug == "fixed" or config.p != had.get("p"):
        trainer.p = torch.tensor(config.p)


def snapshots(folder: str) -> list[str]:
    """The snapshots of a run, oldest first."""
    found = [
        (float(name[1]), name[0]) for name in map(SNAPSHOT.fullmatch, os.listdir(folder)) if name
    ]
    return [os.path.join(folder, name) for _, name in sorted(found)]


def prune(folder: str, pace: Pace) -> None:
    """Remove old snapshots, but not the first at or after each multiple of `keep_every` kimg."""
    reached = 0.0
    for path in snapshots(folder)[: -pace.keep] if pace.keep else []:
        kimg = float(os.path.basename(path).removeprefix("snapshot-").removesuffix(".pkl"))
        multiple = kimg // pace.keep_every if pace.keep_every else 0
        if multiple > reached:
            reached = multiple
        else:
            os.unlink(path)


def home(resumed: str) -> str | None:
    """The folder of the run whose last snapshot this is; None if the run has gone further."""
    folder = os.path.dirname(resumed) or "."
    ours = os.path.exists(os.path.join(folder, "run.json"))
    last = snapshots(folder)[-1:] if ours else []
    return folder if last and os.path.samefile(last[0], resumed) else None


def runs(results: str) -> list[tuple[int, str]]:
    """The folders of runs below `results`, by their numbers."""
    try:
        names = os.listdir(results)
    except FileNotFoundError:
        return []
    found = filter(None, map(RUN.fullmatch, names))
    return [(int(name[1]), os.path.join(results, name[0])) for name in found]


def following(results: str, name: str) -> str:
    """The next folder below `results`: 00003-NAME."""
    number = max((number for number, _ in runs(results)), default=-1) + 1
    return fitted(os.path.join(results, f"{number:05d}-{name}"), "")


class Folder:
    """A run's own folder, in which no other process trains meanwhile."""

    def __init__(self, path: str) -> None:
        """Take a folder, and remove what a killed run left half written.

        Raises FatalError if another process has it.
        """
        self.path = path
        self.lock = os.open(
            os.path.join(path, ".lock"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666
        )
        finalize(self, os.close, self.lock)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FatalError(f"{path}: another process is training there") from None
        atomic.sweep([os.path.join(path, "")])

    @classmethod
    def new(cls, results: str, name: str) -> "Folder":
        """The folder of a new run."""
        while True:
            path = following(results, name)
            try:
                os.makedirs(path)
            except FileExistsError:  # another run begins in this moment
                continue
            return cls(path)

    def add(self, name: str, line: str) -> None:
        """Add a line to a file."""
        with open(os.path.join(self.path, name), "a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def tell(self, told: dict[str, Any]) -> None:
        """Write run.json, with every setting."""
        text = json.dumps(told, indent=1)
        atomic.write(os.path.join(self.path, "run.json"), text.encode() + b"\n")


def _is_whole(path: str) -> bool:
    """Whether all parts of a file of torch.save agree with their checksums; torch holds none to them."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except Exception:  # noqa: BLE001  of a damaged file zipfile raises half a dozen kinds
        return False


def _renumbered(
    adam: dict[Any, Any], discriminator: Discriminator, before: int, now: int
) -> dict[Any, Any]:
    """Adam's state by the number of the parameter, where others learn now than did before."""

    def learning(frozen: int) -> list[torch.nn.Parameter]:
        layers = layers_from_image(discriminator)[:frozen]
        still = {parameter for layer in layers for parameter in layer.parameters()}
        return [parameter for parameter in discriminator.parameters() if parameter not in still]

    numbers = {parameter: number for number, parameter in enumerate(learning(now))}
    return {
        numbers[parameter]: adam[number]
        for number, parameter in enumerate(learning(before))
        if number in adam and parameter in numbers
    }

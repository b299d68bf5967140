"""Several processes, the ranks, train one network: each learns from its share of every batch.

All draw the random numbers of a whole batch, in the same order from the same seed, and keep those of
their share; each loads its own images only. What depends on the whole batch is added up over all
ranks: gradients, the average w, path lengths, signs of scores. So several ranks learn what one
process does, but for rounding. What they draw for others takes a thousandth of a step on a CPU; on
a card it takes memory for a moment, 4 bytes for each pixel of each layer and image of the batch.

Gradients are added up in one piece before each step of an optimizer, which has them in one tensor,
not by DistributedDataParallel. That sums in hooks while `backward` runs, once for each forward pass
of a module; but R1 and path lengths differentiate gradients, some parts run twice, and those of a
batch add up. It would save no bytes, only some waiting where a network is large.

Rank 0 runs the loop, writes and prints. The others do each step as it tells them, so all agree on
where to stop, and on the snapshot to go back to. Tensors go through gloo on CPUs, and through NCCL
on cards, of which each rank of a machine has its own.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from animetools.errors import FatalError
from animetools.networks.devices import devices
from animetools.runs.loop import Training
from animetools.training.architecture import parts
from animetools.training.config import TrainConfig
from animetools.training.rendezvous import GiveUp, Watch, meet

ORDER = 8192  # bytes, at most


@dataclass(frozen=True)
class Ranks:
    """The processes of a run, of which this is number `rank` of `count`.

    On its machine it is number `local` of `here`.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    here: int = 1
    watch: Watch | None = None

    @property
    def leads(self) -> bool:
        """Whether this rank writes, prints and tells the others what to do."""
        return self.rank == 0

    def places(self, count: int, parts: int) -> Tensor:
        """Where this rank's images are in a batch: each part of the batch is split among the ranks."""
        pieces = torch.arange(count).tensor_split(parts * self.count)
        return torch.cat(pieces[self.rank :: self.count])

    def share(self, own: int) -> tuple[slice, int]:
        """Where this rank's images are among those of all ranks in order, and how many those are."""
        return slice(self.rank * own, (self.rank + 1) * own), self.count * own

    def add(self, values: Tensor) -> None:
        """Add up a tensor over all ranks, in place."""
        self._share(dist.all_reduce, values)

    def mean(self, rows: Tensor) -> Tensor:
        """The mean of the rows [n, d] of all ranks, [d]."""
        if self.count == 1:
            return rows.mean(0)
        sums = torch.cat([rows.sum(0), rows.new_tensor([len(rows)])])
        self.add(sums)
        return sums[:-1] / sums[-1]

    def whole(self, own: Tensor, places: Tensor, count: int) -> Tensor:
        """The rows [count, ...] of a batch, of which this rank's are at its places."""
        rows = own.new_zeros(count, *own.shape[1:])
        rows[places] = own
        self.add(rows)
        return rows

    def align(self, *networks: nn.Module) -> None:
        """Wait for all ranks, and give networks the weights of rank 0.

        Processors of other kinds draw random weights that differ in their last bits.
        """
        self._share(dist.barrier)
        for network in networks if self.count > 1 else ():
            for tensor in network.state_dict().values():
                same = tensor.contiguous()
                self._share(dist.broadcast, same, 0)
                tensor.copy_(same)

    def tell(self, *order: str | int) -> None:
        """Rank 0 tells the others what to do next; nothing: to end."""
        if self.leads and self.count > 1:
            text = json.dumps(order, ensure_ascii=False).encode(errors="surrogateescape")
            padded = bytearray(text.ljust(ORDER))
            self._share(dist.broadcast, torch.frombuffer(padded, dtype=torch.uint8), 0)

    def hear(self) -> list[Any]:
        """What rank 0 tells next."""
        text = torch.empty(ORDER, dtype=torch.uint8)
        self._share(dist.broadcast, text, 0)
        order: list[Any] = json.loads(bytes(text.tolist()).decode(errors="surrogateescape"))
        return order

    def stopping(self, asked: Callable[[], bool]) -> bool:
        """Whether this rank is asked to stop; for rank 0, whether any is."""
        if self.watch and asked():
            self.watch.asked.set()
        return self.watch.asked.is_set() if self.watch else asked()

    def follow(self, training: Training, asked: Callable[[], bool]) -> None:
        """Do what rank 0 tells until it ends."""
        self.stopping(asked)
        while order := self.hear():
            match order:
                case ["step"]:
                    training.step()
                case ["restore", path]:
                    training.restore(path)
                case ["diverge", number]:
                    training.diverge(number)
            self.stopping(asked)

    def _share(self, exchange: Callable[..., object], *arguments: Any) -> None:
        """What needs all ranks; if one is lost, the process ends."""
        if not self.watch:
            return
        try:
            exchange(*arguments)
        except RuntimeError as why:
            self.watch.alarm(f"{why}".partition("\n")[0])


ALONE = Ranks()


@contextmanager
def joined(environment: Mapping[str, str], give_up: GiveUp) -> Iterator[Ranks]:
    """This process as one of those that torchrun started, by its variables in the environment.

    Raises FatalError if they do not find each other.
    """
    if environment.get("WORLD_SIZE", "1") == "1":
        yield ALONE
        return
    try:
        local, here = int(environment["LOCAL_RANK"]), int(environment["LOCAL_WORLD_SIZE"])
        watch = meet(environment, give_up)
    except KeyError as why:
        raise FatalError(f"WORLD_SIZE is set, but not {why}: start sgtrain with torchrun") from None
    except ValueError as why:
        raise FatalError(
            f"what torchrun sets in the environment is no number ({why}): start sgtrain with torchrun"
        ) from None
    ranks = Ranks(watch.rank, watch.count, local, here, watch)
    try:
        yield ranks
    except BaseException:
        watch.fail()
        raise
    ranks.tell()
    if not ranks.leads:
        watch.end()
    with suppress(RuntimeError):
        dist.barrier()  # rank 0, whose store it may be, stays to the end
    watch.end()


def device_of(name: str, ranks: Ranks) -> torch.device:
    """The device of a rank: of several, each has a card of its own, or all share the CPU.

    Raises FatalError if there is none.
    """
    if ranks.count == 1:
        return devices(name)[0]
    if name not in ("auto", "cpu", "cuda"):
        raise FatalError(f"--device {name}: ranks take cpu, or cuda, where each has its own card")
    if name == "cpu" or not (name == "cuda" or torch.cuda.is_available()):
        return torch.device("cpu")
    card = devices(f"cuda:{ranks.local}")[0]
    torch.cuda.set_device(card)  # for NCCL
    return card


def refuse_odd_batch(config: TrainConfig, resolution: int, group: int, count: int) -> None:
    """Raise FatalError if some batch does not divide among so many ranks in whole minibatch groups."""
    for part in parts(config, resolution) if count > 1 else ():
        if part % (count * group):
            pieces = f" and {config.accumulate} parts" if config.accumulate > 1 else ""
            raise FatalError(
                f"--batch {part * config.accumulate} does not divide among {count} ranks{pieces} in"
                f" minibatch groups of {group} images: choose a multiple of"
                f" {count * config.accumulate * group}, or a lower --mbstd"
            )

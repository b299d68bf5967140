"""How the ranks of a run find each other, and notice that one is gone.

They meet at a store, a small server that torchrun or rank 0 has. There each says every second that
it lives. So a lost rank is noticed on any machine, in whatever the others wait for it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore  # dist does not declare them

from animetools.errors import FatalError

COMING = 120.0  # seconds until all ranks must have come
LONG = timedelta(days=30)  # that a rank may wait for another, for rank 0 computes metrics
BEAT = 1.0  # seconds between two signs of life
PATIENCE = 30  # beats without one, until a rank counts as lost
ALARMED = 5  # the same, after a connection has broken
AGAIN = "start all again with --resume latest, which continues from the last snapshot"

GiveUp = Callable[[str, int], NoReturn]
"""Ends the process from any thread, with a sentence, unless it is empty, and an exit status."""


class Watch:
    """A thread that says that this rank lives, and ends the process if another does not.

    `asked` tells whether this rank is asked to stop; for rank 0, whether any is.
    """

    def __init__(
        self, store: Store, rank: int, count: int, give_up: GiveUp, *, has_store: bool
    ) -> None:
        self.store, self.rank, self.count, self.give_up = store, rank, count, give_up
        self.has_store = has_store
        self.asked, self.alarmed, self.ended = (threading.Event() for _ in range(3))
        self.why = ""  # an exchange failed
        self.beats = 0
        self.signs = [b""] * count  # of all ranks
        self.missed = [0] * count  # beats since they changed
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """What others do no longer matters."""
        self.ended.set()

    def fail(self) -> None:
        """This rank ends with an error, and will say so: the others end silently."""
        self.ended.set()
        self.store.set(_life(self.rank), "failed")
        if self.has_store:
            time.sleep(2 * BEAT)  # it ends with this process

    def alarm(self, why: str) -> NoReturn:
        """An exchange has failed: find out who is lost, and end the process."""
        self.why = why
        self.alarmed.set()
        while True:
            threading.Event().wait()

    def _watch(self) -> None:
        alarmed = 0
        while not self.ended.wait(BEAT):
            self.beats += 1
            alarmed += self.alarmed.is_set()
            try:
                self._exchange()
            except RuntimeError:
                if not self.ended.is_set():
                    self._end_lost([0])
                return
            patience = ALARMED if alarmed else PATIENCE
            if b"failed" in self.signs:
                self.give_up("", 2)
            if lost := [rank for rank, beats in enumerate(self.missed) if beats >= patience]:
                self._end_lost(lost)
            if alarmed > PATIENCE:
                self.give_up(f"the ranks cannot exchange tensors ({self.why}): {AGAIN}", 1)

    def _exchange(self) -> None:
        """Give a sign of life, and see those of the others."""
        self.store.set(_life(self.rank), f"{self.beats}{' stop' * self.asked.is_set()}")
        signs = self.store.multi_get([_life(rank) for rank in range(self.count)])
        if self.rank == 0 and any(sign.endswith(b"stop") for sign in signs):
            self.asked.set()
        pairs = zip(self.missed, self.signs, signs, strict=True)
        self.missed = [beats + 1 if old == new else 0 for beats, old, new in pairs]
        self.signs = signs

    def _end_lost(self, lost: list[int]) -> None:
        """End the process; the first of the ranks that are left says why."""
        first = min(set(range(self.count)) - set(lost))
        names = " and ".join(f"rank {rank} of {self.count}" for rank in lost)
        were = "were" if len(lost) > 1 else "was"
        self.give_up(f"{names} {were} lost: {AGAIN}" if self.rank == first else "", 1)


def meet(environment: Mapping[str, str], give_up: GiveUp, *, seconds: float = COMING) -> Watch:
    """Wait until all ranks have come and connect them; the environment is as torchrun makes it.

    Raises FatalError if they do not come, or do not reach each other.
    """
    rank, count = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    host, port = environment["MASTER_ADDR"], int(environment["MASTER_PORT"])
    has_store = rank == 0 and environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    place, wait = f"{host}:{port}", timedelta(seconds=seconds)
    try:
        server = TCPStore(host, port, None, has_store, wait, wait_for_workers=False)
        other = TCPStore(host, port, None, False, wait)
    except RuntimeError as why:
        if has_store:
            raise FatalError(f"{place} cannot be listened at: choose another port ({why})") from why
        raise FatalError(
            f"rank 0 of {count} did not answer at {place} within {seconds:g} seconds: start all"
            " ranks again, with torchrun"
        ) from why
    attempt = f"attempt/{environment.get('TORCHELASTIC_RESTART_COUNT', 0)}"
    store = PrefixStore(attempt, server)  # torchrun's store outlives the ranks that it restarts
    if store.add(f"came/{rank}", 1) > 1:
        raise FatalError(f"another rank {rank} is at {place} already: choose another port")
    store.set(_life(rank), "0")
    everyone = [_life(each) for each in range(count)]
    try:
        store.wait(everyone, wait)
    except RuntimeError as why:
        absent = [f"{each}" for each, life in enumerate(everyone) if not store.check([life])]
        raise FatalError(
            f"of {count} ranks, {' and '.join(absent)} did not come to {place} within"
            f" {seconds:g} seconds: start all again"
        ) from why
    watch = Watch(PrefixStore(attempt, other), rank, count, give_up, has_store=has_store)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(
            backend,
            store=PrefixStore("group", store),
            rank=rank,
            world_size=count,
            timeout=LONG,
        )
    except RuntimeError as why:
        raise FatalError(
            f"the ranks cannot connect ({why}): set GLOO_SOCKET_IFNAME, and NCCL_SOCKET_IFNAME for"
            " cards, to the network between their machines"
        ) from why
    return watch


def _life(rank: int) -> str:
    return f"life/{rank}"

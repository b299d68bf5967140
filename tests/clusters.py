"""Dask clusters for tests: a scheduler and workers, each a process of its own on this machine."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import ROOT

DASK = [sys.executable, "-m", "dask"]
TICKS = os.sysconf("SC_CLK_TCK")


class Cluster:
    """A scheduler and workers of one thread each, which stand in another folder than the tests."""

    def __init__(
        self, folder: Path, workers: int, *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it; `folder` is for its files, `environment` is added to that of all."""
        self.folder = folder
        self.environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {})
        folder.mkdir(parents=True)
        self.known = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        known = ["--scheduler-file", str(self.known)]
        self.scheduler = self.start(["scheduler", *options, *known])
        self.workers: list[subprocess.Popen[bytes]] = []
        while not self.known.exists() or not self.known.read_text().endswith("}"):
            assert self.scheduler.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        self.address: str = json.loads(self.known.read_text())["address"].removeprefix("tcp://")
        for _ in range(workers):
            self.add()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        self.dismiss()
        self.scheduler.kill()
        self.scheduler.wait()

    def add(
        self,
        options: Sequence[str] = ("--no-nanny",),
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start another worker, by a command that starts it if there is a `prefix`."""
        known = ["--scheduler-file", str(self.known)]
        places = ["--no-dashboard", "--local-directory", str(self.folder)]
        words = ["worker", "--host", "127.0.0.1", "--nthreads", "1", *places, *known, *options]
        self.workers.append(self.start(words, prefix, environment))
        return self.workers[-1]

    def start(
        self,
        words: Sequence[str],
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process of it."""
        env = self.environment | dict(environment or {})
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*prefix, *DASK, *words], stdout=log, stderr=log, cwd="/", env=env
            )

    def dismiss(self) -> None:
        """End all workers."""
        for process in self.workers:
            process.kill()
            process.wait()
        self.workers.clear()

    def cpu_seconds(self) -> float:
        """What the processes that live have used so far."""
        used = 0.0
        for process in (*self.workers, self.scheduler):
            with suppress(FileNotFoundError):
                fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
                used += (int(fields[11]) + int(fields[12])) / TICKS
        return used

"""Which workers do the work: those of a Dask cluster, by `--cluster HOST:PORT` or `local:N`."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from animetools.cli.workers import Workers

T = TypeVar("T")

USUAL_PORT = 8786
MOST_LOCAL = 1024

ADDRESS = re.compile(r"(?:(?:tcp|tls|ws|wss)://)?(?:\[[0-9a-fA-F:.%]+\]|[^\s/:\[\]]+):(\d{1,5})")


def address(text: str) -> str:
    """The address of a scheduler, or local:N.

    Raises ValueError if it is neither.
    """
    if text.startswith("local:"):
        number = text.removeprefix("local:")
        if not (number.isascii() and number.isdigit() and 1 <= int(number) <= MOST_LOCAL):
            raise ValueError(
                f"local:N takes a number of processes, 1 to {MOST_LOCAL}, not '{text}'"
            )
        return text
    found = ADDRESS.fullmatch(text)
    if found and 1 <= int(found[1]) <= 65535:
        return text
    if found:
        raise ValueError(f"a port is 1 to 65535, not {found[1]}")
    if re.fullmatch(r"(\w+://)?[^\s/:]+:?", text):
        raise ValueError(f"'{text}' has no port: HOST:PORT, usually HOST:{USUAL_PORT}")
    raise ValueError(f"'{text}' is neither HOST:PORT of a Dask scheduler nor local:N")


def on_same_device(options: T) -> T:
    """The options of a command, for workers that may have other devices than this machine.

    Raises ValueError if they cannot be.
    """
    device = getattr(options, "device", "")
    if device == "all":
        raise ValueError(
            "--device all and --cluster exclude each other: start a worker for each card, with"
            " CUDA_VISIBLE_DEVICES, and use --device cuda"
        )
    return replace(options, device="cpu") if device == "auto" else options  # type: ignore[type-var]


def workers_of(place: str) -> Callable[[int], Workers]:
    """What starts the workers of a run on the cluster at this address."""

    def start(jobs: int) -> Workers:
        from animetools.cli.connection import connected  # late: --help does without

        return connected(place).workers(jobs)

    return start

"""Ranks in processes of this machine, as torchrun starts them, but without its start of a minute."""

import socket
from collections.abc import Iterator


def environments(count: int, port: int | None = None) -> Iterator[dict[str, str]]:
    """What each of so many ranks finds in its environment."""
    place = port or free_port()
    for rank in range(count):
        numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        texts = {name: str(number) for name, number in numbers.items()}
        yield texts | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(place)}


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number

"""Which processors compute, and in which precision."""

import torch

from animetools.errors import FatalError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def devices(name: str) -> list[torch.device]:
    """The devices of "auto", "cpu", "cuda", "cuda:1", "mps" or "all" (every card).

    "auto" is the first card that there is, else the CPU.

    Raises FatalError if there is no such device.
    """
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if cards else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "all":
        if not cards:
            raise FatalError("--device all: there is no card here that CUDA can use")
        return [torch.device("cuda", n) for n in range(cards)]
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (
        colon and not (kind == "cuda" and number.isdecimal())
    ):
        raise FatalError(f"--device is auto, cpu, cuda, cuda:1, all or mps, not '{name}'")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise FatalError("--device mps: there is no Apple processor here that torch can use")
    if kind == "cuda" and int(number or 0) >= cards:
        raise FatalError(
            f"--device {name}: there {'is 1 card' if cards == 1 else f'are {cards} cards'} here"
            " that CUDA can use"
        )
    return [torch.device(kind, int(number or 0)) if kind == "cuda" else torch.device(kind)]

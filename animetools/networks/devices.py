"""The devices that compute, and their precisions."""

import torch

from animetools.errors import FatalError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def devices(name: str) -> list[torch.device]:
    """The devices of "auto", "cpu", "cuda", "cuda:1", "mps" or "all" (every GPU).

    "auto" is the first GPU, or the CPU if there is none.

    Raises FatalError if the device does not exist.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if gpus else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "all":
        if not gpus:
            raise FatalError("--device all: CUDA finds no GPU here")
        return [torch.device("cuda", n) for n in range(gpus)]
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (
        colon and not (kind == "cuda" and number.isdecimal())
    ):
        raise FatalError(f"--device is auto, cpu, cuda, cuda:1, all or mps, not '{name}'")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise FatalError("--device mps: torch finds no Apple GPU here")
    if kind == "cuda" and int(number or 0) >= gpus:
        raise FatalError(f"--device {name}: CUDA finds {gpus or 'no'} GPU{'s' * (gpus > 1)} here")
    return [torch.device(kind, int(number or 0)) if kind == "cuda" else torch.device(kind)]

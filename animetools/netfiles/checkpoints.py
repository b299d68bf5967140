"""Network files of any layout, recognized by their content; three layouts are written."""

import os
import re
from collections.abc import Callable
from typing import IO, Any, BinaryIO, cast

import torch

from animetools import atomic
from animetools.netfiles import (
    genforce,
    lucidrains,
    own,
    pickles,
    pytorch,
    rosinality,
    safetensors,
    tensorflow,
)
from animetools.netfiles.foreign import refuse_foreign
from animetools.netfiles.machine import refuse
from animetools.netfiles.networkfile import NetworkFile


def read(path: str) -> NetworkFile:
    """The networks of a file, whichever program wrote it.

    Nothing in it is executed, and no tensor is copied that the file can be mapped for. Configs are
    checked here; that the tensors agree with them is checked where a network is built.

    Raises OSError if the file cannot be opened, ItemError, one sentence, if it has no network.
    """
    file = _read(path, pickles.mapped(path))
    # The original programs put their progress into the file's name only.
    if name := re.search(r"network-snapshot-(\d{6,9})", os.path.basename(path)):
        file.facts.setdefault("kimg", int(name[1]))
    return file


def _read(path: str, data: memoryview) -> NetworkFile:
    head = bytes(data[:9])
    if head.startswith(b"PK\x03\x04"):
        return _from_torch(path, pickles.load_torch_zip(data))
    if pickles.is_torch_legacy(data):
        return _from_torch(path, pickles.load_torch_legacy(data))
    if safetensors.begins(head):
        return safetensors.read(path)
    if not head.startswith(b"\x80"):  # as all pickles of StyleGANs
        refuse("not a network file: neither a pickle, a PyTorch checkpoint nor safetensors")
    value = pickles.load_pickle(data)
    return pytorch.read(value) if type(value) is dict else tensorflow.read(value)


def _from_torch(path: str, value: Any) -> NetworkFile:
    if own.is_of(value):
        return own.read(value)
    if lucidrains.is_of(value):
        return lucidrains.read(value, os.path.dirname(path))
    if rosinality.is_of(value):
        return rosinality.read(value)
    if genforce.is_of(value):
        return genforce.read(value)
    refuse_foreign(value, "a PyTorch checkpoint without a StyleGAN")


def write(path: str, file: NetworkFile) -> None:
    """Write a file in the layout of its name's suffix, one of WRITERS.

    Raises ItemError for networks that the layout cannot hold.
    """
    encode = WRITERS[os.path.splitext(path)[1]]
    with atomic.writing(path) as out:
        encode(file, out)


def _save(content: dict[str, Any], out: BinaryIO) -> None:
    """torch.save, which hides what is wrong with a file that it writes to."""
    told = _Told(out)
    torch.save(content, cast(IO[bytes], told))  # it wants no more of a file than this
    if told.error is not None:
        raise told.error


class _Told:
    """A file that takes all that is written to it, and keeps the first error for later."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.error: OSError | None = None

    def write(self, data: memoryview) -> int:
        try:
            if self.error is None:
                self.out.write(data)
        except OSError as why:
            self.error = why
        return len(data)

    def flush(self) -> None:
        """Nothing: the file is flushed where it is closed."""


WRITERS: dict[str, Callable[[NetworkFile, BinaryIO], None]] = {
    ".pkl": lambda file, out: _save(own.content(file), out),
    ".safetensors": safetensors.write,
    ".pt": lambda file, out: _save(rosinality.content(file), out),
}

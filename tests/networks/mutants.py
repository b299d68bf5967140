"""Network files of every kind with something broken in them."""

import argparse
import io
import pickle
import pickletools
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from animetools.networks import ada, tensorflow
from animetools.networks.pickles import load_pickle, load_torch_legacy, load_torch_zip
from tests.networks import files, goldens

Read = Callable[[Any], Any]
CODES = [ord(opcode.code) for opcode in pickletools.opcodes]
EXTREME = [b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x80"]
NAMES = [b"torch", b"numpy", b"posix", b"_codecs", b"FloatStorage", b"HalfStorage", b"float32"]


def from_tensorflow(data: Any) -> Any:
    """The generator of a file of TensorFlow, after all networks were read."""
    return tensorflow.read(load_pickle(data)).generator.build()


def from_ada(data: Any) -> Any:
    """The generator of a file of PyTorch, after all networks were read."""
    return ada.read(load_pickle(data)).generator.build()


def _state(*, legacy: bool) -> bytes:
    tensors = goldens.ada_state(files.ada_info("s2-orig-32-G"))
    value = {"g_ema": tensors, "latent_avg": torch.zeros(4), "args": argparse.Namespace(size=32)}
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def _old_arrays() -> bytes:
    arrays = [np.random.RandomState(i).randn(9, i).astype(np.float32) for i in range(1, 20)]
    return pickle.dumps({"arrays": arrays, "scalars": [np.float32(1), np.int64(2)]}, protocol=2)


SEEDS: dict[str, tuple[Callable[[], bytes], Read]] = {
    "stylegan": (lambda: goldens.tf_file("s1_32_labels"), from_tensorflow),
    "stylegan2-ext": (lambda: goldens.tf_file("ext_32"), from_tensorflow),
    "ada": (lambda: files.ada_file("s2-orig-32-G", "s2-skip-32-D"), from_ada),
    "protocol 2": (_old_arrays, load_pickle),
    "zip": (lambda: _state(legacy=False), load_torch_zip),
    "legacy": (lambda: _state(legacy=True), load_torch_legacy),
}


class Mutants:
    """Endless broken copies of a file, mostly broken where its structure is."""

    def __init__(self, original: bytes, seed: int | str) -> None:
        self.original, self.dice = original, random.Random(seed)
        # Networks are mostly numbers; all else lies around the names of things.
        names = re.finditer(rb"[A-Za-z_.]{4,}", original)
        near = {i for name in names for i in range(name.start() - 9, name.end() + 9)}
        self.places = sorted(i for i in near if 0 <= i < len(original))

    def next(self) -> bytes:
        """Another one."""
        data = bytearray(self.original)
        for _ in range(self.dice.choice((1, 1, 1, 2, 5))):
            self._break(data)
        return bytes(data)

    def _break(self, data: bytearray) -> None:
        dice = self.dice
        at = dice.choice(self.places) if dice.random() < 0.8 else dice.randrange(len(data))
        at = min(at, len(data) - 1)
        match dice.randrange(9):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at] = dice.choice(CODES)
            case 2:
                data[at:at] = dice.randbytes(dice.randrange(1, 9))
            case 3:
                del data[at + 1 : at + 1 + dice.choice((1, 1, 4, 100))]
            case 4:
                piece = dice.choice(EXTREME)
                data[at : at + len(piece)] = piece
            case 5:
                piece = dice.choice(NAMES)
                data[at : at + len(piece)] = piece
            case 6:
                other = dice.choice(self.places)
                data[at:at] = data[other : other + dice.choice((2, 9, 300))]
            case 7:
                data[at] = (data[at] + dice.choice((1, -1, 2))) % 256
            case 8:
                del data[at + 1 :]

"""Network files of every kind with something broken in them."""

import argparse
import io
import pickletools
import random
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from animetools.netfiles import checkpoints, pytorch, rosinality
from animetools.netfiles.pickles import load_pickle
from tests.netfiles import files, genforce_files, goldens, lucid, sg3

CODES = [ord(opcode.code) for opcode in pickletools.opcodes]
EXTREME = [b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x80"]
NAMES = [b"torch", b"numpy", b"posix", b"_codecs", b"FloatStorage", b"HalfStorage", b"float32"]


def read(data: bytes, folder: Path) -> None:
    """Read a network file and build what is in it.

    Raises ItemError for what is none.
    """
    path = folder / "network-snapshot-000001.pkl"
    path.write_bytes(data)
    for network in checkpoints.read(str(path)).networks.values():
        network.build()


def _written(end: str) -> bytes:
    """A file of ours."""
    snapshot = pytorch.read(load_pickle(files.ada_file("s2-configf-32-G", "s2-configf-32-D")))
    with TemporaryDirectory() as folder:
        path = f"{folder}/network{end}"
        checkpoints.write(path, snapshot)
        return Path(path).read_bytes()


def _saved(content: object) -> bytes:
    """A file of torch.save."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _legacy() -> bytes:
    """A .pt as torch wrote it before 1.6."""
    snapshot = pytorch.read(load_pickle(files.ada_file("s2-configf-32-G", "s2-configf-32-D")))
    content = rosinality.content(snapshot) | {"args": argparse.Namespace(size=32)}
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


ORIGINALS: dict[str, Callable[[], bytes]] = {
    "stylegan": lambda: goldens.tf_file("s1_32_labels"),
    "stylegan2-ext": lambda: goldens.tf_file("ext_32"),
    "protocol 2": lambda: goldens.tf_file("s2f_32", protocol=2),
    "ada": lambda: files.ada_file("s2-orig-32-G", "s2-skip-32-D"),
    "stylegan3": lambda: sg3.path("m32").read_bytes(),
    "ours": lambda: _written(".pkl"),
    "safetensors": lambda: _written(".safetensors"),
    "rosinality": lambda: _written(".pt"),
    "old torch": _legacy,
    "genforce": lambda: _saved(genforce_files.content("s1_lod1.5")),
    "lucidrains": lambda: _saved(lucid.content("rich")),
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

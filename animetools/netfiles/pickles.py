"""Pickles and torch's files as plain values: dicts, lists, numbers, arrays and tensors.

`machine` reads the pickles and calls nothing; here its records become the values that they stand
for, after every size is checked against the bytes that are there. Arrays and tensors are views of
the file where torch allows it, and no byte is copied twice, so a file cannot make us allocate more
than it holds.
"""

import math
import mmap
import os
import stat
import struct
from codecs import getincrementaldecoder
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.netfiles.machine import Account, Call, Global, Persistent, Text, refuse, run

DEEPEST = 64
MOST_AXES = 8
MOST_NUMBERS = 1 << 40  # in an array; far more than a file has, and torch can still count them
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # the first two pickles of torch's old files
ALIGNED = 16  # bytes; enough for every kind of number
PIECE = 1 << 20  # bytes of a long text that are decoded at once
NUMBERS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
STORAGES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.uint8,  # a hostile bool may be neither 0 nor 1
}

Buffer = memoryview | bytes | bytearray | mmap.mmap


def mapped(path: str) -> memoryview:
    """The bytes of a file, mapped copy-on-write: writing to them does not change the file.

    Raises OSError if the file cannot be opened, ItemError if it is empty or not a regular file.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        refuse("not a file")
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            refuse("an empty file")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))


def load_pickle(buffer: Buffer) -> Any:
    """The object of a pickle.

    None, bool, int, float, str, list, tuple and dict are themselves, a set is a list, bytes are
    memoryviews, numpy's arrays are arrays and its scalars numbers, torch's tensors and parameters
    are tensors; a Namespace is its dict. Objects of the StyleGANs stay `Call` records with plain
    `args` and `state`, long texts stay `Text`.

    Raises ItemError, one sentence, for anything else; a function or class is refused by its name.
    """
    data = memoryview(buffer)
    value, end = run(data, 0, account := Account())
    if end != len(data):
        refuse("data follows the pickle: not a network file")
    return _Values({}, account).plain(value)


def load_torch_zip(buffer: Buffer) -> Any:
    """The object of a file of torch.save since torch 1.6, as `load_pickle` gives it.

    Raises ItemError.
    """
    entries = _zip_entries(memoryview(buffer))
    pickles = [name for name in entries if f"/{name}".endswith("/data.pkl")]
    if len(pickles) != 1:
        refuse("a zip file, but not a PyTorch checkpoint")
    home = pickles[0].removesuffix("data.pkl")
    if bytes(entries.get(f"{home}byteorder", b"little")) != b"little":
        refuse("the tensors of this file are big-endian, which is not supported")
    pickle = entries[pickles[0]]
    value, end = run(pickle, 0, account := Account())
    if end != len(pickle):
        refuse("data follows the pickle: not a PyTorch checkpoint")
    folder = f"{home}data/"
    storages = {n.removeprefix(folder): d for n, d in entries.items() if n.startswith(folder)}
    return _Values(storages, account).plain(value)


def is_torch_legacy(buffer: Buffer) -> bool:
    """Whether this begins like a file of torch.save before torch 1.6."""
    magic = b"\x80\x02\x8a\x0a" + MAGIC.to_bytes(10, "little") + b"."
    return bytes(memoryview(buffer)[: len(magic)]) == magic


def load_torch_legacy(buffer: Buffer) -> Any:
    """The object of a file of torch.save before torch 1.6, as `load_pickle` gives it.

    Raises ItemError.
    """
    value, storages = _legacy(memoryview(buffer), account := Account())
    return _Values(storages, account).plain(value)


def refuse_shared(tensors: Iterable[Tensor]) -> None:
    """Raise ItemError if tensors share bytes of a file.

    Nothing that copies them could then be bounded by the size of the file.
    """
    held: dict[int, int] = {}
    wanted = 0
    for tensor in tensors:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        wanted += tensor.nbytes
    if wanted > sum(held.values()):
        refuse("the tensors of this file share their bytes: not a network")


class _Values:
    """What the records of one pickle stand for; `storages` are the bytes outside it, by key."""

    def __init__(self, storages: dict[str, memoryview], account: Account) -> None:
        self.storages, self.account = storages, account
        self.done: dict[int, Any] = {}
        # By what they are made of, by id, so that nothing is copied twice.
        self.copies: dict[int, NDArray[np.uint8]] = {}
        self.encoded: dict[int, memoryview] = {}
        self.loaded: dict[int, Tensor] = {}

    def plain(self, value: Any, depth: int = 0) -> Any:
        """`value` and everything in it; a record that is used several times is made once."""
        if type(value) not in (list, tuple, dict, Call, Persistent):
            return value
        if depth > DEEPEST:
            refuse(f"the pickle nests deeper than {DEEPEST} levels: not a network")
        if id(value) in self.done:
            if self.done[id(value)] is _UNDER_WAY:
                refuse("the pickle contains itself: not a network")
            return self.done[id(value)]
        self.done[id(value)] = _UNDER_WAY
        self.done[id(value)] = made = self._made(value, depth + 1)
        return made

    def _made(self, value: Any, depth: int) -> Any:
        if type(value) is list:
            return [self.plain(part, depth) for part in value]
        if type(value) is tuple:
            return tuple([self.plain(part, depth) for part in value])
        if type(value) is dict:
            return {key: self.plain(part, depth) for key, part in value.items()}
        if type(value) is Persistent:
            return self.storage(value)
        args, state = self.plain(value.args, depth), self.plain(value.state, depth)
        match value.path.rpartition(".")[2], args:
            case "dtype", (str(code), *_):
                return _dtype(code, state)
            case "_reconstruct", _ if type(state) is tuple and len(state) == 5:
                return self.array(state[4], state[2], state[1], fortran=state[3] is True)
            case "_frombuffer", (raw, kind, shape, str(order)):
                return self.array(raw, kind, shape, fortran=order == "F")
            case "scalar", (kind, raw):
                return self.array(raw, kind, ()).item()
            case "encode", (str() | Text() as text, str()):
                if id(text) not in self.encoded:
                    self.encoded[id(text)] = memoryview(_latin1(text))
                return self.encoded[id(text)]
            case "_rebuild_tensor" | "_rebuild_tensor_v2", (flat, offset, size, stride, *_):
                return _tensor(flat, offset, size, stride)
            case "_rebuild_parameter", (Tensor() as tensor, *_):
                return tensor
            case "_load_from_bytes", (memoryview() as raw,):
                if id(raw) not in self.loaded:
                    self.loaded[id(raw)] = self.nested(raw)
                return self.loaded[id(raw)]
            case "set", (list(members),):
                return members
            case "Namespace", () if type(state) is dict:
                return state
            case "Network" | "_reconstruct_persistent_obj", _:
                return Call(value.function, args, state)
        refuse(f"the pickle calls {value.path} with unexpected arguments")

    def array(
        self, raw: Any, kind: Any, shape: Any, *, fortran: bool = False
    ) -> NDArray[np.generic]:
        """An array over all of `raw`."""
        if type(raw) is not memoryview or not isinstance(kind, np.dtype) or not _is_size(shape):
            refuse("malformed array")
        if math.prod(shape) * kind.itemsize != len(raw):
            refuse(f"an array of shape {shape} has {len(raw)} bytes")
        return np.ndarray(shape, kind, self.aligned(raw), order="F" if fortran else "C")

    def storage(self, outside: Persistent) -> Tensor:
        """The storage that `outside` refers to, flat."""
        dtype, key, count = _storage_id(outside)
        if (raw := self.storages.get(key)) is None:
            refuse(f"the file lacks the storage {key!a:.80}")
        if count * dtype.itemsize != len(raw):
            refuse(f"the storage {key!a:.80} has {len(raw)} bytes for {count:,} numbers")
        if not count:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(self.aligned(raw), dtype=dtype)

    def nested(self, raw: memoryview) -> Tensor:
        """The storage in a file of torch.save that a pickle holds as bytes."""
        value, storages = _legacy(raw, self.account)
        if type(value) is not Persistent:
            refuse("malformed pickle: a storage is expected in it")
        return _Values(storages, self.account).storage(value)

    def aligned(self, raw: memoryview) -> NDArray[np.uint8]:
        """`raw` where torch can use it: itself, or its one copy."""
        found = self.copies.get(id(raw))
        if found is None:
            found = np.frombuffer(raw, np.uint8)
            if found.ctypes.data % ALIGNED or not found.flags.writeable:
                found = _aligned_copy(found)
                _give_back(raw)
            self.copies[id(raw)] = found
        return found


_UNDER_WAY = object()


def _legacy(data: memoryview, account: Account) -> tuple[Any, dict[str, memoryview]]:
    """The object of an old file of torch.save, and its storages by key.

    Such a file is five pickles (a magic number, the protocol, the machine, the object, the keys
    of the storages), then for every key the count of its numbers in 8 bytes and the numbers.
    """
    magic, at = run(data, 0, account)
    protocol, at = run(data, at, account)
    if (type(magic), magic, type(protocol), protocol) != (int, MAGIC, int, PROTOCOL):
        refuse("malformed PyTorch checkpoint: unknown protocol")
    system, at = run(data, at, account)
    if type(system) is not dict or system.get("little_endian") is not True:
        refuse("the tensors of this file are big-endian, which is not supported")
    before = len(account.outside)
    value, at = run(data, at, account)
    sizes = {key: dtype.itemsize for dtype, key, _ in map(_storage_id, account.outside[before:])}
    keys, at = run(data, at, account)
    storages: dict[str, memoryview] = {}
    for key in keys if type(keys) is list else ():
        if type(key) is not str or key not in sizes:
            refuse("malformed PyTorch checkpoint: a bad list of storages")
        start, at = at + 8, at + 8 + int.from_bytes(data[at : at + 8], "little") * sizes[key]
        if at > len(data):
            refuse("a truncated file")
        storages[key] = data[start:at]
    if at != len(data):
        refuse("data follows the tensors: not a PyTorch checkpoint")
    return value, storages


def _storage_id(outside: Persistent) -> tuple[torch.dtype, str, int]:
    """The type, the key and the length of a storage: a torch checkpoint refers to nothing else."""
    match outside.id:
        case ("storage", Global(path), str(key), str(), int(count), *view) if (
            path in STORAGES and count >= 0 and view in ([], [None])
        ):
            return STORAGES[path], key, count
    refuse("the pickle refers to something that is not a tensor")


def _dtype(code: str, state: Any) -> np.dtype[Any]:
    """A numpy dtype of plain numbers, little-endian."""
    if code not in NUMBERS:
        refuse(f"an array of type {code!a:.20}, which is not numeric")
    match state:
        case (int(), str(order), None, None, None, *_) if order in ("<", "|"):
            return np.dtype(f"<{code}")
    refuse("an array of an unknown type, or big-endian")


def _are_naturals(values: Any) -> bool:
    """Whether this is a tuple of a few integers that are not negative."""
    return (
        type(values) is tuple
        and len(values) <= MOST_AXES
        and all(type(value) is int and 0 <= value <= MOST_NUMBERS for value in values)
    )


def _is_size(values: Any) -> bool:
    """Whether this is the size of an array, an empty one included."""
    return _are_naturals(values) and math.prod(max(n, 1) for n in values) <= MOST_NUMBERS


def _tensor(flat: Any, offset: Any, size: Any, stride: Any) -> Tensor:
    """A view of a storage, within it and not larger than it."""
    if not (
        isinstance(flat, Tensor)
        and flat.dim() == 1
        and _is_size(size)
        and _are_naturals(stride)
        and _are_naturals((offset,))
        and len(size) == len(stride)
    ):
        refuse("malformed tensor")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if count > len(flat) or (count and last >= len(flat)):
        refuse(f"a tensor of shape {size} is larger than its storage of {len(flat)} numbers")
    return flat.as_strided(size, stride, offset) if count else flat.new_empty(size)


def _aligned_copy(raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    room = np.empty(len(raw) + ALIGNED, np.uint8)
    start = -room.ctypes.data % ALIGNED
    copy = room[start : start + len(raw)]
    copy[:] = raw
    return copy


def _give_back(raw: memoryview) -> None:
    """Free the memory of a part of a mapped file that was copied; who reads it maps it again."""
    file = raw.obj
    if not isinstance(file, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        return
    start = np.frombuffer(raw, np.uint8).ctypes.data - np.frombuffer(file, np.uint8).ctypes.data
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (start + len(raw)) // mmap.PAGESIZE * mmap.PAGESIZE
    if first < last:
        file.madvise(mmap.MADV_DONTNEED, first, last - first)


def _latin1(text: str | Text) -> bytearray:
    """The bytes that a pickle of protocol 2 holds as text, a character a byte."""
    decoder = getincrementaldecoder("utf-8")()
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text.data
    found = bytearray()
    try:
        for at in range(0, len(data), PIECE):
            found += decoder.decode(data[at : at + PIECE]).encode("latin1")
        decoder.decode(b"", final=True)
    except UnicodeError:
        refuse("malformed bytes in the pickle")
    return found


def _zip_entries(data: memoryview) -> dict[str, memoryview]:
    """The files within a zip file, which must be uncompressed.

    torch writes no comment, so the end of the directory is the end of the file.
    """
    end = bytes(data[-22:])
    if len(end) < 22 or end[:4] != b"PK\x05\x06":
        refuse("a truncated zip file")
    count, size, at = struct.unpack_from("<HII", end, 10)
    if at + size + 22 > len(data):
        refuse("a broken zip file, or one of over 4 GiB")
    entries: dict[str, memoryview] = {}
    whole = 0
    for _ in range(count):
        head = bytes(data[at : at + 46])
        if len(head) < 46 or head[:4] != b"PK\x01\x02":
            refuse("a broken zip file")
        method, packed, length, name, extra, comment = struct.unpack_from("<10xH8xIIHHH", head)
        local = int.from_bytes(head[42:46], "little")
        title = bytes(data[at + 46 : at + 46 + name]).decode("latin1")
        at += 46 + name + extra + comment
        if method or packed != length:
            refuse("a compressed zip file, which is not a PyTorch checkpoint")
        start = bytes(data[local : local + 30])
        if len(start) < 30 or start[:4] != b"PK\x03\x04":
            refuse("a broken zip file")
        begin = local + 30 + sum(struct.unpack_from("<HH", start, 26))
        whole += length
        if begin + length > len(data) or whole > len(data) or title in entries:
            refuse("a broken zip file")
        entries[title] = data[begin : begin + length]
    return entries

"""Pickles and torch's files read as data: what they hold, and all that they must not do."""

import io
import os
import pickle
import pickletools
import struct
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from animetools.errors import ItemError
from animetools.netfiles.machine import MOST_NUMBERS, MOST_OPCODES, Call, Text
from animetools.netfiles.pickles import (
    is_torch_legacy,
    load_pickle,
    load_torch_legacy,
    load_torch_zip,
    mapped,
    refuse_shared,
)
from tests.netfiles import files, goldens

PROTOCOLS = [2, 3, 4, 5]
Loader = Callable[[bytes], Any]


# What they hold

keys = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=9)
scalars = keys | st.floats(allow_nan=False)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=4)
    ),
)


@given(value=values, protocol=st.sampled_from(PROTOCOLS))
def test_plain_values_are_themselves(value: Any, protocol: int) -> None:
    assert load_pickle(pickle.dumps(value, protocol)) == value


@given(
    value=st.binary(min_size=1, max_size=600), text=st.text(), protocol=st.sampled_from(PROTOCOLS)
)
def test_bytes_and_texts(value: bytes, text: str, protocol: int) -> None:
    found = load_pickle(pickle.dumps([value, text, value], protocol))
    assert (bytes(found[0]), found[1], bytes(found[2])) == (value, text, value)
    assert bytes(load_pickle(pickle.dumps(bytearray(value), protocol=5))) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_containers_that_are_objects(protocol: int) -> None:
    state = OrderedDict(a=1)
    state._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]  # as torch's has it
    value = [state, {1, 2, 3}, np.float64(2.5), np.int32(-3), np.bool_(True)]
    assert load_pickle(pickle.dumps(value, protocol)) == [{"a": 1}, [1, 2, 3], 2.5, -3, True]


ARRAYS = [
    np.arange(6).reshape(2, 3).astype(kind)
    for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
] + [
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.zeros((0, 5), np.float32),
    np.array(3.0),
    np.random.RandomState(0).randn(40, 50, 3),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("old", [False, True])
def test_arrays(protocol: int, old: bool) -> None:
    arrays = [array for array in ARRAYS if array.size or protocol > 2]  # else bytes() is called
    data = pickle.dumps(arrays, protocol)
    if old:  # as numpy 1 called its parts; FRAME counts bytes, but nobody minds the count
        data = data.replace(b"numpy._core", b"numpy.core")
        data = data.replace(b"\x8c\x16numpy.core", b"\x8c\x15numpy.core")
        data = data.replace(b"\x8c\x13numpy.core", b"\x8c\x12numpy.core")
    for found, wanted in zip(load_pickle(data), arrays, strict=True):
        assert found.dtype == wanted.dtype
        assert np.array_equal(found, wanted)
        assert found.flags.aligned


KINDS = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"]


def tensors() -> dict[str, Any]:
    """Tensors of all kinds, views and empty ones too."""
    shared = torch.arange(24.0).reshape(2, 3, 4)
    return {
        **{kind: torch.arange(5).to(getattr(torch, kind)) for kind in KINDS},
        "turned": shared.permute(2, 0, 1),
        "part": shared[1, :, 2],
        "one": torch.tensor(5.0),
        "none": torch.empty(0, 3),
        "parameter": torch.nn.Parameter(torch.randn(7)),
        "nested": [{"deeper": (torch.ones(2),)}],
    }


def saved(value: Any, *, legacy: bool = False) -> bytes:
    """What torch.save writes."""
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


LOADERS: dict[str, tuple[Callable[[Any], bytes], Loader]] = {
    "pickle": (pickle.dumps, load_pickle),
    "zip": (saved, load_torch_zip),
    "legacy": (lambda value: saved(value, legacy=True), load_torch_legacy),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_tensors(kind: str, tmp_path: Path) -> None:
    dump, load = LOADERS[kind]
    wanted = tensors()
    path = tmp_path / "file"
    path.write_bytes(dump(wanted))
    for found in (load(path.read_bytes()), load(mapped(str(path)))):  # type: ignore[arg-type]
        assert list(found) == list(wanted)
        for name, value in wanted.items():
            if name != "nested":
                assert found[name].dtype == value.dtype, name
                assert torch.equal(found[name], value), name
        assert torch.equal(found["nested"][0]["deeper"][0], torch.ones(2))
    assert is_torch_legacy(path.read_bytes()) is (kind == "legacy")
    found["parameter"][0] = 99  # what is mapped may be written to, and the file stays as it is
    assert torch.equal(load(path.read_bytes())["parameter"], wanted["parameter"])


def test_tensors_of_an_aligned_file_are_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save({"a": torch.zeros(1 << 20), "b": torch.zeros(1 << 20)}, path)
    data = mapped(str(path))
    tracemalloc.start()
    found = load_torch_zip(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["a"].sum() == 0
    assert peak < 1 << 20


def test_what_is_copied_does_not_stay_in_memory_as_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    numbers = torch.arange(1 << 22, dtype=torch.float32)  # 16 MiB
    path.write_bytes(pickle.dumps({"odd": 1, "G": numbers, "text": "behind it"}))
    resident = Path("/proc/self/statm")
    before = int(resident.read_text().split()[2]) if resident.exists() else 0
    data = mapped(str(path))

    found = load_pickle(data)

    assert torch.equal(found["G"], numbers)
    if before:  # Linux: pages that are of files
        after = int(resident.read_text().split()[2])
        assert (after - before) * os.sysconf("SC_PAGESIZE") < numbers.nbytes // 2
    assert pickle.loads(data)["text"] == "behind it"  # the file is still there to be read


def test_objects_are_records() -> None:
    generator = load_pickle(goldens.tf_file("s1_32"))[2]
    assert isinstance(generator, Call)
    assert generator.path == "dnnlib.tflib.network.Network"
    assert generator.state["name"] == "Gs"
    text = "x" * 100_000
    long = load_pickle(pickle.dumps([text, text]))
    assert isinstance(long[0], Text)
    assert bytes(long[0].data) == text.encode()


# What they must not do


def evil(flag: str, *, deep: int = 0) -> dict[str, bytes]:
    """Files that would make `flag`, each in another way."""
    payload = files.Evil(flag)
    command = f"touch {flag}".encode()
    posix = b"\x8c\x05posix\x8c\x06system\x93"
    touch = b"\x8c" + bytes([len(command)]) + command

    class Storage:
        """A tensor's storage whose bytes are a pickle."""

        def __reduce__(self) -> Any:
            return torch.storage._load_from_bytes, (pickle.dumps(payload),)

    class State:
        """An object whose state is poison."""

        def __reduce__(self) -> Any:
            return OrderedDict, (), {"a": payload}

    return {
        "alone": pickle.dumps(payload),
        "in protocol 2": pickle.dumps(payload, 2),
        "in G_ema": pickle.dumps({"G_ema": payload}),
        "three": pickle.dumps((payload, payload, payload)),
        "in a state": pickle.dumps(State()),
        "in a storage": pickle.dumps({"w": Storage()}),
        "by NEWOBJ": b"\x80\x04" + posix + touch + b"\x85\x81.",
        "by NEWOBJ_EX": b"\x80\x04" + posix + touch + b"\x85}\x92.",
        "by OBJ": b"\x80\x04(" + posix + touch + b"o.",
        "by INST": b"\x80\x04(" + touch + b"iposix\nsystem\n.",
        "before the end": b"\x80\x04" + posix + touch + b"\x85R0N.",
    }


def refused(load: Loader, data: bytes) -> str:
    """The sentence of a refusal."""
    with pytest.raises(ItemError) as error:
        load(data)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


@pytest.mark.parametrize("kind", evil("flag"))
def test_what_can_be_executed_is_refused_by_name_and_not_run(kind: str, tmp_path: Path) -> None:
    flag = tmp_path / "owned"
    data = evil(str(flag))[kind]
    assert "system" in refused(load_pickle, data)
    for wrapped in (b"PK\x03\x04", b""):
        refused(load_torch_zip, wrapped + data)
    refused(load_torch_legacy, data)
    assert not flag.exists()
    # So that the files are worth refusing: Python runs all that it can call like this, and torch
    # is careful with storages itself.
    if kind not in ("in a storage", "by NEWOBJ", "by NEWOBJ_EX"):
        pickle.loads(data)
        assert flag.exists()


def test_torch_files_are_as_safe(tmp_path: Path) -> None:
    flag = tmp_path / "owned"
    payload = files.Evil(str(flag))
    assert "posix.system" in refused(load_torch_zip, saved({"g_ema": payload}))
    assert "posix.system" in refused(load_torch_legacy, saved({"g_ema": payload}, legacy=True))
    data = saved({"g_ema": torch.ones(2)}, legacy=True)
    at = 0
    for _ in range(5):  # pickles one after another
        assert "posix.system" in refused(load_torch_legacy, data[:at] + pickle.dumps(payload))
        at += max(place for _, _, place in pickletools.genops(data[at:]) if place is not None) + 1
    assert not flag.exists()


NAMES = ["builtins.eval", "builtins.getattr", "os.system", "copyreg.__newobj__", "torch.load"]
NAMES += ["numpy.load", "torch.hub.load", "dnnlib.util.open_url", "posix.system\nx", "é.\x1b[31m"]


@pytest.mark.parametrize("name", NAMES)
def test_unknown_names_are_told(name: str) -> None:
    module, _, leaf = name.rpartition(".")
    parts = [b"\x8c" + bytes([len(part.encode())]) + part.encode() for part in (module, leaf)]
    sentence = refused(load_pickle, b"\x80\x04" + b"".join(parts) + b"\x93.")
    assert (name if name.isprintable() and name.isascii() else ascii(name)) in sentence


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x83\x01\x00.", "EXT2"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        (b"\x80\x02Pname\n.", "PERSID"),
        (b"\x80\x02icollections\nOrderedDict\n.", "INST"),
        (b"\x80\x02I5\n.", "INT"),
        (b"\x80\x02S'a'\n.", "STRING"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x02}2.", "DUP"),
        (b"\x80\x02\xff.", "0xff"),
    ],
)
def test_unknown_opcodes_are_told(data: bytes, name: str) -> None:
    assert f"uses the opcode {name}, which no network file needs" in refused(load_pickle, data)


def reduced(module: str, name: str, *args: Any) -> bytes:
    """A pickle that calls something."""
    head = f"\x80\x04c{module}\n{name}\n".encode("latin1")
    return head + pickle.dumps(args, protocol=4)[2:-1] + b"R."


RUBBISH: dict[str, bytes] = {
    "empty": b"",
    "text": b"hello, I am no pickle\n" * 9,
    "png": b"\x89PNG\r\n\x1a\n" + bytes(99),
    "zeros": bytes(999),
    "protocol 0": pickle.dumps([1], protocol=0),
    "only a head": b"\x80\x04",
    "an old head": b"\x80\x09N.",
    "nothing": b"\x80\x04.",
    "trailing": pickle.dumps([1]) + b"rubbish",
    "two": pickle.dumps([1]) * 2,
    "a bad state": b"\x80\x04K\x01Nb.",
    "a bad append": b"\x80\x04K\x01Na.",
    "a bad item": b"\x80\x04]NNs.",
    "an odd item": b"\x80\x04}(Nu.",
    "no mark": b"\x80\x04Nt.",
    "through a mark": b"\x80\x04N(0.",
    "nothing kept": b"\x80\x04h\x05.",
    "a bad call": b"\x80\x04K\x01)R.",
    "bad arguments": b"\x80\x04ccollections\nOrderedDict\nK\x01R.",
    "a name without an end": b"\x80\x04c" + b"a" * 999,
    "a name of numbers": b"\x80\x04K\x01K\x02\x93.",
    "bad UTF-8": b"\x80\x04\x8c\x02\xff\xfe.",
    "a long number": b"\x80\x04\x8a\x20" + bytes(32) + b".",
    "a tuple for a key": b"\x80\x04})Ns.",
    "more bytes than there are": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x.",
    "more text than there is": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b"x.",
    "an array of nothing": reduced("numpy._core.multiarray", "_reconstruct", None, (0,), b"b"),
    "an array of objects": pickle.dumps(np.array([1, None], dtype=object)),
    "an array of texts": pickle.dumps(np.array(["a", "bc"])),
    "a big-endian array": pickle.dumps(np.arange(3, dtype=">f4")),
    "a structured array": pickle.dumps(np.zeros(2, dtype=[("a", "f4")])),
    "a complex array": pickle.dumps(np.zeros(2, np.complex64)),
    "a date": pickle.dumps(np.datetime64("2020-01-01")),
    "a tensor of nothing": reduced("torch._utils", "_rebuild_tensor_v2", 1, 2, 3, 4),
    "a parameter of nothing": reduced("torch._utils", "_rebuild_parameter", [1]),
    "a storage of nothing": reduced("torch.storage", "_load_from_bytes", b"\x80\x04N."),
    "a storage class": reduced("torch", "FloatStorage", 100),
    "an ndarray class": reduced("numpy", "ndarray", (1 << 40,)),
    "a namespace of things": reduced("argparse", "Namespace", 1),
    "a set of numbers": reduced("builtins", "set", 1),
    "no encoding": reduced("_codecs", "encode", 1, 2),
    "bytes as a wide text": reduced("_codecs", "encode", "\u0416", "latin1"),
    "outside": b"\x80\x04NQ.",
    "outside things": b"\x80\x04\x8c\x07storageQ.",
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_rubbish_is_refused_in_one_sentence(kind: str) -> None:
    for load in (load_pickle, load_torch_zip, load_torch_legacy):
        refused(load, RUBBISH[kind])


def test_every_truncation_is_refused() -> None:
    value = {"a": np.arange(3.0), "b": torch.arange(3), "c": ["x", {"y": (1, 2.5, None)}]}
    for dump, load in LOADERS.values():
        data = dump(value)
        assert load(data)
        for end in range(len(data)):
            refused(load, data[:end])


def test_arrays_of_another_size_are_refused() -> None:
    data = pickle.dumps(np.zeros((3, 5), np.float32), protocol=4)
    shape = b"K\x03K\x05\x86"
    assert data.count(shape) == 1
    for other in (
        b"K\x03K\x06\x86",
        b"K\x03J\xff\xff\xff\xff\x86",
        b"K\x03\x88\x86",
        b"K\x03N\x86",
    ):
        refused(load_pickle, data.replace(shape, other))
    huge = b"\x8a\x09" + (1 << 63).to_bytes(9, "little")
    for zero in (b"K\x00" + huge + b"\x86", huge + huge + b"\x86"):
        refused(load_pickle, data.replace(shape, zero))


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (11,), (1,)),
        (1, (10,), (1,)),
        (0, (5, 2), (2, 2)),
        (0, (10, 10), (0, 1)),
        (0, (1 << 40,), (0,)),
        (-1, (2,), (1,)),
        (5, (3,), (-1,)),
        (0, (2, 2), (1,)),
        (0, (2,), (1 << 62,)),
        (0, (1 << 62, 0), (1, 1)),
        (0, (1 << 30, 1 << 30, 0), (1, 1, 1)),
        (0, (True,), (1,)),
        (0, (1,) * 20, (1,) * 20),
        (0, [2], [1]),
        (2.0, (2,), (1,)),
    ],
)
def test_tensors_beyond_their_storage_are_refused(offset: Any, size: Any, stride: Any) -> None:
    class Lie:
        """A tensor that says more than its storage holds."""

        def __reduce__(self) -> Any:
            make, (storage, *_) = torch.arange(10.0).__reduce_ex__(2)  # type: ignore[no-untyped-call]
            return make, (storage, offset, size, stride, False, None)

    assert "tensor" in refused(load_pickle, pickle.dumps(Lie()))


def test_storages_of_another_size_are_refused() -> None:
    value = {"a": torch.arange(100.0), "b": torch.arange(100.0)}
    for legacy, load in ((False, load_torch_zip), (True, load_torch_legacy)):
        data = saved(value, legacy=legacy)
        assert data.count(b"Kd") >= 2
        refused(load, data.replace(b"Kd", b"Kc", 1))
        refused(load, data.replace(b"FloatStorage", b"LongStorage "[:12], 1))
        refused(load, data.replace(b"FloatStorage", b"HalfStorage\n", 1))
        refused(load, data.replace(b"storage", b"stowage"))


def test_zip_files_that_torch_does_not_write_are_refused() -> None:
    pieces = {
        "a/data.pkl": pickle.dumps({"w": 1}, 2),
        "a/byteorder": b"little",
        "a/data/0": b"x" * 50,
    }

    def packed(pieces: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, content in pieces.items():
                archive.writestr(name, content)
        return file.getvalue()

    good = packed(pieces)
    assert load_torch_zip(good) == {"w": 1}
    assert "compressed" in refused(load_torch_zip, packed(pieces, zipfile.ZIP_DEFLATED))
    assert "big-endian" in refused(load_torch_zip, packed({**pieces, "a/byteorder": b"big"}))
    assert "not a PyTorch checkpoint" in refused(load_torch_zip, packed({"a.png": b"x"}))
    assert "not a PyTorch checkpoint" in refused(
        load_torch_zip, packed({**pieces, "b/data.pkl": b""})
    )
    assert "follows" in refused(load_torch_zip, packed({"data.pkl": pieces["a/data.pkl"] + b"x"}))
    refused(load_torch_zip, good + b"trailing")
    directory = good.index(b"PK\x01\x02")
    for field, form in ((20, "<I"), (24, "<I"), (42, "<I"), (28, "<H"), (10, "<H")):
        broken = bytearray(good)
        struct.pack_into(form, broken, directory + field, 0xFFF0)
        refused(load_torch_zip, bytes(broken))
    # Every file of the directory lies over the whole of the others: a bomb without compression.
    bomb = bytearray(packed({f"a/data/{i}": b"x" * 5 for i in range(2000)} | pieces))
    at = bomb.index(b"PK\x01\x02")
    while bomb[at : at + 4] == b"PK\x01\x02":
        name, extra, comment = struct.unpack_from("<HHH", bomb, at + 28)
        if bomb[at + 46 : at + 53] == b"a/data/":
            struct.pack_into("<II", bomb, at + 20, 60_000, 60_000)
            struct.pack_into("<I", bomb, at + 42, 0)
        at += 46 + name + extra + comment
    assert "broken" in refused(load_torch_zip, bytes(bomb))


def test_work_is_bounded() -> None:
    doubled: Any = "x"
    for _ in range(40):
        doubled = (doubled, doubled)
    found = load_pickle(pickle.dumps(doubled))  # 2 ** 60 if it were walked along every path
    assert found[0] is found[1]
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    assert "deeper" in refused(load_pickle, pickle.dumps(deep))
    circle: list[Any] = []
    circle.append(circle)
    assert "contains itself" in refused(load_pickle, pickle.dumps(circle))
    steps = b"\x80\x04" + b"N0" * (MOST_OPCODES // 2 + 1) + b"N."
    assert "opcodes" in refused(load_pickle, steps)
    numbers = pickle.dumps({i * (2**61 - 1): None for i in range(5)})
    assert len(load_pickle(numbers)) == 5
    many = b"\x80\x04}(" + b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(9999)) + b"u."
    assert f"{MOST_NUMBERS:,} numbers" in refused(load_pickle, many)


@pytest.mark.parametrize("protocol", [2, 4])
def test_nothing_is_copied_again_and_again(protocol: int) -> None:
    class Again:
        """An array over bytes that others lie over too."""

        def __reduce__(self) -> Any:
            make, arguments, _ = empty.__reduce__()  # type: ignore[str-unpack]
            return make, arguments, (1, (len(raw),), empty.dtype, False, raw)

    empty, raw = np.zeros(0, np.uint8), bytes(1 << 18)
    data = pickle.dumps([Again() for _ in range(20)], protocol)
    assert len(data) < 2 * len(raw)  # the bytes are there once
    tracemalloc.start()
    found = load_pickle(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(array) for array in found] == [len(raw)] * 20
    assert peak < 2 * len(data) + (1 << 20)
    with pytest.raises(ItemError, match="share their bytes"):
        refuse_shared(map(torch.from_numpy, found))


def test_tensors_that_share_bytes_are_told() -> None:
    whole = torch.arange(10.0)
    refuse_shared([whole[:5], whole[5:], torch.ones(3), torch.empty(0)])
    for pair in ([whole, whole], [whole, whole[3:4]], [whole[:6], whole[4:]]):
        with pytest.raises(ItemError, match="share their bytes"):
            refuse_shared(pair)


def test_mapping_tells_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "fifo")
    for name, sentence in (("empty", "empty"), ("fifo", "not a file"), (".", "not a file")):
        with pytest.raises(ItemError, match=sentence):
            mapped(str(tmp_path / name))
    with pytest.raises(FileNotFoundError):
        mapped(str(tmp_path / "none"))

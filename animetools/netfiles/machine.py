"""Pickles as data: a stack machine that keeps records of calls and makes none.

A pickle is a program for a stack machine. Python's own machine imports and calls what the program
names, so unpickling a stranger's file means running it. This one knows the opcodes of network files
and the names that they use, and refuses anything else by its name. What a file would have called is
a record (`Call`), bytes stay where they are in the file, and the work and the memory that a file
can cost are bounded.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pickletools import opcodes
from typing import Any, NoReturn

from animetools.errors import ItemError

MOST_OPCODES = 500_000  # of a whole file; the largest network files have about 50,000
MOST_TEXT = 2 << 20  # bytes that are decoded for a whole file
MOST_NUMBERS = 4096  # as keys of dicts: unlike strings, they can be chosen to collide
LONG_TEXT = 64 << 10  # longer text stays in the file: a module's source, an old array
LONG_INTEGER = 16  # bytes; the magic number of torch has 10
LONG_NAME = 200

NUMPY = tuple(
    f"{core}.{name}"
    for core in ("numpy.core", "numpy._core")
    for name in ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")
)
DICTS = ("collections.OrderedDict", "dnnlib.util.EasyDict")
KNOWN = {
    *NUMPY,
    *DICTS,
    "builtins.set",
    "__builtin__.set",
    "numpy.ndarray",
    "numpy.dtype",
    "_codecs.encode",
    "argparse.Namespace",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.storage._load_from_bytes",
    "torch.DoubleStorage",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.BFloat16Storage",
    "torch.LongStorage",
    "torch.IntStorage",
    "torch.ShortStorage",
    "torch.CharStorage",
    "torch.ByteStorage",
    "torch.BoolStorage",
    "torch_utils.persistence._reconstruct_persistent_obj",
    "dnnlib.tflib.network.Network",
    "tfutil.Network",
    "network.Network",
}
# What a pickle is that names something of these modules.
PROGRAMS = {
    "ultralytics": "a YOLO",
    "models.yolo": "a YOLO",
    "models.common": "a YOLO",
    "pytorch_lightning": "a checkpoint of PyTorch Lightning",
    "lightning": "a checkpoint of PyTorch Lightning",
    "diffusers": "a diffusion model",
    "transformers": "a model of transformers",
    "torch.nn.modules": "a whole module of PyTorch, not its state_dict",
    "torchvision": "a model of torchvision",
    "basicsr": "a model of BasicSR",
    "fastai": "a learner of fastai",
    "sklearn": "a model of scikit-learn",
    "R3GAN": "an R3GAN",
}
# The same of those that name modules which many programs have first: these words are all in them.
WORDS = {
    "an R3GAN": (b"R3GAN.Networks",),
    "a StyleGAN-XL": (b"_reconstruct_persistent_obj", b"embed_proj"),
}

_NAMES = {ord(opcode.code): opcode.name for opcode in opcodes}


@dataclass(frozen=True, slots=True)
class Global:
    """A name in a module, which is never imported."""

    path: str  # module.name


@dataclass(slots=True, eq=False)
class Call:
    """A call that is never made, of a function or a class."""

    function: Global
    args: tuple[Any, ...]
    state: Any = None  # that the new object would have been given

    @property
    def path(self) -> str:
        """The full name of what would have been called."""
        return self.function.path


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """Something that lies outside the pickle, by the pickle's name for it."""

    id: Any


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A long text in UTF-8, not decoded."""

    data: memoryview


class Account:
    """What the pickles of one file may still cost, and the storages that they refer to."""

    def __init__(self) -> None:
        self.opcodes = MOST_OPCODES
        self.text = MOST_TEXT
        self.numbers = MOST_NUMBERS
        self.outside: list[Persistent] = []


def refuse(sentence: str) -> NoReturn:
    """Raise an ItemError: the file is not read, for the reason in `sentence`."""
    raise ItemError(sentence)


def run(data: memoryview, at: int, account: Account) -> tuple[Any, int]:
    """The object of the pickle that begins at `at`, and where that pickle ends.

    None, bool, int, float, str, list, tuple and dict (with keys of str, int, bool or None) are
    themselves; a set is a list; bytes are memoryviews into `data`; the rest are records of this
    module.

    Raises ItemError for an unknown name (the sentence says which), an unknown opcode, and a
    malformed pickle.
    """
    if bytes(data[at : at + 1]) != b"\x80":
        refuse("not a pickle" if at < len(data) else "a truncated file")
    machine = _Machine(data, at, account)
    while not machine.stopped:
        account.opcodes -= 1
        if account.opcodes < 0:
            refuse(f"the pickle has more than {MOST_OPCODES:,} opcodes: not a network")
        opcode = machine.take(1)[0]
        if (act := _ACTS.get(opcode)) is None:
            name = _NAMES.get(opcode, hex(opcode))
            refuse(f"the pickle uses the opcode {name}, which no network file needs")
        act(machine)
    return machine.pop(), machine.at


class _Machine:
    def __init__(self, data: memoryview, at: int, account: Account) -> None:
        self.data, self.at, self.account = data, at, account
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.stopped = False

    def take(self, count: int) -> memoryview:
        """The next `count` bytes."""
        start, self.at = self.at, self.at + count
        if self.at > len(self.data):
            refuse("the pickle ends too early: a truncated file")
        return self.data[start : self.at]

    def number(self, width: int) -> int:
        """The next `width` bytes as an unsigned number."""
        return int.from_bytes(self.take(width), "little")

    def line(self) -> str:
        """The text up to the next newline."""
        piece = bytes(self.data[self.at : self.at + LONG_NAME])
        end = piece.find(b"\n")
        if end < 0:
            refuse("malformed pickle: a name without an end")
        self.at += end + 1
        return piece[:end].decode("latin1")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            refuse("malformed pickle: it pops from an empty stack")
        return self.stack.pop()

    def pop_marked(self) -> list[Any]:
        """Everything that was pushed since the last mark."""
        if not self.marks:
            refuse("malformed pickle: a list or call without a beginning")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind: type) -> Any:
        """The top of the stack, which must be a `kind`."""
        value = self.pop()
        if type(value) is not kind:
            refuse(f"malformed pickle: it fills something that is not a {kind.__name__}")
        self.push(value)
        return value

    def text(self, width: int) -> None:
        data = self.take(self.number(width))
        if len(data) > min(LONG_TEXT, self.account.text):
            return self.push(Text(data))
        self.account.text -= len(data)
        try:
            self.push(str(data, "utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            refuse("malformed pickle: text that is not UTF-8")

    def integer(self) -> None:
        if (width := self.number(1)) > LONG_INTEGER:
            refuse(f"the pickle has an integer of {width} bytes: not a network")
        self.push(int.from_bytes(self.take(width), "little", signed=True))

    def named(self, module: str, name: str) -> None:
        if (path := f"{module}.{name}") not in KNOWN:
            shown = path if path.isascii() and path.isprintable() else ascii(path)
            kinds = [
                kind
                for kind, words in WORDS.items()
                if all(re.search(re.escape(word), self.data) for word in words)
            ]
            kinds += [kind for name, kind in PROGRAMS.items() if path.startswith(f"{name}.")]
            kind = f"{kinds[0]}: " if kinds else ""
            refuse(
                f"{kind}the pickle names {shown:.{LONG_NAME}}, which no network file needs: refused"
            )
        self.push(Global(path))

    def instance(self) -> None:
        self.named(self.line(), self.line())
        refuse("the pickle uses the opcode INST, which no network file needs")

    def stack_named(self) -> None:
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            refuse("malformed pickle: a name that is not a string")
        self.named(module, name)

    def call(self) -> None:
        args, function = self.pop(), self.pop()
        if type(args) is not tuple or type(function) is not Global:
            refuse("malformed pickle: it calls something that is not a function")
        if function.path in DICTS and not args:
            return self.push({})
        self.push(Call(function, args))

    def build(self) -> None:
        state, target = self.pop(), self.pop()
        if type(target) is Call and target.state is None:
            target.state = state
        elif type(target) is not dict:  # attributes of a dict: torch's _metadata
            refuse("malformed pickle: it sets the state of something that has none")
        self.push(target)

    def persistent(self) -> None:
        value = Persistent(self.pop())
        self.account.outside.append(value)
        self.push(value)

    def keep(self, place: int) -> None:
        value = self.pop()
        self.memo[place] = value
        self.push(value)

    def recall(self, place: int) -> None:
        if place not in self.memo:
            refuse("malformed pickle: it reads an empty memo slot")
        self.push(self.memo[place])

    def set_items(self, values: list[Any]) -> None:
        if len(values) % 2:
            refuse("malformed pickle: a key without a value")
        target = self.top(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            if key is not None and type(key) not in (str, int, bool):  # a tuple is walked to hash
                refuse("the pickle has a dict whose keys are neither strings nor numbers")
            self.account.numbers -= type(key) is int
            if self.account.numbers < 0:
                refuse(f"the pickle has more than {MOST_NUMBERS:,} numbers as keys of dicts")
            target[key] = value

    def group(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def stop(self) -> None:
        self.stopped = True


def _pair(machine: _Machine) -> list[Any]:
    value, key = machine.pop(), machine.pop()
    return [key, value]


def _append(machine: _Machine) -> None:
    value = machine.pop()
    machine.top(list).append(value)


def _extend(machine: _Machine) -> None:
    values = machine.pop_marked()
    machine.top(list).extend(values)


def _unpack(form: str) -> Callable[[_Machine], object]:
    return lambda m: m.push(struct.unpack(form, m.take(struct.calcsize(form)))[0])


def _data(width: int) -> Callable[[_Machine], object]:
    return lambda m: m.push(m.take(m.number(width)))


_BY_NAME: dict[str, Callable[[_Machine], object]] = {
    "PROTO": lambda m: None if 2 <= m.number(1) <= 5 else refuse("not a pickle"),
    "FRAME": lambda m: m.take(8),
    "STOP": lambda m: m.stop(),
    "NONE": lambda m: m.push(None),
    "NEWTRUE": lambda m: m.push(True),
    "NEWFALSE": lambda m: m.push(False),
    "BININT": _unpack("<i"),
    "BININT1": _unpack("<B"),
    "BININT2": _unpack("<H"),
    "LONG1": lambda m: m.integer(),
    "BINFLOAT": _unpack(">d"),
    "BINBYTES": _data(4),
    "SHORT_BINBYTES": _data(1),
    "BINBYTES8": _data(8),
    "BYTEARRAY8": _data(8),
    "BINUNICODE": lambda m: m.text(4),
    "SHORT_BINUNICODE": lambda m: m.text(1),
    "BINUNICODE8": lambda m: m.text(8),
    "MARK": lambda m: m.marks.append(len(m.stack)),
    "POP": lambda m: m.pop(),
    "POP_MARK": lambda m: m.pop_marked(),
    "EMPTY_TUPLE": lambda m: m.push(()),
    "TUPLE1": lambda m: m.group(1),
    "TUPLE2": lambda m: m.group(2),
    "TUPLE3": lambda m: m.group(3),
    "TUPLE": lambda m: m.push(tuple(m.pop_marked())),
    "FROZENSET": lambda m: m.push(m.pop_marked()),
    "EMPTY_LIST": lambda m: m.push([]),
    "EMPTY_SET": lambda m: m.push([]),
    "APPEND": _append,
    "APPENDS": _extend,
    "ADDITEMS": _extend,
    "EMPTY_DICT": lambda m: m.push({}),
    "SETITEM": lambda m: m.set_items(_pair(m)),
    "SETITEMS": lambda m: m.set_items(m.pop_marked()),
    "MEMOIZE": lambda m: m.keep(len(m.memo)),
    "BINPUT": lambda m: m.keep(m.number(1)),
    "LONG_BINPUT": lambda m: m.keep(m.number(4)),
    "BINGET": lambda m: m.recall(m.number(1)),
    "LONG_BINGET": lambda m: m.recall(m.number(4)),
    "GLOBAL": lambda m: m.named(m.line(), m.line()),
    "STACK_GLOBAL": lambda m: m.stack_named(),
    "INST": lambda m: m.instance(),
    "REDUCE": lambda m: m.call(),
    "NEWOBJ": lambda m: m.call(),
    "BUILD": lambda m: m.build(),
    "BINPERSID": lambda m: m.persistent(),
}
_ACTS = {code: _BY_NAME[name] for code, name in _NAMES.items() if name in _BY_NAME}

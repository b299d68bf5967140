"""Safetensors files: ours, with tensors named G.mapping.w_avg and so on, or rosinality's layout.

The metadata of ours holds the rest of what `own` writes, as JSON. Small networks of other kinds have
files of their own, which are read with `opened` and `module_of`.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import safetensors
import torch
from torch import Tensor, nn

from animetools.errors import FatalError, ItemError
from animetools.netfiles import own, rosinality
from animetools.netfiles.configs import config_to_json
from animetools.netfiles.foreign import refuse_foreign
from animetools.netfiles.machine import refuse
from animetools.netfiles.networkfile import NetworkFile

LONGEST_HEADER = 1 << 20  # bytes; in memory it takes many times as much
LARGEST = 1 << 28  # bytes of the file of a small network; in memory it takes twice as much

KINDS = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}

Module = TypeVar("Module", bound=nn.Module)


def begins(head: bytes) -> bool:
    """Whether the first 9 bytes of a file are those of safetensors.

    Raises ItemError if its header is too long.
    """
    if not head.endswith(b"{"):
        return False
    if int.from_bytes(head[:8], "little") > LONGEST_HEADER:
        refuse(f"looks like safetensors, but its header has more than {LONGEST_HEADER:,} bytes")
    return True


def read(path: str) -> NetworkFile:
    """The networks of a safetensors file.

    Raises OSError if it cannot be opened, ItemError for a file without a StyleGAN.
    """
    try:
        with open(path, "rb") as named, _opened(named) as file:
            metadata, names = file.metadata() or {}, [*file.keys()]
            is_ours = metadata.get("format") == own.FORMAT
            if not is_ours and not rosinality.is_of(dict.fromkeys(names)):
                no_tensors = dict.fromkeys(names, torch.empty(0))
                refuse_foreign(no_tensors, "a safetensors file without a StyleGAN")
            tensors = {name: file.get_tensor(name) for name in names}
    except safetensors.SafetensorError:
        refuse("a broken or truncated safetensors file")
    if is_ours:
        return own.read(_content(metadata, tensors), "safetensors")
    return rosinality.read(tensors)


def _opened(file: BinaryIO) -> safetensors.safe_open:
    # The library takes names in UTF-8 only; /dev/fd stands for a file of any name.
    return safetensors.safe_open(f"/dev/fd/{file.fileno()}", "pt")


@contextmanager
def opened(path: str, kind: str) -> Iterator[Any]:
    """A file of one small network of a `kind`, such as "an encoder", for the time of a with block.

    It is what the library opens; that has no types. Whatever is wrong with it, for the block too, is
    a FatalError, one sentence.
    """
    try:
        with open(path, "rb") as named:
            if not begins(named.read(9)):
                refuse("not a safetensors file")
            if os.fstat(named.fileno()).st_size > LARGEST:
                refuse(f"more than {LARGEST:,} bytes")
            with _opened(named) as file:
                yield file
    except OSError as why:
        raise FatalError(f"{path} cannot be read: {why.strerror}") from why
    except safetensors.SafetensorError:
        raise FatalError(f"{path} is a broken or truncated safetensors file") from None
    except ItemError as why:
        raise FatalError(f"{path} is not {kind} of animetools: {why}") from None


def module_of(file: Any, make: Callable[[], Module], name: str) -> Module:
    """What `make` makes, with the numbers of an open file, in single precision, to be used, not trained.

    Raises ItemError, with the name of what is made, if the file has other tensors than that.
    """
    with torch.device("meta"):
        module = make()
    shapes = {key: [*value.shape] for key, value in module.state_dict().items()}
    if {key: file.get_slice(key).get_shape() for key in [*file.keys()]} != shapes:
        refuse(f"its tensors are not those of its {name}")
    state = {key: file.get_tensor(key).float() for key in shapes}
    module.load_state_dict(state, assign=True)
    return module.requires_grad_(False).eval()


def _content(metadata: dict[str, str], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The metadata and tensors of ours, as `own` has them."""
    try:
        version = int(metadata["version"])
        configs, facts = json.loads(metadata["networks"]), json.loads(metadata["facts"])
    except (KeyError, ValueError, RecursionError):
        refuse("the metadata of the safetensors file is malformed")
    states: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        network, _, key = name.partition(".")
        states.setdefault(network, {})[key] = tensor
    if type(configs) is not dict or set(configs) != set(states):
        refuse("the safetensors file has tensors that belong to no network")
    networks = {name: {"config": configs[name], "state": states[name]} for name in configs}
    return {"version": version, "facts": facts, "networks": networks}


def write(file: NetworkFile, out: BinaryIO) -> None:
    """Write the networks and facts of a file as safetensors, a tensor at a time.

    The library would have all of them in memory, three times.
    """
    tensors = {
        f"{name}.{key}": value
        for name, network in file.networks.items()
        for key, value in network.state.items()
    }
    configs = {name: config_to_json(network.config) for name, network in file.networks.items()}
    metadata = {
        "format": own.FORMAT,
        "version": str(own.VERSION),
        "networks": json.dumps(configs),
        "facts": json.dumps(file.facts),
    }
    header: dict[str, object] = {"__metadata__": metadata}
    at = 0
    names = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))  # all are aligned
    for name in names:
        end = at + tensors[name].nbytes
        kind, shape = KINDS[tensors[name].dtype], [*tensors[name].shape]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    out.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        numbers = tensors[name].detach().cpu().contiguous()
        out.write(numbers.view(-1).view(torch.uint8).numpy().data)

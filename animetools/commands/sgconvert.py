"""sgconvert: turn network files into each other, and say what is in them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from animetools.cli import Item, Opt, Output, Result, Sha256, Stream, command
from animetools.errors import FatalError

LAYOUTS = (".pkl", ".safetensors", ".pt", ".onnx")


@dataclass(frozen=True)
class ConvertOptions:
    """What sgconvert can be told."""

    info: Annotated[bool, Opt("Say what is in the files, and convert nothing.")] = False
    small: Annotated[
        bool,
        Opt("Keep what sggen and dranker need, in half precision, and nothing to resume from."),
    ] = False
    input: Annotated[
        Literal["z", "w"],
        Opt(
            "What an .onnx starts from: z with labels and psi, or all rows of w, which edits move."
        ),
    ] = "z"
    sha256: Sha256 = ""
    force: Annotated[bool, Opt("Write OUT over what is there.", "f")] = False


@command(
    reads=False,
    arguments=(
        "IN OUT",
        "A network file, its address, latest or default; and the file to write. With --info any "
        "number of network files.",
    ),
    examples=[
        "sgconvert network-snapshot-025000.pkl faces.safetensors",
        "sgconvert faces.safetensors faces.onnx",
        "sgconvert --small latest small.safetensors",
        "sgconvert --info *.pkl",
    ],
)
def sgconvert(options: ConvertOptions, stream: Stream) -> int:
    """Turn a network file into another kind, or say what is in it.

    Reads the .pkl of StyleGAN 1 and 2 and StyleGAN2-ext for TensorFlow and of StyleGAN2-ADA for
    PyTorch, the .pt that GANSpace, e4e and StyleCLIP use, and its own files; nothing inside them
    is executed. The end of OUT's name chooses what is written: .pkl and .safetensors hold every
    network and fact, .pt a StyleGAN 2 as those programs know it, .onnx the generator alone. Prints
    OUT's path.
    """
    if options.info:
        if not stream.files:
            raise FatalError("--info says what is in files: sgconvert --info FILE ...")
        if options.sha256 and len(stream.files) > 1:
            raise FatalError("--sha256 is that of one file; there are several")
        work = partial(inform, options, stream.options.json)
        return stream.map(work, [Item(name) for name in stream.files])
    if len(stream.files) != 2:
        raise FatalError("one file is read and one is written: sgconvert IN OUT")
    source, target = stream.files
    if os.path.splitext(target)[1] not in LAYOUTS:
        raise FatalError(f"{target} does not end in one of {', '.join(LAYOUTS)}")
    if options.input == "w" and not target.endswith(".onnx"):
        raise FatalError(f"--input w is for .onnx files, not {target}")
    if os.path.isdir(target):
        raise FatalError(f"{target} is a folder: name a file")
    if os.path.lexists(target) and not options.force:
        raise FatalError(f"{target} exists; -f writes over it")
    return stream.map(partial(convert, options, target, stream.options.dry_run), [Item(source)])


def convert(
    options: ConvertOptions, target: str, dry: bool, item: Item, output: Output
) -> Iterator[Item]:
    """Write one network file as another."""
    path = _located(options, item.path)  # before torch takes its seconds to load
    from animetools import atomic
    from animetools.netfiles import checkpoints, onnx

    snapshot = checkpoints.read(path)
    if options.small:
        snapshot = snapshot.small()
    for network in snapshot.networks.values():
        network.build()  # what cannot be built is not passed on
    if not dry and target.endswith(".onnx"):
        atomic.write(target, onnx.encode(snapshot.generator, options.input))
    elif not dry:
        checkpoints.write(target, snapshot)
    yield item.made(target, source=item.path)


def inform(options: ConvertOptions, as_json: bool, item: Item, output: Output) -> Iterator[Result]:
    """What is in one network file; as text where it is not wanted as facts."""
    path = _located(options, item.path)
    from animetools.netfiles import checkpoints
    from animetools.netfiles.describe import describe

    facts = {"bytes": os.path.getsize(path)} | describe(checkpoints.read(path))
    if as_json:
        yield item.noted(**facts)
    else:
        lines = [f"  {name:26}{_shown(value)}" for name, value in facts.items()]
        yield "\n".join([item.path, *lines])


def _located(options: ConvertOptions, name: str) -> str:
    """The path of a network file; what is wrong with a plain one its reader tells."""
    if name not in ("latest", "default") and "://" not in name and not options.sha256:
        return name
    from animetools.netfiles.fetch import locate

    return locate(name, options.sha256 or None)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)

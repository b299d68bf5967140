"""sgconvert: convert network files, and say what is in them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from animetools.cli import Item, Opt, Output, Result, Sha256, Stream, command
from animetools.errors import FatalError

SUFFIXES = (".pkl", ".safetensors", ".pt", ".onnx")


@dataclass(frozen=True)
class ConvertOptions:
    """The options of sgconvert."""

    info: Annotated[bool, Opt("Describe the files instead of converting one.")] = False
    small: Annotated[
        bool,
        Opt("Keep only what sggen and dranker need, in half precision: no training can resume."),
    ] = False
    input: Annotated[
        Literal["z", "w"],
        Opt("Input of an .onnx: z with labels and psi, or all rows of w, for editing."),
    ] = "z"
    sha256: Sha256 = ""
    force: Annotated[bool, Opt("Overwrite OUT if it exists.", "f")] = False


@command(
    reads=False,
    arguments=(
        "IN OUT",
        "A network file, its URL, latest or default; and the file to write. With --info any number"
        " of network files.",
    ),
    examples=[
        "sgconvert network-snapshot-025000.pkl faces.safetensors",
        "sgconvert faces.safetensors faces.onnx",
        "sgconvert --small latest small.safetensors",
        "sgconvert --info *.pkl",
    ],
)
def sgconvert(options: ConvertOptions, stream: Stream) -> int:
    """Convert a network file to another format, or describe it.

    Reads the .pkl files of StyleGAN 1, StyleGAN 2 and StyleGAN2-ext for TensorFlow, the .pkl files
    of StyleGAN2-ADA and StyleGAN3 for PyTorch, the .pt files of GANSpace, e4e and StyleCLIP,
    lucidrains' model_N.pt, GenForce's .pth files, and its own files.
    Nothing inside a file is executed. The suffix of OUT chooses its format: .pkl and .safetensors
    hold all networks and facts, .pt a StyleGAN 2 for those programs, .onnx the generator alone.
    Prints OUT's path.
    """
    if options.info:
        if not stream.files:
            raise FatalError("--info needs a file: sgconvert --info FILE ...")
        if options.sha256 and len(stream.files) > 1:
            raise FatalError("--sha256 is for one file, not several")
        work = partial(inform, options, stream.options.json)
        return stream.map(work, [Item(name) for name in stream.files])
    if len(stream.files) != 2:
        raise FatalError("name two files: sgconvert IN OUT")
    source, target = stream.files
    if os.path.splitext(target)[1] not in SUFFIXES:
        raise FatalError(f"{target} does not end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if options.input == "w" and not target.endswith(".onnx"):
        raise FatalError(f"--input w is for .onnx files, not {target}")
    if os.path.isdir(target):
        raise FatalError(f"{target} is a folder: name a file")
    if os.path.lexists(target) and not options.force:
        raise FatalError(f"{target} exists: -f overwrites it")
    return stream.map(partial(convert, options, target, stream.options.dry_run), [Item(source)])


def convert(
    options: ConvertOptions, target: str, dry: bool, item: Item, output: Output
) -> Iterator[Item]:
    """Write one network file as another."""
    path = _located(options, item.path)  # before torch takes its seconds to load
    from animetools import atomic
    from animetools.netfiles import checkpoints, onnx

    file = checkpoints.read(path)
    if options.small:
        file = file.small()
    for network in file.networks.values():
        network.build()  # a network that cannot be built is not written
    if not dry and target.endswith(".onnx"):
        atomic.write(target, onnx.encode(file.generator, options.input))
    elif not dry:
        checkpoints.write(target, file)
    yield item.made(target, source=item.path)


def inform(options: ConvertOptions, as_json: bool, item: Item, output: Output) -> Iterator[Result]:
    """What is in one network file, as text or as the facts of a record."""
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
    """The path of a network file; that of a plain name is checked by its reader."""
    if name not in ("latest", "default") and "://" not in name and not options.sha256:
        return name
    from animetools.netfiles.fetch import locate

    return locate(name, options.sha256)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)

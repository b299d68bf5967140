"""animeupscale: enlarge images that are too small."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, Literal

from animetools import atomic
from animetools.cli import Item, Opt, Output, Stream, command
from animetools.cli.cores import cores
from animetools.cli.item import LATEST
from animetools.cli.network import Device
from animetools.errors import FatalError, ItemError
from animetools.images.containers import (
    HEAD_BYTES,
    MAX_PIXELS,
    format_by_content,
    format_by_name,
)

if TYPE_CHECKING:
    from animetools.images.described import Format
    from animetools.upscaling.upscaler import Step, Upscaler

WAIFU2X = ("cunet", "art", "photo")
SOFTWARE = "animeupscale"  # what marks a file that was enlarged in place
JPEG_IS_GOOD = 90  # the quality from which --noise auto leaves a JPEG as it is
LARGE = 16_000_000  # pixels of a result; of larger ones there is one at a time
MOST = 4 * MAX_PIXELS  # pixels of a result
FORMATS: "dict[str, Format]" = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}

_large = Lock()
_places = [Lock() for _ in range(64)]  # by name, so many are enough


@dataclass(frozen=True)
class UpscaleOptions:
    """What animeupscale can be told."""

    model: Annotated[
        str,
        Opt(
            "cunet, art or photo of waifu2x; or a file: .onnx, ncnn's .param with .bin"
            " (Real-CUGAN, SPAN, Real-ESRGAN), or .pth or .safetensors of ESRGAN or Real-ESRGAN.",
            "m",
            unit="MODEL",
        ),
    ] = "cunet"
    noise: Annotated[
        Literal["auto", "none", "0", "1", "2", "3"],
        Opt("How much of JPEG's traces waifu2x removes; auto is 1 below JPEG quality 90."),
    ] = "auto"
    scale: Annotated[
        Literal["1", "2", "4"] | None,
        Opt("How many times larger; by default 2, or what a model file does. 1 only denoises."),
    ] = None
    below: Annotated[
        int | None,
        Opt(
            "Only images with both sides below this; 512, or what --to says.", min=1, unit="PIXELS"
        ),
    ] = None
    to: Annotated[
        int | None,
        Opt("Enlarge again and again, until a side has so many.", min=1, unit="PIXELS"),
    ] = None
    tta: Annotated[
        bool, Opt("The mean of eight flips and turns: a little better, eight times the work.")
    ] = False
    in_place: Annotated[
        bool,
        Opt(
            "Put the result in the place of the image (PNG, JPEG, WebP), which is kept as FILE~;"
            " its texts and EXIF go.",
            affects=False,
        ),
    ] = False
    backup: Annotated[bool, Opt("Keep no FILE~.", affects=False)] = True
    format: Annotated[
        Literal["png", "jpg", "webp"] | None, Opt("The files that are written; png.")
    ] = None
    quality: Annotated[
        int,
        Opt(
            "Of JPEG and WebP files.",
            min=1,
            max=100,
            affects=lambda options: options.format in ("jpg", "webp"),
        ),
    ] = 95
    tile: Annotated[
        int | None,
        Opt(
            "Side of the tiles of a large image; by default what suits the model. It changes no"
            " result, only memory and time.",
            min=16,
            unit="PIXELS",
            affects=False,
        ),
    ] = None
    device: Device = "auto"
    dtype: Annotated[
        Literal["fp32", "bf16", "fp16"],
        Opt("Precision on a card; a CPU computes in fp32.", affects=False),
    ] = "fp16"
    max_pixels: Annotated[
        int, Opt("Refuse larger images.", unit="PIXELS", min=1, affects=False)
    ] = MAX_PIXELS

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        if self.to and self.scale:
            raise ValueError("--to and --scale exclude each other")
        if self.scale == "1" and self.model in WAIFU2X:
            if self.noise == "none":
                raise ValueError("--scale 1 with --noise none leaves nothing to do")
            if self.model != "cunet":
                raise ValueError("--scale 1 takes --model cunet, or a file")
        if self.in_place and self.format:
            raise ValueError("--in-place keeps the format: leave out --format")
        if self.noise in "0123" and self.model not in WAIFU2X:
            raise ValueError("--noise belongs to cunet, art and photo")
        if not (self.backup or self.in_place):
            raise ValueError("--no-backup belongs to --in-place")


@command(
    out="upscaled",
    examples=[
        "find faces/ | animeupscale | animepack",
        "animeupscale --model art --tta --noise 1 -o large raw/",
        "find faces/ | animeupscale --model art --in-place --to 512 > all.txt",
    ],
)
def animeupscale(options: UpscaleOptions, stream: Stream) -> int:
    """Enlarge images that are too small, with waifu2x or another network.

    Reads image paths and writes the path of each image as it is to be used, in the order of the
    input: that of its enlarged copy, or its own where it is large enough. Transparency is kept, grey
    stays grey, 16 bits stay 16; an image is turned as its EXIF says and brought to sRGB.

    Tiles overlap as far as a network looks, and begin where its blocks or windows do. A mean over the
    whole image, as in cunet and Real-CUGAN's se and pro, is shared by all tiles. An .onnx that looks at
    the whole image is given it whole, up to 512 pixels a side; tiles of larger ones differ.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, by their content; HEIC and JPEG XL where
    animetools[formats] is installed.
    """
    jobs = stream.options.jobs or cores()
    upscaler = _upscaler(options, jobs)
    upscaler.open(upscaler.steps(_scale(options, upscaler, 1), _noise(options, b"")))
    if options.in_place:
        if stream.out != "upscaled":
            raise FatalError("--in-place and -o exclude each other")
        told = stream.options
        mark = f"{SOFTWARE} {upscaler.identity} noise {options.noise} "
        mark += f"to {options.to}" if options.to else f"scale {_scale(options, upscaler, 1)}"
        mark += " tta" * options.tta
        work = partial(upscale_in_place, options, jobs, mark, force=told.force, dry=told.dry_run)
        return replace(stream, out="").map(work)
    stream = stream.keyed(model=upscaler.identity)
    if upscaler.cards:
        stream = stream.keyed(dtype=options.dtype)
    return stream.map(partial(upscale, options, jobs))


def upscale(options: UpscaleOptions, jobs: int, item: Item, output: Output) -> Iterator[Item]:
    """One image: itself where it is large enough, else a larger file of its own."""
    from animetools.images.described import LARGEST_SIDE

    task = _task(options, jobs, item)
    if task is None:
        yield item
        return
    kind = options.format or "png"
    if max(task.facts["width"], task.facts["height"]) > LARGEST_SIDE[kind]:
        raise ItemError(f"a side would have more than the {LARGEST_SIDE[kind]} pixels of a {kind}")
    encode = partial(task.encoded, kind, options.quality)
    with task.room:
        yield item.made(output.write(_suffix(item.path, kind), encode), **task.facts)


def _suffix(path: str, kind: "Format") -> str:
    """What an input's name gets behind it, so that no two inputs give the same name.

    x.png stays x.png, and x.jpg becomes x.jpg.png. So x.jpg.png has to become x.jpg.png.png, and
    an x without extension x.png.png.
    """
    stem, _ = os.path.splitext(path)
    if FORMATS.get(format_by_name(path) or "") == kind and not format_by_name(stem):
        return ""
    return f".{kind}" if format_by_name(path) else f".{kind}.{kind}"


def upscale_in_place(
    options: UpscaleOptions,
    jobs: int,
    mark: str,
    item: Item,
    output: Output,
    *,
    force: bool,
    dry: bool,
) -> Iterator[Item]:
    """One image: itself, enlarged where it is too small and was not enlarged before."""
    place = os.path.realpath(item.path)
    with _places[hash(place) % len(_places)]:  # a file listed twice is enlarged once
        task = _task(options, jobs, item)
        if task is None or not _is_to_do(task.data, mark, force):
            yield item
            return
        kind = _kind_in_place(task.data)
        kept = atomic.backup_name(place)
        # One of these very bytes is of a run that was killed.
        if options.backup and os.path.lexists(kept) and not atomic.holds(kept, task.data):
            raise ItemError(f"{kept} is there already: move it away, or say --no-backup")
        if not dry:
            with task.room:
                lossless = task.data[12:16] == b"VP8L"  # a WebP's
                data = task.encoded(kind, 100 if lossless else options.quality, software=mark)
                now = os.stat(place)
                if (now.st_size, min(now.st_mtime_ns, LATEST)) != (task.size, task.mtime):
                    raise ItemError("it changed meanwhile, and stays as it is")
                atomic.replace(item.path, data, backup=options.backup)
        yield item.noted(**task.facts)


def _is_to_do(data: bytes, mark: str, force: bool) -> bool:
    """Whether a file is still as it was before any such run."""
    from animetools.images.picture import software_of

    found = software_of(data)
    if force or not found.startswith(SOFTWARE):
        return True
    if found != mark:
        raise ItemError(f"it was enlarged in place before, as '{found}'; -f does it again")
    return False


def _kind_in_place(data: bytes) -> "Format":
    """The format that a file keeps.

    Raises ItemError where it would lose by it.
    """
    from animetools.images.picture import is_animated

    kind = FORMATS.get(format_by_content(data[:HEAD_BYTES]) or "")
    if kind is None:
        raise ItemError("only PNG, JPEG and WebP can be written in place: leave out --in-place")
    if is_animated(data):
        raise ItemError("it moves, and all but its first picture would be lost")
    return kind


@dataclass(frozen=True)
class _Task:
    """An image that is to be enlarged."""

    data: bytes
    size: int  # and mtime: of the file when it was read
    mtime: int
    max_pixels: int
    upscaler: "Upscaler"
    steps: "list[Step]"
    facts: dict[str, Any]

    @property
    def room(self) -> AbstractContextManager[object]:
        """What keeps large results from being made at once."""
        return _large if self.facts["width"] * self.facts["height"] > LARGE else nullcontext()

    def encoded(self, kind: "Format", quality: int, software: str = "") -> bytes | memoryview:
        """The enlarged image as a file."""
        from animetools.images.picture import decode_picture
        from animetools.images.saving import encode_picture

        picture = decode_picture(self.data, max_pixels=self.max_pixels)
        return encode_picture(self.upscaler(picture, self.steps), kind, quality, software)


def _task(options: UpscaleOptions, jobs: int, item: Item) -> _Task | None:
    """What is to be done to an image; None where that is nothing."""
    from animetools.images.files import read_bytes
    from animetools.images.picture import size_of

    status = os.stat(item.path)
    data = read_bytes(item.path)
    width, height = size_of(data, max_pixels=options.max_pixels)
    longest = max(width, height)
    if longest >= min(options.below or options.to or 512, options.to or longest + 1):
        return None
    upscaler = _upscaler(options, jobs)
    noise = _noise(options, data)
    scale = _scale(options, upscaler, longest)
    steps = upscaler.steps(scale, noise)
    if not steps:
        return None
    for step in steps:
        width, height = width * step.scale, height * step.scale
    if width * height > MOST:
        raise ItemError(f"it would have {width}x{height} pixels, more than {MOST / 1e6:g}M")
    facts = {"width": width, "height": height, "noise": noise}
    mtime = min(status.st_mtime_ns, LATEST)
    return _Task(data, status.st_size, mtime, options.max_pixels, upscaler, steps, facts)


def _noise(options: UpscaleOptions, data: bytes) -> int | None:
    """How much of JPEG's traces is to be removed from a file."""
    from animetools.images.jpeg import quality

    if options.noise == "auto" and options.model in WAIFU2X:
        saved = quality(data)
        return 1 if saved is not None and saved < JPEG_IS_GOOD else None
    return int(options.noise) if options.noise.isdigit() else None


def _scale(options: UpscaleOptions, upscaler: "Upscaler", longest: int) -> int:
    """How many times larger an image with this longer side becomes."""
    if not options.to:
        return int(options.scale or upscaler.own_scale)
    scale = upscaler.own_scale
    if scale == 1:
        raise FatalError(f"--to: {options.model} enlarges nothing")
    while longest * scale < options.to:
        scale *= upscaler.own_scale
    return scale


@cache
def _upscaler(options: UpscaleOptions, jobs: int) -> "Upscaler":
    """Loaded once in each process that works."""
    from animetools.upscaling.upscaler import Upscaler

    told = (options.model, options.device, options.dtype)
    return Upscaler(*told, jobs=jobs, side=options.tile or 0, tta=options.tta)

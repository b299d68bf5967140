"""animeupscale: enlarge images that are too small."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Literal

from animetools.cli import (
    FORMAT,
    Device,
    Item,
    MaxPixels,
    Opt,
    Output,
    Quality,
    Stream,
    command,
)
from animetools.cli.cores import cores
from animetools.errors import FatalError
from animetools.images.containers import MAX_PIXELS, WRITTEN, Format, format_by_name

if TYPE_CHECKING:
    from animetools.upscaling.policy import Policy
    from animetools.upscaling.upscaler import Upscaler

WAIFU2X = ("cunet", "art", "photo")
OUT = "upscaled"


@dataclass(frozen=True)
class UpscaleOptions:
    """The options of animeupscale."""

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
        Opt("Level of JPEG noise that waifu2x removes; auto is 1 below JPEG quality 90."),
    ] = "auto"
    scale: Annotated[
        Literal["1", "2", "4"] | None,
        Opt("How many times larger; by default 2, or what a model file does. 1 only denoises."),
    ] = None
    below: Annotated[
        int | None,
        Opt(
            "Enlarge only images with both sides below this; by default 512, or --to.",
            min=1,
            unit="PIXELS",
        ),
    ] = None
    to: Annotated[
        int | None,
        Opt("Enlarge again and again, until a side has this many.", min=1, unit="PIXELS"),
    ] = None
    tta: Annotated[
        bool, Opt("Average over eight flips and turns: slightly better, eight times the work.")
    ] = False
    in_place: Annotated[
        bool,
        Opt(
            "Replace the image (PNG, JPEG, WebP), which is kept as FILE~; its text and EXIF data"
            " are lost.",
            affects=False,
        ),
    ] = False
    backup: Annotated[bool, Opt("Keep no FILE~.", affects=False)] = True
    format: Annotated[Format | None, FORMAT] = None
    quality: Quality = 95
    tile: Annotated[
        int | None,
        Opt(
            "Side of the tiles of a large image; by default what suits the model. It changes only"
            " memory and time, not the result.",
            min=16,
            unit="PIXELS",
            affects=False,
        ),
    ] = None
    device: Device = "auto"
    dtype: Annotated[
        Literal["fp32", "bf16", "fp16"],
        Opt(
            "Precision on a card. A CPU computes in fp32; with bf16 an .onnx in bf16, where OpenVINO is"
            " installed and the CPU has bf16.",
            affects=False,
        ),
    ] = "fp16"
    max_pixels: MaxPixels = MAX_PIXELS

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.to and self.scale:
            raise ValueError("--to and --scale exclude each other")
        if self.scale == "1" and self.model in WAIFU2X:
            if self.noise == "none":
                raise ValueError("--scale 1 with --noise none leaves nothing to do")
            if self.model != "cunet":
                raise ValueError("--scale 1 needs --model cunet, or a file")
        if self.in_place and self.format:
            raise ValueError("--in-place keeps the format: leave out --format")
        if self.noise in "0123" and self.model not in WAIFU2X:
            raise ValueError("--noise belongs to cunet, art and photo")
        if not (self.backup or self.in_place):
            raise ValueError("--no-backup belongs to --in-place")

    @property
    def policy(self) -> "Policy":
        """What is done to an image, by its size and its quality."""
        from animetools.upscaling.policy import Policy

        scale = int(self.scale) if self.scale else None
        return Policy(self.noise, scale, self.to, self.below, self.max_pixels)


@command(
    out=OUT,
    cluster=True,
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
    upscaler, policy = opened(options, jobs), options.policy
    scale = policy.scale_of(1, upscaler)
    upscaler.open(upscaler.steps(scale, policy.noise_of(b"", upscaler)))
    if options.in_place:
        if stream.out != OUT:
            raise FatalError("--in-place and -o exclude each other")
        amount = f"to {options.to}" if options.to else f"scale {scale}"
        mark = f"{upscaler.identity} noise {options.noise} {amount}{' tta' * options.tta}"
        force, dry = stream.options.force, stream.options.dry_run
        work = partial(upscale_in_place, options, jobs, mark, force=force, dry=dry)
        return replace(stream, out="").map(work)
    stream = stream.keyed(model=upscaler.identity)
    if upscaler.cards or options.dtype == "bf16":
        stream = stream.keyed(dtype=options.dtype)
    return stream.map(partial(upscale, options, jobs))


def upscale(options: UpscaleOptions, jobs: int, item: Item, output: Output) -> Iterator[Item]:
    """One image: itself where it is large enough, else a larger file of its own."""
    plan = options.policy.plan(item.path, partial(opened, options, jobs))
    if plan is None:
        yield item
        return
    kind = options.format or "png"
    plan.check_fits(kind)
    with plan.turn:
        encode = partial(plan.encoded, kind, options.quality, output.progress)
        yield item.made(output.write(suffix(item.path, kind), encode), **plan.facts)


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
    from animetools.upscaling.in_place import InPlace

    with InPlace(item.path, mark, backup=options.backup) as place:
        plan = options.policy.plan(item.path, partial(opened, options, jobs))
        if plan is None or not (force or place.is_original(plan)):
            yield item
            return
        place.check(plan)
        if not dry:
            place.replace(plan, options.quality, output.progress)
        yield item.noted(**plan.facts)


def suffix(path: str, image_format: Format) -> str:
    """What an input's name gets behind it, so that no two inputs give the same name.

    x.png stays x.png, and x.jpg becomes x.jpg.png. So x.jpg.png has to become x.jpg.png.png, and
    an x without extension x.png.png.
    """
    stem, _ = os.path.splitext(path)
    if WRITTEN.get(format_by_name(path) or "") == image_format and not format_by_name(stem):
        return ""
    return f".{image_format}" if format_by_name(path) else f".{image_format}.{image_format}"


@cache
def opened(options: UpscaleOptions, jobs: int) -> "Upscaler":
    """The model, loaded once in each process that works."""
    from animetools.upscaling.upscaler import Upscaler

    given = (options.model, options.device, options.dtype)
    jobs = min(jobs, cores())  # a worker of a cluster has fewer than the machine of the command
    return Upscaler(*given, jobs=jobs, side=options.tile or 0, tta=options.tta)

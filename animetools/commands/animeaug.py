"""animeaug: make variants of images."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from animetools.cli import Background, Item, MaxPixels, Opt, Output, Quality, Stream, command
from animetools.colors import WHITE
from animetools.images.containers import MAX_PIXELS
from animetools.images.variants import AUGMENTATIONS, Names, chosen, variants_of
from animetools.tags import tags_of


@dataclass(frozen=True)
class AugOptions:
    """The options of animeaug."""

    only: Annotated[
        Names | None,
        Opt(
            "Make only these augmentations, by name: red,blue,deskew.",
            unit="NAMES",
            parse=Names.parse,
        ),
    ] = None
    mirror: Annotated[
        bool, Opt("Also make the mirrored image, and a mirrored one of each variant.")
    ] = False
    each: Annotated[
        int, Opt("Number of variants of each image, chosen at random; 0: all.", unit="N", min=0)
    ] = 0
    seed: Annotated[
        int,
        Opt(
            "Random seed of --each; the same seed chooses the same variants of an image file.",
            min=0,
            affects=lambda options: options.each,
        ),
    ] = 0
    originals: Annotated[bool, Opt("Print the path of each image too, before its variants.")] = (
        False
    )
    format: Annotated[Literal["png", "jpg"], Opt("Format of the image files.")] = "png"
    quality: Quality = 95
    background: Background = WHITE
    max_pixels: MaxPixels = MAX_PIXELS

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.seed and not self.each:
            raise ValueError("--seed belongs to --each")


@command(
    out="augmented",
    cluster=True,
    examples=[
        "find faces/ | animeaug",
        "find faces/ | animeaug --each 3 --seed 1 --originals | animepack",
        "animeaug --only horizstretch,vertstretch,midnight --mirror faces/",
    ],
)
def animeaug(options: AugOptions, stream: Stream) -> int:
    """Make variants of images, for a dataset that is too small.

    Reads image paths and prints the path of each variant: x.jpg gives x.jpg.red.png. The
    augmentations are those of the article, each as ImageMagick does it:

    deskew (-deskew 50%), horizstretch, vertstretch (-resize, 110% of one side), midnight
    (-blue-shift 1.1), red, orange, yellow, green, blue, purple (-colorize 5%), blur
    (-adaptive-blur 3x2), sharpen (-adaptive-sharpen 4x2), brighter, darker
    (-brightness-contrast 10, -10), brightercontraster, darkerlesscontrast
    (-brightness-contrast 10x10, -10x10), contraster (-level 5%) and lesscontrast (+level 5%).

    A record keeps its tags and its source. Variants are 8-bit sRGB, upright; transparency is laid
    on the background.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, recognized by their content; with
    animetools[formats] also HEIC and JPEG XL.
    """
    return stream.map(partial(augment, options))


def augment(options: AugOptions, item: Item, output: Output) -> Iterator[Item]:
    """The variants of one image, each as a file."""
    from animetools.images.augment import augmented
    from animetools.images.described import encode_described
    from animetools.images.files import decode_rgb, read_bytes

    tags_of(item.facts)  # malformed ones are an error before anything is written
    data = read_bytes(item.path)
    rgb = decode_rgb(data, max_pixels=options.max_pixels, background=options.background)
    names = options.only.names if options.only else AUGMENTATIONS
    variants = variants_of(names, mirror=options.mirror)
    if options.each:
        variants = chosen(variants, options.each, options.seed, data)
    if options.originals:
        yield item
    for variant in variants:
        pixels = augmented(rgb, variant, options.background)
        encode = partial(encode_described, pixels, options.format, options.quality)
        path = output.write(f".{variant.name}.{options.format}", encode)
        height, width = pixels.shape[:2]
        yield item.made(path, width=width, height=height, **variant.facts)

"""sgproject: find the latents of pictures."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from animetools.cli import (
    NETWORK,
    Batch,
    Batches,
    Device,
    Item,
    Opt,
    Output,
    Sha256,
    Stream,
    command,
)
from animetools.cli.item import Result, Work, reason_of
from animetools.errors import FatalError, ItemError
from animetools.inversion.options import ProjectionOptions
from animetools.settings import Settings

if TYPE_CHECKING:
    from animetools.images.crop import Frame
    from animetools.images.faces import Detector
    from animetools.images.files import Pixels
    from animetools.inversion.project import ProjectingNetwork


@dataclass(frozen=True)
class ProjectOptions(ProjectionOptions):
    """The options of sgproject."""

    network: Annotated[
        str,
        Opt(NETWORK, unit="FILE|URL", affects=False),
    ] = "default"
    sha256: Sha256 = ""
    align: Annotated[
        bool,
        Opt("Project the largest face of each picture, cut as animecrop --align --largest does."),
    ] = False
    margin: Annotated[
        float,
        Opt(
            "With --align, margin on each side of the face, in face widths.",
            "m",
            "RATIO",
            min=0,
            max=10,
            affects=lambda options: options.align and not options.portrait,
        ),
    ] = 0.25
    portrait: Annotated[
        bool,
        Opt("With --align, include hair, ears, hats and neckline instead of a margin."),
    ] = False
    sheet: Annotated[
        bool,
        Opt("Also write a picture of each original (left) and of what its latents give (right)."),
    ] = False
    batch: Batch = 16
    device: Device = "auto"

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        super().__post_init__()
        if self.portrait and not self.align:
            raise ValueError("--portrait needs --align")


@command(
    out="latents",
    examples=[
        "sggen --seeds 7 --psi 0.7 | sgproject --steps 20 --sheet | sggen -o again -",
        "find faces/ -name '*.png' | sgproject --steps 20 --json > found.txt",
        "sgproject --align --space w --steps 20 raw/",
    ],
)
def sgproject(options: ProjectOptions, stream: Stream) -> int:
    """Find the latents from which a StyleGAN draws a picture.

    Reads image paths and prints the path of a file of latents for each, in input order: sggen
    draws it. Any picture has latents that come near it; how near depends on whether the network
    learned such pictures. Pictures are resized to what the network draws, and must have its
    proportions: crop them as its training images were, or give --align.

    What is compared are pixels at several scales, and features of the discriminator. A record of
    --json has psnr (in dB) and features (0 is equal), both between the picture and what its latents
    give. The .npz has w (or z), noise0, noise1 ... with --noise, and the settings, in facts.

    A picture's latents depend neither on the others nor on --jobs.
    """
    network = open_network(options)
    detector = None
    if options.align:
        from animetools.images.faces import choose_detector

        detector = choose_detector("auto")
    opened = network.network
    if options.network == "default":
        stream.note("projecting into the network of animetools; --network names another")
    if options.features == "discriminator" and network.discriminator() is None:
        stream.note("the network file has no discriminator for its pictures: comparing pixels only")
    stream = stream.keyed(network=opened.sha256[:16])
    if detector:
        stream = replace(stream, found=detector.found)
    prepare = partial(decode, options, network, detector)
    save_one = partial(save, options, network, stream.made_with)
    if stream.options.dry_run:
        return stream.map(partial(planned, prepare, partial(save_one, None)))

    import torch

    from animetools.inversion.project import load_projections
    from animetools.networks.devices import devices

    found = devices(options.device)
    is_on_cpu = found[0].type == "cpu"
    if options.start == "nearest":
        stream.note("drawing 10,000 samples to begin from")
    work = Batches(
        1 if is_on_cpu else options.batch,
        prepare,
        partial(load_projections, network),
        found * torch.get_num_threads() if is_on_cpu else found,  # a thread per core
        save_one,
    )
    return stream.batches(work)


def open_network(options: ProjectOptions) -> "ProjectingNetwork":
    """How to project with the network; it has been read, and suits the options."""
    from animetools.netfiles.fetch import locate

    path = locate(options.network, options.sha256 or None)  # before torch is loaded, for seconds
    import torch

    from animetools.inversion.project import ProjectingNetwork

    network = ProjectingNetwork(path, options, options.batch)
    try:
        generator = network.network.generator
        network.labels()
        if generator.config.image_channels not in (1, 3, 4):
            raise ItemError(f"it draws {generator.config.image_channels} channels, not a picture")
        if options.noise and not generator.noise_shapes:
            raise ItemError("--noise: it takes no noise")
        if options.features not in ("discriminator", "none"):
            network.features(torch.device("cpu"))
    except (ItemError, OSError) as why:
        raise FatalError(f"{path}: {reason_of(why)}") from None
    return network


def frame_of(options: ProjectOptions) -> "Frame":
    """How much is shown around a face."""
    from animetools.images.crop import margin, portrait

    return portrait() if options.portrait else margin(options.margin)


def decode(
    options: ProjectOptions, network: "ProjectingNetwork", detector: "Detector | None", item: Item
) -> "Pixels":
    """A picture as the network draws it, uint8 [C, H, W]."""
    from animetools.images.files import read_rgb
    from animetools.inversion.pictures import face_of, target_of

    rgb = read_rgb(item.path)
    if detector:
        rgb = face_of(rgb, detector, frame_of(options))
    return target_of(rgb, network.network.generator.config)


def planned(
    prepare: Callable[[Item], Any], save_one: Work, item: Item, output: Output
) -> Iterable[Result]:
    """The files of a picture that could be projected."""
    prepare(item)
    return save_one(item, output)


def save(
    options: ProjectOptions,
    network: "ProjectingNetwork",
    settings: Settings,
    made: Any,
    item: Item,
    output: Output,
) -> Iterator[Item]:
    """The latents of a picture, and with --sheet both pictures; `made` is a Projection.

    It is None in a dry run.
    """
    error = made.error if made else {}
    facts = settings.words() | {"picture": item.path, "sha256": network.network.sha256} | error
    path = output.write(".npz", lambda: made.latent_file(facts))
    if options.sheet:
        output.write(".png", lambda: made.sheet())
    yield item.made(path, **error)

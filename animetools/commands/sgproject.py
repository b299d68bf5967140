"""sgproject: find the latents of pictures."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from animetools.cli import Batches, Item, Output, Stream, command
from animetools.cli.aside import until_interrupted
from animetools.cli.item import Result, Work, reason_of
from animetools.errors import FatalError, ItemError
from animetools.inversion.options import ENCODER, ProjectOptions
from animetools.settings import Settings

LESS_MEMORY = "train on another --device"

if TYPE_CHECKING:
    from animetools.images.crop import Frame
    from animetools.images.faces import Detector
    from animetools.images.files import Pixels
    from animetools.inversion.network import ProjectingNetwork


@command(
    out="latents",
    examples=[
        "sggen --seeds 7 --psi 0.7 | sgproject --steps 20 --sheet | sggen -o again -",
        "find faces/ -name '*.png' | sgproject --steps 20 --json > found.txt",
        "sgproject --align --space w --steps 20 raw/",
        "sgproject --train-encoder --network network.pkl --kimg 0.1 -o encoder",
        "sgproject --network network.pkl --encoder encoder/encoder.safetensors --steps 20 faces/",
    ],
)
def sgproject(options: ProjectOptions, stream: Stream) -> int:
    """Find the latents from which a StyleGAN draws a picture.

    Reads image paths and prints the path of a file of latents for each, in input order: sggen
    draws it. Any picture has latents that come near it; how near depends on whether the network
    learned such pictures. Pictures are resized to what the network draws, and must have its
    proportions: crop them as its training images were, or give --align.

    There are three ways. To optimize, latents are changed step by step until the network draws the
    picture. To encode, another network guesses them at once, but not as near. Both comes nearer in
    the same number of steps than from the average. An encoder belongs to one network file; the network
    that ships has one, and --train-encoder makes one of any other: it learns from samples, whose
    latents are known, writes encoder.safetensors, and prints its path. A run that was interrupted
    continues when the same line is run again.

    What is compared are pixels at several scales, and features of the discriminator. A record of
    --json has psnr (in dB) and features (0 is equal), both between the picture and what its latents
    give. The .npz has w (or z), noise0, noise1 ... with --noise, and the settings, in facts.

    A picture's latents depend neither on the others nor on --jobs.
    """
    if options.train_encoder and stream.files:
        raise FatalError("--train-encoder takes no pictures: it learns from the network's own")
    network = open_network(options)
    if options.train_encoder:
        for path in until_interrupted(
            partial(train, network, options, stream), stream, LESS_MEMORY
        ):
            stream.print(Item(path))
        return 0
    detector = None
    if options.align:
        from animetools.images.faces import choose_detector

        detector = choose_detector("auto", landmarks=True)
    opened = network.network
    if options.network == "default":
        stream.note("projecting into the network of animetools; --network names another")
    if options.features == "discriminator" and network.discriminator() is None:
        stream.note("the network file has no discriminator for its pictures: comparing pixels only")
    meant = network.options
    keys = {"way": meant.way, "steps": meant.steps, "network": opened.sha256[:16]}
    if meant.encoder:
        from animetools.download import sha256_of

        keys["encoder"] = sha256_of(meant.encoder)[:16]
    stream = stream.keyed(**keys)
    if detector:
        stream = replace(stream, found=detector.found)
    prepare = partial(decode, options, network, detector)
    save_one = partial(save, options, network, stream.made_with)
    if stream.options.dry_run:
        return stream.map(partial(planned, prepare, partial(save_one, None)))

    import torch

    from animetools.inversion.project import Projector
    from animetools.networks.devices import devices

    found = devices(options.device)
    is_on_cpu = found[0].type == "cpu"
    if options.start == "nearest":
        stream.note("drawing 10,000 samples to begin from")
    work = Batches(
        1 if is_on_cpu else options.batch,
        prepare,
        partial(Projector, network),
        found * torch.get_num_threads() if is_on_cpu else found,  # a thread per core
        save_one,
    )
    return stream.batches(work)


def open_network(options: ProjectOptions) -> "ProjectingNetwork":
    """How to project with the network; it has been read, and suits the options."""
    from animetools.netfiles.fetch import locate

    path = locate(options.network, options.sha256 or None)  # before torch is loaded, for seconds

    from animetools.inversion.network import ProjectingNetwork

    network = ProjectingNetwork(path, options, options.batch)
    try:
        if not options.train_encoder:
            network = network.resolved()
        network.check()
    except (ItemError, OSError) as why:
        raise FatalError(f"{path}: {reason_of(why)}") from None
    return network


def train(
    network: "ProjectingNetwork",
    options: ProjectOptions,
    stream: Stream,
    stopping: Callable[[], bool],
) -> Iterator[str]:
    """Train an encoder of the network; yields its path at the end."""
    import torch

    from animetools.cli.cores import cores
    from animetools.inversion.encoder_training import trained, training_of
    from animetools.networks.devices import devices

    if stream.options.dry_run:
        yield os.path.join(stream.out, ENCODER)
        return
    torch.set_num_threads(min(stream.options.jobs or cores(), cores()))
    training = training_of(network, options.kimg, devices(options.device)[0])
    force = stream.options.force
    yield from trained(training, stream.out, stream.note, stream.watch, stopping, force=force)


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

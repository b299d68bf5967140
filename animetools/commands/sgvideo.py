"""sgvideo: make films with a StyleGAN."""

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from animetools.cli import AutoBatch, Item, OneDevice, Opt, Output, Sha256, Stream, command
from animetools.cli.cores import cores
from animetools.cli.item import reason_of
from animetools.errors import FatalError, ItemError
from animetools.films.options import (
    KINDS,
    LARGEST_CRF,
    NETWORKS,
    NO_DIRECTIONS,
    FilmOptions,
    Request,
    requests,
)

if TYPE_CHECKING:
    from animetools.films.making import Frames, Studio
    from animetools.sampling.sampler import Sampler

OUT = "videos"


@dataclass(frozen=True)
class VideoOptions(FilmOptions):
    """The options of sgvideo."""

    sha256: Sha256 = ""
    device: OneDevice = "auto"
    dtype: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        Opt(
            "Precision of the network; auto: bf16 for mp4 and webm on CPUs that have it, else fp32."
        ),
    ] = "auto"
    batch: AutoBatch = 0

    def __post_init__(self) -> None:
        """Refuse contradictions before anything heavy is loaded."""
        super().__post_init__()
        if self.device == "all":
            raise ValueError("--device all: a film is drawn on one device")


@command(
    out=OUT,
    reads=False,
    arguments=("KIND ...", "The kind of film, and for some kinds what it is made of: see above."),
    examples=[
        "sgvideo walk --grid 2x2 --seed 404 --seconds 1",
        "sgvideo edit turn=3 --seeds 0-3 --seconds 1",
        "sgvideo between 5 9 5 --network network.pkl --seconds 1",
        "sgedit --learn pca.npz --pca 4 --samples 2000 && "
        "sgvideo edit pca0=3 --directions pca.npz --seeds 0-3 --seconds 1",
        "sgvideo truncate --network network.pkl --seeds 0-3 --psi 1,-1 --seconds 1 --format gif",
        "sgvideo turn --network stylegan3.pkl --seeds 0-3 --seconds 1",
        "sgvideo cross network.pkl model.pkl --seconds 1 --format webm",
        "sgvideo --preset article --network network.pkl --seconds 1",
    ],
)
def sgvideo(options: VideoOptions, stream: Stream) -> int:
    """Make films with a StyleGAN.

    walk: faces wander through z and come back to where they began. Faces of a network of tags change
    those that --tags does not name on this way too, and in coarse, fine, circular and music.

    coarse, fine: fixed faces (--seeds) whose coarse or fine layers follow a walk.

    circular: faces on a circle in z; every frame changes the picture by the same mean squared error.

    between FACE FACE ...: one face becomes the next. A face is a seed, or tags (or a class) of a
    conditional network, without other tags; a seed keeps the tags before it, tags keep the seed. Tags
    that are numbers are written 3:1. 5+smile=2 is seed 5 after an edit, as sgedit's, along
    --directions.

    edit EDITS ...: faces (--seeds) go from the first edits to the last and back, or from one to its
    opposite, along --directions, or those of the network that ships.

    montage RUN: the sheets of samples of a run of sgtrain; montage FILE ...: image files, or what
    networks draw, one after the other.

    truncate: psi goes from the first of --psi to the last and back, or from one to its opposite.

    turn, drift: faces of a StyleGAN 3 turn once counter-clockwise, or drift to the sides and back.

    music FILE: a walk whose speed follows the loudness and the beats of a sound, which is in the film.

    cross NETWORK NETWORK ...: the weights go from one network to the next of the same shape.

    Prints the path of the film: videos/walk-404.mp4. All loop but between, montage, music and cross.
    Odd sizes become even for mp4 and webm, by another row or column like the last. The film's metadata
    says where it comes from; --json prints that. A film that is interrupted leaves no file, and
    begins from the start; --frames continues where it was.
    """
    wanted = requests(options, stream.files)
    if options.frames and stream.out != OUT:
        raise FatalError("--frames and --out exclude each other")
    if not options.frames or wanted[0].kind == "music":
        from animetools.films.pyav import av

        av()
    if wanted[0].kind in NETWORKS and options.network != "default":
        raise FatalError(f"{wanted[0].kind} names its networks itself: leave out --network")
    wanted = [located(request) for request in wanted]
    count = stream.options.jobs or cores()
    sampler = None if wanted[0].kind in NETWORKS else open_sampler(options, count)
    if sampler:
        if options.network == "default":
            stream.note("drawing with the network of animetools; --network names another")
        psi = str(options.psi or sampler.usual_psi)
        stream = stream.keyed(
            network=sampler.network.sha256[:16],
            psi=psi,
            cutoff=sampler.options.cutoff,
            dtype=sampler.dtype,
        )
    else:
        stream = stream.keyed(psi=str(options.psi or ""))

    from animetools.films.making import Studio
    from animetools.networks.devices import devices

    directions = None
    if sampler and "directions" in KINDS[wanted[0].kind].takes:
        from animetools.editing.available import available

        found = available(options.directions, sampler.network)
        if found.found:
            directions = found
            stream = stream.keyed(directions=f"{zlib.crc32(found.encode())}")
        elif wanted[0].kind == "edit":
            raise FatalError(NO_DIRECTIONS)
    studio = Studio.opened(sampler, devices(options.device)[0], count, options.upscale, directions)
    if options.frames:
        stream = replace(stream, out=options.frames)
        return stream.map(save_frame, frames(studio, stream, wanted))
    items = [
        Item(f"/{each.name}.{options.format}", stamp=stamp_of(each), load=each) for each in wanted
    ]
    stream.expect(len(items))
    one = replace(stream, options=replace(stream.options, jobs=1))  # a film uses all cores
    return one.map(partial(film, studio, stream), items)


def open_sampler(options: VideoOptions, count: int) -> "Sampler":
    """How to draw with the network, on so many cores."""
    from animetools.netfiles.fetch import locate

    path = locate(options.network, options.sha256 or None)  # before torch is loaded, for seconds

    from animetools.sampling.options import SamplingOptions
    from animetools.sampling.sampler import Sampler

    how = SamplingOptions(options.network, None, options.cutoff, options.class_, options.tags)
    try:
        return Sampler(path, how, dtype_of(options), options.batch, count).opened()
    except (ItemError, OSError) as why:
        raise FatalError(f"{path}: {reason_of(why)}") from None


def dtype_of(options: VideoOptions) -> Literal["fp32", "bf16", "fp16"]:
    """The precision of the network: a lossy film loses far more than bfloat16 does in convolutions."""
    if options.dtype != "auto":
        return options.dtype

    import torch

    from animetools.networks.devices import devices
    from animetools.networks.fast import native

    lossy = options.format in LARGEST_CRF and not options.frames
    fits = devices(options.device)[0].type == "cpu" and native(torch.bfloat16) == torch.bfloat16
    return "bf16" if lossy and fits else "fp32"


def located(request: Request) -> Request:
    """A film with the paths of its networks and files; FatalError for those that do not exist."""
    from animetools.netfiles.fetch import locate

    words = request.arguments
    if request.kind == "music":
        if len(words) != 1:
            raise FatalError("music takes one sound file")
        if not os.path.isfile(words[0]):
            raise FatalError(f"{words[0]} is not a file")
    if request.kind not in NETWORKS:
        return request
    cure = "name network files" if request.kind == "cross" else "name a run, images or networks"
    paths = (word if os.path.exists(word) else locate(word, cure=cure) for word in words)
    return replace(request, arguments=tuple(paths))


def stamp_of(request: Request) -> str:
    """What a film is made of, besides options that affect all: if it changes, the film is another."""
    facts: list[object] = [request.kind, request.arguments, request.options.seed]
    if request.kind not in ("between", "edit"):
        for path in request.arguments:
            status = os.stat(path)
            facts.append((status.st_size, status.st_mtime_ns))
    return f"{zlib.crc32(repr(facts).encode())}"


def film(studio: "Studio", stream: Stream, item: Item, output: Output) -> Iterator[Item]:
    """A film as a file."""
    from animetools.films.making import recipe_of, saying, write_film

    request: Request = item.load
    if output.dry:
        yield item.made(output.write("", bytes), film=request.kind)
        return
    if path := output.find(""):  # of a run that was killed before it could say so
        yield item.made(path, film=request.kind)
        return
    part = output.open("")
    scene = studio.scene(request, output.progress)
    facts = studio.facts(request, scene)
    recipe = recipe_of(request, scene, json.dumps(facts))
    if recipe.final_size != scene.size:
        wide, high = recipe.final_size
        stream.note(f"{part.path}: made {wide}x{high}, since H.264 and VP9 take even sizes only")
    try:
        tell = saying(output.progress, lambda text: stream.note(f"{part.path}: {text}"))
        write_film(scene, part.name, recipe, tell)
    except OSError as why:
        if why.filename not in (None, part.name):
            raise
        raise OSError(why.errno, why.strerror, part.path) from None
    yield item.made(part.path, **facts)


def frames(studio: "Studio", stream: Stream, wanted: list[Request]) -> Iterator[Item]:
    """An item for each frame of the films."""
    from animetools.films.making import Frames

    for request in wanted:
        scene = studio.scene(request, lambda done, total: None)
        drawn, stamp = Frames(scene, studio.facts(request, scene)), stamp_of(request)
        stream.expect(scene.count)
        for number in range(scene.count):
            yield Item(f"/{request.name}-{number:05}", stamp=stamp, load=(drawn, number))


def save_frame(item: Item, output: Output) -> Iterator[Item]:
    """A frame as a file."""
    drawn: Frames = item.load[0]
    number: int = item.load[1]
    path = output.write(".png", lambda: drawn.png(number))
    yield item.made(path, **drawn.facts, frame=number)

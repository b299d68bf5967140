"""From a film that is wanted to its file, or its frames."""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
import torch

from animetools.download import sha256_of
from animetools.editing.directions import Directions
from animetools.errors import FatalError, ItemError
from animetools.estimate import duration
from animetools.films.encoder import Encoder, Recipe
from animetools.films.kinds import FILMS
from animetools.films.montage import listed, pictures
from animetools.films.networks import Changing, Means, cross, snapshots
from animetools.films.options import FilmOptions, Request
from animetools.films.scenes import Enlarge, Scene, blocks
from animetools.films.source import Source
from animetools.images.described import encode_described
from animetools.images.files import Pixels
from animetools.images.picture import Picture
from animetools.options import options_of
from animetools.sampling.sampler import Sampler
from animetools.upscaling.upscaler import Upscaler

USUAL_ROUNDS = 5  # in which the frames of a circle are drawn before the film
AHEAD = 8  # frames that wait for the encoder
IN_SAMPLE = 16  # frames from which the palette of a GIF is chosen
LOOK_SECONDS, LONG_SECONDS = 5, 60  # after which the rest is estimated, and what is told
MOST_NAMES = 100  # of files that an origin lists
# Options that an origin has elsewhere, or that do not change what a film shows.
ELSEWHERE = {
    "network",
    "psi",
    "noise",
    "seed",
    "fps",
    "format",
    "crf",
    "bitrate",
    "frames",
    "preset",
    "directions",
}

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Studio:
    """What films are made with: a network if they need one, a device, so many cores."""

    sampler: Sampler | None
    device: torch.device
    cores: int
    upscaler: Upscaler | None
    directions: Directions | None = None

    @classmethod
    def opened(
        cls,
        sampler: Sampler | None,
        device: torch.device,
        cores: int,
        upscale: bool,
        directions: Directions | None = None,
    ) -> "Studio":
        """A studio, with the network that enlarges pictures if they are to be, and directions for edits.

        Raises FatalError if that cannot be had.
        """
        upscaler = None
        if upscale:
            upscaler = Upscaler("cunet", str(device), "fp16", jobs=cores, side=0, tta=False)
            upscaler.open(upscaler.steps(2, None))
        return cls(sampler, device, cores, upscaler, directions)

    def enlarge(self) -> Enlarge | None:
        """What enlarges a picture, if asked."""
        if not self.upscaler:
            return None
        return partial(_enlarged, self.upscaler)

    def scene(self, request: Request, progress: Progress) -> Scene:
        """What the frames of a film show.

        Raises FatalError, in one sentence, if there is no such film.
        """
        try:
            return self._scene(request, progress)
        except ItemError as why:
            raise FatalError(str(why)) from None

    def _scene(self, request: Request, progress: Progress) -> Scene:
        means = Means(request.options, self.device, self.cores, self.enlarge())
        if request.kind == "cross":
            return cross(request.arguments, means)
        if request.kind == "montage":
            paths, are_pictures = listed(request.arguments)
            if are_pictures:
                return pictures(paths, request.options, means.enlarge)
            return snapshots(paths, means)
        assert self.sampler
        total = (USUAL_ROUNDS + 1) * request.options.count() if request.kind == "circular" else 1

        def tell(measured: int) -> None:
            progress(min(measured, total * USUAL_ROUNDS // (USUAL_ROUNDS + 1)), total)

        renderer = self.sampler.renderer(self.device)
        source = Source(self.sampler, renderer, request, means.enlarge, tell, self.directions)
        return FILMS[request.kind](source)

    def facts(self, request: Request, scene: Scene) -> dict[str, Any]:
        """Where a film comes from: enough to make it again."""
        options = request.options
        width, height = scene.size
        facts: dict[str, Any] = {"film": request.kind}
        if names := [os.path.basename(word.rstrip("/")) for word in request.arguments]:
            facts["of"] = names[:MOST_NAMES]
        if options.directions:
            facts["directions"] = [os.path.basename(path) for path in options.directions]
        for option in options_of(FilmOptions):
            value = getattr(options, option.name)
            if option.name not in ELSEWHERE and value != option.default:
                facts[option.name.rstrip("_")] = option.plain(value)
        if request.kind != "montage" or isinstance(scene, Changing):
            facts |= {"seed": options.seed, "noise": options.noise}
        if isinstance(scene, Changing):
            facts["sha256"] = [sha256_of(path) for path in scene.paths[:MOST_NAMES]]
        if self.sampler:
            psi = options.psi or self.sampler.usual_psi
            facts |= {"psi": psi[0] if len(psi) == 1 else list(psi), "dtype": self.sampler.dtype}
            facts["network"] = os.path.basename(self.sampler.path)
            facts["sha256"] = self.sampler.network.sha256
        return facts | {
            "fps": float(options.rate),
            "frames": scene.count,
            "width": width,
            "height": height,
        }


def recipe_of(request: Request, scene: Scene, origin: str) -> Recipe:
    """What the file of a film is to be."""
    options = request.options
    sound = request.arguments[0] if request.kind == "music" else ""
    quality = options.crf, options.bitrate
    return Recipe(options.format, scene.size, options.rate, scene.count, origin, *quality, sound)


def write_film(scene: Scene, path: str, recipe: Recipe, progress: Progress) -> None:
    """Write a film; its frames go to the encoder, which works while others are drawn.

    Raises ItemError for frames that cannot be drawn, OSError.
    """
    sample: list[Pixels] = []
    if recipe.kind == "gif":
        for number in range(0, scene.count, max(1, scene.count // IN_SAMPLE)):
            sample += scene.draw(number, number + 1)
    with Encoder(path, recipe, sample) as encoder, ThreadPoolExecutor(1) as behind:
        waiting: deque[Future[None]] = deque()
        for done, pixels in enumerate(frames(scene), 1):
            waiting.append(behind.submit(encoder.write, pixels))
            if len(waiting) > AHEAD:
                waiting.popleft().result()
            progress(done, scene.count)
        for each in waiting:
            each.result()


def saying(progress: Progress, note: Callable[[str], None]) -> Progress:
    """The same, which also says once how long the rest of a film will take, if that is long."""
    began: list[tuple[float, float]] = []  # the time of the first frame, and its number

    def tell(done: float, total: float) -> None:
        progress(done, total)
        if not began:
            began.append((time.monotonic(), done))
        elif len(began) == 1 and (spent := time.monotonic() - began[0][0]) > LOOK_SECONDS:
            began.append(began[0])
            left = (total - done) * spent / (done - began[0][1])
            if left > LONG_SECONDS:
                note(f"{total:,.0f} frames, {duration(left)} to go")

    return tell


def frames(scene: Scene) -> Iterator[Pixels]:
    """All frames of a film."""
    for first, end in blocks(scene.count, scene.size):
        yield from scene.draw(first, end)


class Frames:
    """The frames of a film by their numbers, for several threads; best in their order."""

    def __init__(self, scene: Scene, facts: dict[str, Any]) -> None:
        self.scene, self.facts = scene, facts
        self.drawing = Lock()
        self.first, self.drawn = 0, list[Pixels]()

    def __getitem__(self, number: int) -> Pixels:
        """The frame of this number.

        Raises ItemError if it cannot be drawn.
        """
        with self.drawing:
            if not self.first <= number < self.first + len(self.drawn):
                for first, end in blocks(self.scene.count, self.scene.size):
                    if first <= number < end:
                        self.first, self.drawn = first, list(self.scene.draw(first, end))
            return self.drawn[number - self.first]

    def png(self, number: int) -> bytes:
        """The frame as a PNG that says where it comes from."""
        text = json.dumps(self.facts | {"frame": number})
        return encode_described(self[number], "png", 0, text)


def _enlarged(upscaler: Upscaler, pixels: Pixels) -> Pixels:
    """A picture, uint8 [H, W, 3], twice as large."""
    return np.asarray(upscaler(Picture(pixels), upscaler.steps(2, None)).pixels, np.uint8)

"""Faces that stay, drawn by networks that change: from one to another, or the snapshots of a run."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch

from animetools.errors import FatalError, ItemError
from animetools.films.options import FilmOptions
from animetools.films.paths import Times, legs
from animetools.films.scenes import WHITE, Enlarge, checked, in_rgb
from animetools.films.source import faces_of
from animetools.images.files import Pixels
from animetools.images.fit import fit
from animetools.images.sheet import sheet
from animetools.netfiles import checkpoints
from animetools.netfiles.blend import difference
from animetools.netfiles.classes import classes_of, examples_of
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.generator import Generator
from animetools.sampling.labels import PossibleLabels
from animetools.sampling.latents import Floats, Latent, synthesis_input
from animetools.sampling.options import SamplingOptions
from animetools.sampling.render import picture_of, to_pixels
from animetools.sampling.seeds import Grid

KEPT = 3  # networks in memory: those that a block of frames goes from and to


@dataclass(frozen=True)
class Means:
    """What draws with networks that change, beside these."""

    options: FilmOptions
    device: torch.device
    cores: int
    enlarge: Enlarge | None


@dataclass(frozen=True)
class Changing:
    """The faces of `seeds` in a grid, as networks draw them, whose weights are mixed in between.

    A frame at place 1.25 is drawn by networks 1 and 2, with a quarter of the latter. `cell` is the
    width and height of a face; those of another size are fitted into it.
    """

    paths: tuple[str, ...]
    places: Times
    seeds: tuple[int, ...]
    grid: Grid
    cell: tuple[int, int]
    means: Means

    @property
    def count(self) -> int:
        """How many frames there are."""
        return len(self.places)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame."""
        return self.cell[0] * self.grid.columns, self.cell[1] * self.grid.rows

    def draw(self, first: int, end: int) -> Iterator[Pixels]:
        """The frames from the first up to the end."""
        torch.set_num_threads(1)
        places = sorted(set(self.places[first:end].tolist()))
        on_cpu = self.means.device.type == "cpu"
        with ThreadPoolExecutor(self.means.cores if on_cpu else 1) as pool:
            frame = partial(self._frame, threading.local())
            drawn = dict(zip(places, pool.map(frame, places), strict=True))
        for place in self.places[first:end].tolist():
            yield drawn[place]

    def _frame(self, own: threading.local, place: float) -> Pixels:
        below = min(int(place), len(self.paths) - 1)
        file = read(self.paths[below])
        network, state = file.generator, file.generator.state
        if share := place - below:
            other = read(self.paths[below + 1]).generator.state
            state = {name: value.lerp(other[name], share) for name, value in state.items()}
        if getattr(own, "config", None) != network.config:
            own.config, own.generator = network.config, network.build()
        own.generator.load_state_dict(state, assign=True)
        c_dim = own.generator.config.mapping.c_dim
        faces = (
            self._face(own.generator, latent, self._label(place, latent, c_dim))
            for latent in map(Latent, self.seeds)
        )
        white = np.full((self.cell[1], self.cell[0], 3), WHITE, np.uint8)
        empty = [white] * (self.grid.size - len(self.seeds))
        return sheet([*faces, *empty], self.grid.size, self.grid.columns)

    @torch.inference_mode()
    def _face(self, generator: Generator, latent: Latent, label: Floats | None) -> Pixels:
        options, truncation = self.means.options, generator.config.truncation
        psi = (options.psi or (truncation.psi,))[0]
        cutoff = truncation.cutoff if options.cutoff is None else options.cutoff
        how = SamplingOptions(noise=options.noise, cutoff=cutoff)
        made, device = synthesis_input(generator, latent, psi, how, label), self.means.device
        noise = made.noise
        if not isinstance(noise, str):
            noise = [layer.to(device) for layer in noise]
        image = generator.synthesis.to(device)(made.ws.to(device), noise).float()
        if not image.isfinite().all():
            raise ItemError(f"the picture of seed {latent.seed} is not finite")
        rgb = in_rgb(picture_of(to_pixels(image)[0].cpu().numpy()))
        return fit(self.means.enlarge(rgb) if self.means.enlarge else rgb, self.cell)[0]

    def _label(self, place: float, latent: Latent, c_dim: int) -> Floats | None:
        """The labels [c_dim] of a face, between those that the two networks' examples give it."""
        options, below = self.means.options, int(place)
        needed = self.paths[below : below + 1 + (place > below)]
        both = [
            labels.of([latent])[0]
            for path in needed
            if (labels := _labels(path, c_dim, options.class_, options.tags))
        ]
        return both[0] + np.float32(place - below) * (both[-1] - both[0]) if both else None


@lru_cache(maxsize=KEPT)
def _labels(path: str, c_dim: int, class_: str, tags: tuple[str, ...]) -> PossibleLabels | None:
    facts = read(path).facts
    names, examples = classes_of(facts, c_dim), examples_of(facts, c_dim)
    return PossibleLabels.of_network(names, examples, class_, tags)


@lru_cache(maxsize=KEPT)
def read(path: str) -> NetworkFile:
    """The generator of a file, in float32.

    Raises FatalError for a file that cannot be read, or without a generator.
    """
    try:
        file = checkpoints.read(path)
        network = file.generator
        network.build()
    except ItemError as why:
        raise FatalError(f"{path}: {why}") from None
    state = {name: value.float() for name, value in network.state.items()}
    networks = {"G": SavedNetwork(network.config, state)}
    return replace(file, networks=networks, training=None)


def cross(paths: Sequence[str], means: Means) -> Changing:
    """A film from the first network through all others.

    Raises FatalError for one alone, or networks of several shapes.
    """
    if len(paths) < 2:
        raise FatalError("cross needs two networks or more, such as: sgvideo cross a.pkl b.pkl")
    first = read(paths[0]).generator.config
    for path in paths[1:]:
        if differs := difference(read(path).generator.config, first):
            raise FatalError(
                f"cross needs networks of one shape: {path} has {differs} as {paths[0]}"
            )
    return _film(paths, legs(means.options.count(), len(paths)), means)


def snapshots(paths: Sequence[str], means: Means) -> Changing:
    """A film of what each network draws, one after the other; the last has the frame's size."""
    count = means.options.count(len(paths) / float(means.options.rate))
    return _film(paths, (np.arange(count) * len(paths) // count).astype(float), means)


def _film(paths: Sequence[str], places: Times, means: Means) -> Changing:
    seeds, grid = faces_of(means.options)
    height, width = read(paths[-1]).generator.config.image_size
    times = 2 if means.enlarge else 1
    film = Changing(
        tuple(paths), places, tuple(seeds), grid, (width * times, height * times), means
    )
    checked(film.size)
    return film

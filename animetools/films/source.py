"""A network and what a film of it is to show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import torch
from torch import Tensor

from animetools.editing.directions import Directions
from animetools.editing.edits import shift_of
from animetools.editing.grammar import Edits
from animetools.errors import FatalError
from animetools.films.options import FilmOptions, Request
from animetools.films.paths import Floats, Times, walk
from animetools.films.scenes import Enlarge, Stage, checked
from animetools.networks.generator import Noise
from animetools.sampling.latents import Latent, Picture, SynthesisInput, noise_of
from animetools.sampling.render import Renderer
from animetools.sampling.sampler import Sampler
from animetools.sampling.seeds import LARGEST_SEED, MOST_ON_A_SHEET, Grid

LEG = 3.0  # from tags to other tags, in times over which a walk is smoothed


@dataclass(frozen=True)
class Source:
    """A network on its device, and the film that is wanted of it; directions for its edits.

    `tell` hears how many frames were drawn that are not of the film, but measured.
    """

    sampler: Sampler
    renderer: Renderer
    request: Request
    enlarge: Enlarge | None
    tell: Callable[[int], None]
    directions: Directions | None = None

    @property
    def options(self) -> FilmOptions:
        """Those of the film."""
        return self.request.options

    @property
    def psi(self) -> float:
        """How far w may be from its average."""
        return (self.options.psi or self.sampler.usual_psi)[0]

    @property
    def z_dim(self) -> int:
        """Numbers in a z."""
        return self.sampler.generator.config.mapping.z_dim

    def w(self, z: Floats, labels: Floats | None) -> Tensor:
        """Truncated w [n, faces, rows, w_dim] of z [n, faces, z_dim].

        Labels are [faces, c_dim] or [n, faces, c_dim].
        """
        frames, faces, width = z.shape
        c = None
        if labels is not None:
            all_labels = np.broadcast_to(labels, (frames, faces, labels.shape[-1]))
            c = torch.from_numpy(all_labels.reshape(frames * faces, -1).copy())
        flat = torch.from_numpy(np.ascontiguousarray(z.reshape(-1, width)))
        ws: Tensor = self.sampler.generator.mapping(flat, c)
        return self.truncated(ws, self.psi).view(frames, faces, *ws.shape[1:])

    def truncated(self, ws: Tensor, psi: float | Tensor) -> Tensor:
        """w [n, rows, w_dim] at a psi, or at psi [n, 1, 1]."""
        return self.sampler.generator.truncate(ws, psi, self.sampler.options.cutoff)

    def walk(self, frames: int, faces: int) -> Floats:
        """The walk of so many faces, [frames, faces, z_dim]."""
        return walk(self.options.seed, frames, faces, self.z_dim, self.options.sigma(frames))

    def labels(self, seeds: Sequence[int]) -> Floats | None:
        """The labels [n, c_dim] of the faces of seeds; None for a network without classes."""
        labels = self.sampler.labels()
        return None if labels is None else labels.of(list(map(Latent, seeds)))

    def labels_on_a_walk(
        self, seeds: Sequence[int], frames: int
    ) -> Callable[[Times], Floats | None]:
        """What gives the labels [n, c_dim] or [places, n, c_dim] of these faces at places of a film.

        Where several lists of tags are possible, they go from the seed's to another and, at the end,
        back: with the same tags z changes little.
        """
        fixed, labels = self.labels(seeds), self.sampler.labels()
        count = round(frames / (LEG * max(self.options.sigma(frames), 1)))
        if labels is None or labels.lists is None or labels.count == 1 or count < 2:
            return lambda places: fixed
        own = [Latent(seed).random_class(labels.count) for seed in seeds]
        others = [np.random.default_rng(seed).integers(labels.count, size=count) for seed in seeds]
        numbers = np.stack(others, 1)
        numbers[0] = own

        def at(places: Times) -> Floats:
            legs = places * count / frames
            below = np.floor(legs).astype(int)
            share = (legs - below).astype(np.float32)[:, None, None]
            one, other = (
                labels.rows(numbers[stops % count].ravel()).reshape(len(places), len(seeds), -1)
                for stops in (below, below + 1)
            )
            mixed: Floats = one + share * share * (3 - 2 * share) * (other - one)
            return mixed

        return at

    def face(self, seed: int, psi: float | None = None) -> SynthesisInput:
        """What the synthesis takes for the face of a seed, as sggen draws it."""
        made = self.sampler.input(Picture(Latent(seed), self.psi if psi is None else psi))
        return SynthesisInput(made.ws, self.noise(seed))

    def shift(self, edits: Edits | None) -> Floats:
        """What edits add to w, [num_ws, w_dim].

        Raises ItemError for those that are not among the directions.
        """
        num_ws, w_dim = self.sampler.generator.num_ws, self.sampler.generator.config.mapping.w_dim
        if self.directions is None or not edits:
            return np.zeros((num_ws, w_dim), np.float32)
        return shift_of(edits, self.directions, num_ws)

    def noise(self, seed: int) -> Noise:
        """The noise of a face, in all frames."""
        return noise_of(self.sampler.generator, Latent(seed), self.options.noise)

    def stage(
        self, seeds: Sequence[int], places: Sequence[int | SynthesisInput | None], columns: int
    ) -> Stage:
        """Where faces that move stand; their noise is that of the seeds.

        Raises FatalError for a frame that is too large.
        """
        size = self.sampler.generator.width, self.sampler.generator.height
        noises = tuple(map(self.noise, seeds))
        stage = Stage(self.renderer, tuple(places), columns, noises, size, self.enlarge)
        checked(stage.size)
        return stage

    def in_grid(self, seeds: Sequence[int], grid: Grid) -> Stage:
        """A stage of nothing but faces that move, at most as many as the grid has cells."""
        empty = [None] * (grid.size - len(seeds))
        return self.stage(seeds, [*range(len(seeds)), *empty], grid.columns)


def faces_of(options: FilmOptions) -> tuple[list[int], Grid]:
    """The seeds of faces, those of --seeds or --seed and what follows, and the grid they stand in.

    Raises FatalError for more than the grid has cells.
    """
    if not options.seeds:
        grid = options.grid or Grid(1, 1)
        return [(options.seed + n) % (LARGEST_SEED + 1) for n in range(grid.size)], grid
    count = options.seeds.count
    if count > MOST_ON_A_SHEET:
        raise FatalError(f"--seeds: {count:,} faces are more than {MOST_ON_A_SHEET:,}")
    columns = ceil(sqrt(count))
    grid = options.grid or Grid(columns, ceil(count / columns))
    if count > grid.size:
        raise FatalError(f"--grid {grid} has {grid.size} cells, too few for {count} --seeds")
    return list(options.seeds), grid

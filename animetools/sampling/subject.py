"""What a figure is of: a network, latents, and how they are drawn."""

from dataclasses import dataclass

from animetools.errors import FatalError
from animetools.sampling.figure_options import FigureOptions
from animetools.sampling.latents import Latent, Picture, SynthesisInput
from animetools.sampling.sampler import Sampler

LEGIBLE = 128  # pixels of a picture's width: below, labels are wider than pictures


@dataclass(frozen=True)
class Named:
    """A latent, and its name beside its pictures."""

    name: str
    latent: Latent


@dataclass(frozen=True)
class Subject:
    """A network, and latents of which it draws pictures.

    `rows` are those beside the rows of a figure where `latents` are above its columns. `snapshots` are
    of one run, oldest first.
    """

    sampler: Sampler
    options: FigureOptions
    latents: tuple[Named, ...]
    rows: tuple[Named, ...] = ()
    snapshots: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many things a figure shows that has some number of them."""
        assert self.options.count is not None
        return self.options.count

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a picture."""
        return self.sampler.generator.width, self.sampler.generator.height

    def tile(self, least: int = LEGIBLE) -> tuple[int, int]:
        """Width and height of a picture in the figure: as --size says, or a multiple that is large enough."""
        width, height = self.size
        if self.options.size is None:
            times = -(-least // width)
            return width * times, height * times
        scale = self.options.size / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the latents."""
        return tuple(each.name for each in self.latents)

    @property
    def sources(self) -> tuple[Picture, ...]:
        """A picture of each latent."""
        return tuple(self.picture(each.latent) for each in self.latents)

    def picture(self, latent: Latent) -> Picture:
        """A latent at the psi that was given, or else its usual one."""
        return Picture(latent, self.sampler.psis(latent, self.options.psi)[0])

    def input(self, latent: Latent) -> SynthesisInput:
        """What the synthesis takes for a latent."""
        return self.sampler.input(self.picture(latent))

    def own_seed(self) -> int:
        """The seed of a figure whose latents are one stream of random numbers.

        Raises FatalError for what is not one, or would continue a stream of each latent.
        """
        seed, options = self.latents[0].latent.seed, self.options
        if seed is None or options.noise == "seed" or options.truncate == "z":
            raise FatalError(
                "this figure draws many latents of one seed: latents in files, --noise seed and"
                " --truncate z are not for it"
            )
        return seed

"""The files that a run is asked for: which pictures are in each, and what it is called."""

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from animetools.errors import ItemError
from animetools.sampling.latents import Latent, Picture
from animetools.sampling.naming import Naming
from animetools.sampling.sampler import Sampler
from animetools.sampling.seeds import is_seeds

LATENTS = (".npy", ".npz", ".pt")


class Source(Protocol):
    """Where latents come from: seeds, such as 0-99, in the place of a path; a file; a record.

    `facts` are those of a record, such as the seed of a picture; `stamp` is that of a file.
    """

    @property
    def path(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...
    @property
    def stamp(self) -> str: ...
    @property
    def trouble(self) -> str: ...


@dataclass(frozen=True)
class Request:
    """A file that is to be made: its path without extension, and its pictures, of a sheet several.

    It is made again if its `stamp` changes. `trouble` is why it cannot be made.
    """

    path: str
    pictures: tuple[Picture, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    stamp: str = ""
    trouble: str = ""


def requests(sampler: Sampler, naming: Naming, sources: Iterable[Source]) -> Iterator[Request]:
    """A request for a picture of every latent of the sources at every psi."""
    index = 0
    for source in sources:
        try:
            for name, facts, latent in _latents(sampler, source):
                for psi in sampler.psis(latent, naming.psis):
                    picture = Picture(latent, psi)
                    values = sampler.facts([picture])
                    values |= {"index": index, "file": os.path.basename(name)}
                    index += 1
                    # A file's own path says whose picture it is; a name from a template does not.
                    stamp = (not naming.template and facts and source.stamp) or f"{picture.digest}"
                    yield Request(naming.picture(name, values), (picture,), facts, stamp)
        except (ItemError, ValueError) as why:
            yield Request(source.path, trouble=str(why))
        except OSError as why:
            yield Request(source.path, trouble=f"cannot be read: {why.strerror}")


def _latents(sampler: Sampler, source: Source) -> Iterator[tuple[str, dict[str, Any], Latent]]:
    """The latents of a source, each with the name of its picture and what is known of it."""
    seeds = source.facts.get("seed", source.facts.get("seeds"))  # of a picture, of a sheet
    if is_seeds(source.path) and not source.stamp:
        seeds = source.path
    is_file = source.path.endswith(LATENTS) and source.stamp  # not a picture: sgproject made it
    if type(seeds) in (int, str) and not is_file:
        for latent in sampler.of_seeds(str(seeds), dict(source.facts)):
            yield f"/seed{latent.seed:04}", {}, latent
        return
    if source.trouble:
        raise ItemError(source.trouble)
    for row, latent in enumerate(sampler.of_file(source.path)):
        facts = {"source": source.path} | dict(source.facts) | {"row": row}
        yield f"{source.path}.{row}", facts, latent


def sheets(sampler: Sampler, naming: Naming, singles: Iterable[Request]) -> Iterator[Request]:
    """A request for each sheet of the pictures that were asked for singly, all of one psi."""
    assert naming.grid
    waiting: dict[float, list[Request]] = {}
    index = 0

    def sheet(several: list[Request]) -> Request:
        pictures = tuple(picture for each in several for picture in each.pictures)
        values = sampler.facts(pictures[:1]) | {"index": index}
        stamp = zlib.crc32(repr([picture.digest for picture in pictures]).encode())
        path = naming.sheet(several[0].path, several[-1].path, values)
        return Request(path, pictures, stamp=f"{stamp}")

    for single in singles:
        if single.trouble:
            yield single
            continue
        several = waiting.setdefault(single.pictures[0].psi, [])
        several.append(single)
        if len(several) == naming.grid.size:
            yield sheet(several)
            index += 1
            several.clear()
    for several in filter(None, waiting.values()):
        yield sheet(several)
        index += 1

"""Which pictures a run makes, each from a latent and a psi, and what is told of them."""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import torch

from animetools.download import sha256_of
from animetools.errors import FatalError, ItemError
from animetools.images.files import Pixels
from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.generator import Generator
from animetools.sampling import latent_files
from animetools.sampling.labels import classes_of, labels_of, words_of
from animetools.sampling.latent_files import Latents
from animetools.sampling.latents import Drawn, Floats, Latent, Manner, draw
from animetools.sampling.render import Renderer
from animetools.sampling.seeds import compact


@dataclass(frozen=True)
class Picture:
    """One picture: where it comes from, and how far its w, or its z, is drawn in."""

    latent: Latent
    psi: float

    @property
    def identity(self) -> int:
        """A number that changes with the picture."""
        latent = self.latent
        return zlib.crc32(repr((latent.seed, latent.entropy, self.psi, *latent.classes)).encode())


def identity_of(pictures: Sequence[Picture]) -> int:
    """The same for a sheet of pictures."""
    return zlib.crc32(repr([picture.identity for picture in pictures]).encode())


@dataclass(frozen=True)
class Making:
    """How all pictures of a run are made, with a network file's generator.

    `classes` are the names of the labels, or their numbers; `told` is what is said of every picture.
    """

    snapshot: NetworkFile
    generator: Generator
    manner: Manner
    classes: tuple[str, ...]
    told: dict[str, Any]

    @classmethod
    def of(cls, path: str, manner: Manner, label: str, tags: str, dtype: str) -> "Making":
        """With the generator of a network file, and in its own manner where none is wished for.

        `label` is one class by number or name, `tags` several.

        Raises OSError and ItemError for a file that cannot be read, that is without generator, or
        with numbers that are none; FatalError for a class that the network does not know.
        """
        snapshot = checkpoints.read(path)
        generator = snapshot.generator.build()
        assert isinstance(generator, Generator)
        classes = classes_of(snapshot.facts, generator.config.mapping.c_dim)
        if label:
            manner = replace(manner, labels=labels_of(classes, [label], "--class"))
        elif tags:
            manner = replace(manner, labels=labels_of(classes, tags.split(","), "--tags"))
        if manner.cutoff is None:
            manner = replace(manner, cutoff=generator.config.truncation.cutoff)
        drawn_in = {"truncate": "z"} if manner.truncate == "z" else {"cutoff": manner.cutoff}
        chosen = {"class": label or None, "tags": tags or None, **drawn_in, "noise": manner.noise}
        told = {key: value for key, value in chosen.items() if value is not None}
        told |= {"dtype": dtype, "network": os.path.basename(path), "sha256": sha256_of(path)}
        return cls(snapshot, generator, manner, classes, told)

    def kept(self, path: str) -> Latents:
        """The latents of a file.

        Raises as `latent_files.read`, and ItemError where they would be drawn again.
        """
        latents = latent_files.read(path, self.generator, self.manner.latents)
        if self.manner.truncate == "z":
            raise ItemError("--truncate z draws z again from its seed; these have none")
        return latents

    def seeded(self, seed: int, facts: dict[str, Any]) -> Latent:
        """The latent of a seed, of the class that a record's facts name where the run has none.

        Raises ItemError for a class that the network does not know.
        """
        words = words_of(facts, self.classes)
        if not words or not self.classes or self.manner.labels is not None:
            return Latent(seed)
        try:
            labels_of(self.classes, words, "its record")
        except FatalError as why:
            raise ItemError(str(why)) from None
        is_usual = words == (self.classes[Latent(seed).chance_class(len(self.classes))],)
        return Latent(seed, classes=() if is_usual else words)

    def pictures(self, latent: Latent, psis: Sequence[float]) -> list[Picture]:
        """A latent at each psi; without any at the network's own, and w that was kept as it is."""
        usual = 1.0 if latent.kind == "w" else self.generator.config.truncation.psi
        return [Picture(latent, psi) for psi in psis or [usual]]

    def draw(self, picture: Picture) -> Drawn:
        """What the synthesis takes for a picture.

        Raises ItemError as `latents.draw` does.
        """
        manner, words = self.manner, picture.latent.classes
        if words:
            manner = replace(manner, labels=labels_of(self.classes, words, "its record"))
        return draw(self.generator, manner, picture.latent, picture.psi)

    def facts(self, pictures: Sequence[Picture]) -> dict[str, Any]:
        """Where a picture, or a sheet of them, comes from: enough to make it again."""
        facts: dict[str, Any] = {}
        seeds = [p.latent.seed for p in pictures if p.latent.seed is not None]
        psis = list(dict.fromkeys(picture.psi for picture in pictures))
        if len(pictures) > 1:
            facts["pictures"] = len(pictures)
        if seeds:
            facts |= {"seed": seeds[0]} if len(pictures) == 1 else {"seeds": compact(seeds)}
        facts["psi"] = psis[0] if len(psis) == 1 else psis
        drew = self.classes and self.manner.labels is None and pictures[0].latent.kind == "z"
        if drew and len(pictures) == 1:
            latent = pictures[0].latent
            words = latent.classes or (self.classes[latent.chance_class(len(self.classes))],)
            facts |= {"class": words[0]} if len(words) == 1 else {"tags": ",".join(words)}
        return facts | self.told


@dataclass(frozen=True)
class Made:
    """A picture or a sheet, with the w [n, num_ws, w_dim] that it was made from."""

    pixels: Pixels
    ws: Floats

    def w_file(self) -> bytes:
        """The w as an .npy."""
        file = BytesIO()
        np.save(file, self.ws)
        return file.getvalue()


def make_each(renderer: Renderer, drawn: Sequence[Drawn]) -> list[Made | ItemError]:
    """A picture for each, or why there is none.

    Raises FatalError as the renderer does.
    """
    return [
        pixels if isinstance(pixels, ItemError) else Made(pixels, each.ws.numpy())
        for each, pixels in zip(drawn, renderer(drawn), strict=True)
    ]


def make_sheets(
    making: Making, columns: int, renderer: Renderer, lists: Sequence[Sequence[Picture]]
) -> list[Made | ItemError]:
    """For each list one sheet with its pictures row by row; what is left of it is black.

    Raises ItemError and FatalError as what draws and renders the pictures.
    """
    return [_sheet(making, columns, renderer, pictures) for pictures in lists]


def _sheet(
    making: Making, columns: int, renderer: Renderer, pictures: Sequence[Picture]
) -> Made | ItemError:
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width = making.generator.height, making.generator.width
    sheet: Pixels | None = None
    ws = []
    place = iter(range(len(pictures)))
    for first in range(0, len(pictures), renderer.batch):
        drawn = list(renderer.threads.map(making.draw, pictures[first : first + renderer.batch]))
        ws += [each.ws for each in drawn]
        for pixels in renderer(drawn):
            if isinstance(pixels, ItemError):
                return pixels
            if sheet is None:
                sheet = np.zeros((rows * height, columns * width, *pixels.shape[2:]), np.uint8)
            row, column = divmod(next(place), columns)
            sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = pixels
    assert sheet is not None
    return Made(sheet, torch.cat(ws).numpy())

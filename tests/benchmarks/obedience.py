"""Whether a network draws what its tags say, as animetag sees it, beside faces drawn with those tags.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/obedience.py NETWORK DRAWN [--count 500] [--psi 1] \
        [--held-out blue_hair+red_eyes,green_hair+hat] [--sheet SHEET.jpg]

DRAWN is a dataset of pictures that the network has not seen, larger than its own, and their true tags:

    animedraw --count 2000 --seed 902 --portraits 256 --json | animepack --size 256 --labels ... -o DRAWN

Each figure is a share of so many samples with these tags and no others; the tags of a group take
turns. A color is right if it is the most probable one of all hair or eye colors, any other tag if
animetag gives it. Drawn pictures that have the tags, reduced to the size of the network's images, are
judged in the same way: that is how often the tagger itself is right. FID compares as many samples,
with the tags of drawn pictures, to all of these, by the tagger's features and at 64 pixels. --sheet
has a row for each latent and a column for each list of tags.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from animetools.artist.character import EYE_COLORS, HAIR_COLORS
from animetools.dataset.training_set import Images
from animetools.images.files import encode_jpeg
from animetools.images.fit import fit
from animetools.images.nvxs import Pixels
from animetools.images.sheet import contact_sheet
from animetools.sampling.latents import Latent, Picture
from animetools.sampling.options import SamplingOptions
from animetools.sampling.sampler import Sampler
from animetools.tagging.default import DefaultTagger
from animetools.training.metrics import fid, gauss

Names = list[str]

COMMON = 64  # pixels: the size at which networks of several sizes are compared
LATENTS = 5  # rows of the sheet
COLORS = list(HAIR_COLORS), list(EYE_COLORS)
GROUPS: dict[str, list[Names]] = {
    "hair color": [[name] for name in HAIR_COLORS],
    "eye color": [[name] for name in EYE_COLORS],
    "hat": [["hat"]],
    "glasses": [["glasses"]],
}
# Columns of the sheet, beside held-out pairs.
SHOWN = [["blonde_hair"], ["green_hair", "twintails"], ["brown_hair", "hat"], ["glasses", "smile"]]


@dataclass(frozen=True)
class Tagged:
    """Pictures, uint8 [H, W, 3], and the tags of each."""

    pictures: list[Pixels]
    tags: list[Names]

    @classmethod
    def drawn(cls, path: str, side: int) -> Self:
        """The pictures of a dataset, reduced to `side` pixels."""
        images = Images(path, conditional=True)
        labels = images.labels(range(len(images)))
        return cls(
            [fit(images.read(n).transpose(1, 2, 0), side)[0] for n in range(len(images))],
            [[images.label_names[n] for n in np.flatnonzero(row)] for row in labels],
        )

    @classmethod
    def sampled(cls, sampler: Sampler, tags: Sequence[Names], psi: float) -> Self:
        """A picture of the network for each list of tags, of the seeds from 0 on."""
        latents = [Latent(seed, classes=tuple(names)) for seed, names in enumerate(tags)]
        inputs = [sampler.input(Picture(latent, psi)) for latent in latents]
        made = sampler.renderer(torch.device("cpu"))(inputs)
        return cls([np.asarray(pixels) for pixels in made], list(tags))

    def having(self, tags: Names) -> Self:
        """Those that have all of these tags, which are then all that is said of them."""
        found = [
            rgb for rgb, own in zip(self.pictures, self.tags, strict=True) if {*tags} <= {*own}
        ]
        return type(self)(found, [tags] * len(found))

    def lacking(self, tag: str) -> Self:
        """Those that lack a tag, as if they had it alone."""
        found = [rgb for rgb, own in zip(self.pictures, self.tags, strict=True) if tag not in own]
        return type(self)(found, [[tag]] * len(found))

    def joined(self, other: Self) -> Self:
        """Both, one after the other."""
        return type(self)(self.pictures + other.pictures, self.tags + other.tags)


class Judge:
    """The tagger that ships."""

    def __init__(self) -> None:
        self.tagger = DefaultTagger()
        self.names = [name for name, _ in self.tagger.names]

    def right(self, given: Tagged) -> NDArray[np.bool_]:
        """Whether each picture has all of its tags."""
        found = [self.tagger([self.tagger.prepare(rgb)])[0] for rgb in given.pictures]
        pairs = zip(found, given.tags, strict=True)
        return np.array([all(self._has(p, name) for name in names) for p, names in pairs], bool)

    def features(self, given: Tagged) -> NDArray[np.float32]:
        """The tagger's features of pictures, reduced to the common size."""
        small = [fit(rgb, COMMON)[0].transpose(2, 0, 1) for rgb in given.pictures]
        return self.tagger.features(np.stack(small))

    def _has(self, probabilities: NDArray[np.float32], name: str) -> bool:
        number = self.names.index(name)
        for colors in COLORS:
            if name in colors:
                own = [self.names.index(each) for each in colors]
                return bool(probabilities[number] == probabilities[own].max())
        return bool(probabilities[number] >= self.tagger.thresholds[number])


def rows(judge: Judge, sampler: Sampler, drawn: Tagged, told: argparse.Namespace) -> Iterator[str]:
    """The lines of a table: what is wanted, and how often samples and drawn pictures have it."""

    def row(name: str, own: NDArray[np.bool_], real: NDArray[np.bool_]) -> str:
        parts = [
            f"{each.mean():.1%} of {len(each)}" if len(each) else "none" for each in (own, real)
        ]
        return f"| {name} | {' | '.join(parts)} |"

    held_out = {pair: [pair.split("+")] for pair in told.held_out}
    for group, lists in (GROUPS | held_out).items():
        wanted = list(islice(cycle(lists), told.count))
        own = judge.right(Tagged.sampled(sampler, wanted, told.psi))
        real = [judge.right(drawn.having(names)) for names in lists]
        yield row(
            group.replace("+", " and ") + ", held out" * (group in held_out),
            own,
            np.concatenate(real),
        )
        if len(lists) > 1:
            for n, names in enumerate(lists):
                yield row(f"- {names[0]}", own[n :: len(lists)], real[n])
    plain = Tagged.sampled(sampler, [[]] * told.count, told.psi)
    for name in ("hat", "glasses"):
        found = [judge.right(some.lacking(name)) for some in (plain, drawn)]
        yield row(f"no tags, {name} is found", *found)
    like = Tagged.sampled(sampler, drawn.tags[: told.count], told.psi)
    first, second = (gauss(judge.features(some)) for some in (like, drawn))
    yield f"| FID | {fid(first, second):.0f} | |"


def sheet(sampler: Sampler, columns: Sequence[Names], psi: float) -> Pixels:
    """A row for each latent, a column for each list of tags."""
    made = [Tagged.sampled(sampler, [names] * LATENTS, psi).pictures for names in columns]
    captions = [" ".join(names) for names in columns]
    return contact_sheet(
        [
            (f"seed {n}", list(zip(captions, tiles, strict=True)))
            for n, tiles in enumerate(zip(*made, strict=True))
        ]
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("network")
    parser.add_argument("drawn")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--psi", type=float, default=1.0)
    parser.add_argument("--held-out", type=lambda text: text.split(","), default=[])
    parser.add_argument("--sheet", type=Path)
    told = parser.parse_args()
    cv2.setNumThreads(1)
    sampler = Sampler(told.network, SamplingOptions()).opened()
    side = sampler.generator.height
    if told.sheet:
        columns = [*SHOWN, *(pair.split("+") for pair in told.held_out)][:8]
        told.sheet.write_bytes(encode_jpeg(sheet(sampler, columns, told.psi), 88))
    drawn = Tagged.drawn(told.drawn, side)
    print(f"| tags | samples, psi {told.psi:g} | drawn, at {side} px |\n|---|---|---|", flush=True)
    for line in rows(Judge(), sampler, drawn, told):
        print(line, flush=True)


if __name__ == "__main__":
    main()

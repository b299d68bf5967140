"""Whether a network draws what its tags say, as animetag sees it, beside faces drawn with those tags.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/obedience.py NETWORK DRAWN [--count 500] [--psi 1] \
        [--held-out blue_hair+red_eyes,green_hair+hat] [--sheet SHEET.jpg]

DRAWN is a dataset of pictures that the network has not seen, larger than its own, and their true tags:

    animedraw --count 2000 --seed 902 --portraits 256 --json | animepack --size 256 --labels ... -o DRAWN

Each figure is a share of so many samples: with these tags alone, and with these completed by examples,
as sggen --tags does it; the tags of a group take turns. What is not asked for is left out, or excluded
by -hat. A color is right if it is the most probable one of all hair or eye colors, any other tag if
animetag gives it. Drawn pictures that have the tags, reduced to the size of the network's images, are
judged in the same way: that is how often the tagger itself is right. A distance is the mean one
between the tagger's features of 40 pictures with some tags, in % of that of samples with any tags. FID
compares as many samples, with the tags of drawn pictures, to all of these, by the tagger's features and
at 64 pixels. --sheet has a row for each latent and a column for each list of tags.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

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
from animetools.sampling.latents import Latent, synthesis_input
from animetools.sampling.options import SamplingOptions
from animetools.sampling.sampler import Sampler
from animetools.tagging.default import DefaultTagger
from animetools.training.metrics import fid, gauss

Names = list[str]
Found = NDArray[np.float32]

COMMON = 64  # pixels: the size at which networks of several sizes are compared
LATENTS = 5  # rows of the sheet
COMPARED = 40  # pictures whose distances are measured
VARIED = [["blue_hair"], ["hat", "glasses"], ["cat_ears", "green_eyes"]]
COLORS = list(HAIR_COLORS), list(EYE_COLORS)
GROUPS: dict[str, list[Names]] = {
    "hair color": [[name] for name in HAIR_COLORS],
    "eye color": [[name] for name in EYE_COLORS],
    "hat": [["hat"]],
    "glasses": [["glasses"]],
}
# Columns of the sheet, beside held-out pairs.
SHOWN = [["blonde_hair"], ["green_hair", "twintails"], ["brown_hair", "hat"], ["glasses", "smile"]]


class Judge:
    """The tagger that ships."""

    def __init__(self) -> None:
        self.tagger = DefaultTagger()
        self.names = [name for name, _ in self.tagger.names]

    def found(self, pictures: Sequence[Pixels]) -> Found:
        """The probabilities of its tags [n, tags] for pictures."""
        return np.concatenate([self.tagger([self.tagger.prepare(rgb)]) for rgb in pictures])

    def features(self, pictures: Sequence[Pixels]) -> Found:
        """Its features [n, d] of pictures, reduced to the common size."""
        return self.tagger.features(
            np.stack([fit(rgb, COMMON)[0].transpose(2, 0, 1) for rgb in pictures])
        )

    def distance(self, pictures: Sequence[Pixels]) -> float:
        """The mean distance between the features of two pictures."""
        return float(torch.pdist(torch.from_numpy(self.features(pictures))).mean())

    def right(self, found: Found, tags: Names) -> NDArray[np.bool_]:
        """Whether pictures have all of these tags [n], by what was found in them."""
        return np.array([self._has(found, name) for name in tags]).all(0).astype(bool)

    def _has(self, found: Found, name: str) -> NDArray[np.bool_]:
        number = self.names.index(name)
        for colors in COLORS:
            if name in colors:
                own = [self.names.index(each) for each in colors]
                return np.asarray(found[:, number] == found[:, own].max(1))
        return np.asarray(found[:, number] >= self.tagger.thresholds[number])


def drawn_pictures(path: str, side: int) -> tuple[list[Pixels], list[Names]]:
    """The pictures of a dataset, reduced to `side` pixels, and the tags of each."""
    images = Images(path, conditional=True)
    labels = images.labels(range(len(images)))
    pictures = [fit(images.read(n).transpose(1, 2, 0), side)[0] for n in range(len(images))]
    return pictures, [[images.label_names[n] for n in np.flatnonzero(row)] for row in labels]


def samples(
    sampler: Sampler, tags: Sequence[Names | None], psi: float, *, completed: bool = False
) -> list[Pixels]:
    """A picture of the network for each list of tags, or of any, of the seeds from 0 on."""
    inputs = []
    for seed, names in enumerate(tags):
        asked = [] if names is None else [",".join(names)]
        labels = sampler.network.labels(tags=asked, exact=not completed)
        row = None if labels is None else labels.of([Latent(seed)])[0]
        made = synthesis_input(sampler.generator, Latent(seed), psi, sampler.options, row)
        inputs.append(made)
    return [np.asarray(pixels) for pixels in sampler.renderer(torch.device("cpu"))(inputs)]


def rows(sampler: Sampler, told: argparse.Namespace) -> Iterator[str]:
    """The lines of a table: what is wanted, and how often samples and drawn pictures have it."""
    judge = Judge()
    pictures, tags = drawn_pictures(told.drawn, sampler.generator.height)
    drawn = judge.found(pictures)

    def row(name: str, *columns: NDArray[np.bool_]) -> str:
        parts = [f"{each.mean():.1%} of {len(each)}" if len(each) else "none" for each in columns]
        return f"| {name} | {' | '.join(parts)} |"

    def drawn_with(names: Names) -> NDArray[np.bool_]:
        have = [{*names} <= {*each} for each in tags]
        return judge.right(drawn[have], names)

    def both(wanted: Sequence[Names]) -> list[list[Pixels]]:
        return [
            samples(sampler, wanted, told.psi, completed=completed) for completed in (False, True)
        ]

    held_out = {pair: [pair.split("+")] for pair in told.held_out}
    for group, lists in (GROUPS | held_out).items():
        wanted = list(islice(cycle(lists), told.count))
        alone, completed = (
            [judge.right(made[n :: len(lists)], names) for n, names in enumerate(lists)]
            for made in map(judge.found, both(wanted))
        )
        real = [drawn_with(names) for names in lists]
        title = group.replace("+", " and ") + ", held out" * (group in held_out)
        yield row(title, *map(np.concatenate, (alone, completed, real)))
        if len(lists) > 1:
            for names, *each in zip(lists, alone, completed, real, strict=True):
                yield row(f"- {names[0]}", *each)
    plain = judge.found(samples(sampler, [[]] * told.count, told.psi))
    for name in ("hat", "glasses"):
        without = samples(sampler, [[f"-{name}"]] * told.count, told.psi, completed=True)
        found = plain, judge.found(without), drawn[[name not in each for each in tags]]
        yield row(f"{name}, not asked for", *(judge.right(each, [name]) for each in found))
    usual = judge.distance(samples(sampler, [None] * COMPARED, told.psi))
    for names in VARIED:
        real_ones = [rgb for rgb, own in zip(pictures, tags, strict=True) if {*names} <= {*own}]
        several = *both([names] * COMPARED), real_ones[:COMPARED]
        far = (f"{judge.distance(each) / usual:.0%}" for each in several)
        yield f"| distance of {' and '.join(names)} | {' | '.join(far)} |"
    like = judge.features(samples(sampler, tags[: told.count], told.psi))
    yield f"| FID | {fid(gauss(like), gauss(judge.features(pictures))):.0f} | | |"


def sheet(sampler: Sampler, columns: Sequence[Names], psi: float) -> Pixels:
    """A row for each latent, a column for each list of tags."""
    made = [samples(sampler, [names] * LATENTS, psi) for names in columns]
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
    heads = "these alone", "completed", f"drawn, at {side} px"
    print(f"| tags, psi {told.psi:g} | {' | '.join(heads)} |\n|---|---|---|---|", flush=True)
    for line in rows(sampler, told):
        print(line, flush=True)


if __name__ == "__main__":
    main()

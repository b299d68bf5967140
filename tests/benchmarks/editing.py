"""How often pictures have a tag after an edit, and what else changes.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/editing.py [--network FILE] [--psi 0.7] \
        [--samples 200] [--examples 1500] [--steps 500] [--layers ROWS] [--sheet SHEET.jpg] [TAG ...]

For each tag a direction is learned in three ways: from what the tag does in the network, if it takes
it; by a linear model from the tags of --examples samples; and from the tagger by gradients (--steps).
--examples 0 or --steps 0 leaves that way out. Samples have the tags of examples, if the network takes
tags. The amount is the smallest of several with which 85% of 48 other samples have the tag, or the one
with which most of them do. It is then applied to --samples more, and the rows of a table are printed:
how many have the tag before and after, and how many are as before in other things: the most probable
hair and eye color, and each other tag, as the tagger sees them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from animetools.editing.labelled import step_of_tag
from animetools.editing.learning import unit
from animetools.editing.linear import fit
from animetools.editing.moments import moments
from animetools.editing.options import rows_of
from animetools.editing.teaching import COLORS, taught
from animetools.editing.unsupervised import w_samples
from animetools.errors import FatalError
from animetools.images.files import encode_jpeg
from animetools.images.sheet import sheet
from animetools.netfiles.fetch import locate
from animetools.networks import fast
from animetools.sampling.latents import Floats, Latent, Picture
from animetools.sampling.layers import Rows
from animetools.sampling.options import SamplingOptions
from animetools.sampling.render import to_pixels
from animetools.sampling.sampler import Sampler
from animetools.tagging.default import DefaultTagger

CPU = torch.device("cpu")
CHOSEN_ON, ENOUGH = 48, 0.85
AMOUNTS = (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 10, 12)
OTHERS = ("hat", "glasses", "smile", "open_mouth", "animal_ears", "long_hair", "1boy")
SHOWN = 6  # pictures of each row of the sheet


class Seen:
    """A network, and what the tagger sees in what it draws."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler, self.tagger = sampler, DefaultTagger()
        self.synthesis = fast.synthesis(sampler.generator, CPU, torch.float32)
        self.names = [name for name, _ in self.tagger.names]
        self.thresholds = np.array(self.tagger.thresholds)

    def ws(self, seeds: range, psi: float) -> Floats:
        """The w [n, num_ws, w_dim] of seeds."""
        found = [self.sampler.input(Picture(Latent(seed), psi)).ws.numpy() for seed in seeds]
        return np.concatenate(found)

    def pixels(self, ws: Floats) -> list[np.ndarray]:
        """The pictures of w."""
        each = (torch.from_numpy(w[None]) for w in ws)
        return [to_pixels(self.synthesis(w, "const")).numpy()[0] for w in each]

    def probabilities(self, ws: Floats) -> Floats:
        """Of each tag in each picture, [n, tags]."""
        prepared = [self.tagger.prepare(pixels) for pixels in self.pixels(ws)]
        return self.tagger(prepared)

    def share(self, found: Floats, tag: str) -> float:
        """Of the pictures that have a tag."""
        column = self.names.index(tag)
        return float((found[:, column] >= self.thresholds[column]).mean())

    def same(self, before: Floats, after: Floats, columns: Sequence[int]) -> float:
        """The share of pictures whose most probable one of some tags is as before."""
        return float((before[:, columns].argmax(1) == after[:, columns].argmax(1)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--network", default="default")
    parser.add_argument("--psi", type=float, default=0.7)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--examples", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--layers", type=rows_of)
    parser.add_argument("--sheet", default="")
    parser.add_argument("tags", nargs="*")
    told = parser.parse_args()
    torch.set_num_threads(1)
    sampler = Sampler(locate(told.network), SamplingOptions()).opened()
    generator, labels, seen = sampler.generator, sampler.labels(), Seen(sampler)
    rows = told.layers or Rows(0, generator.num_ws - 1)
    space = moments(w_samples(generator, labels, 0, 5000))
    near = seen.ws(range(500_000, 500_000 + CHOSEN_ON), told.psi)
    ws = seen.ws(range(10**6, 10**6 + told.samples), told.psi)
    base = seen.probabilities(ws)
    tiles = seen.pixels(ws[:SHOWN])
    tags = told.tags or ["blue_hair", "hat", "glasses", "smile", "open_mouth"]
    w = found = None
    if told.examples:
        some = seen.ws(range(told.examples), 1.0)
        w, found = some.mean(1), seen.probabilities(some)
    print(f"| tag | from | amount | before | after | hair | eyes | {' | '.join(OTHERS)} | all |")
    print(f"|{'---|' * (8 + len(OTHERS))}")
    for tag in tags:
        vectors: dict[str, Floats] = {}
        if labels and sampler.network.takes_tags and tag in sampler.network.classes:
            step = step_of_tag(generator.mapping, labels, sampler.network.classes, tag, 0)
            vectors["labels"], _ = unit(step)
        if w is not None and found is not None:
            try:
                vectors["records"] = fit(
                    w, np.where(found >= seen.thresholds, found, 0), seen.names, [tag]
                )[0][0]
            except FatalError as why:
                print(f"| {tag} | records | {why} |")
        if told.steps:
            how = told.steps, 0, told.psi, lambda _: None
            step = taught(generator, labels, CPU, tag, rows, *how).step
            vectors["tagger"], _ = unit(step)
        for way, vector in vectors.items():
            shift = np.zeros((generator.num_ws, len(vector)), np.float32)
            shift[rows.first : rows.last + 1] = space.spread(vector) * vector
            best, amount = 0.0, 0.0
            for tried in AMOUNTS:
                share = seen.share(seen.probabilities(near + np.float32(tried) * shift), tag)
                if share > best:
                    best, amount = share, tried
                if best >= ENOUGH or share < best - 0.2:
                    break
            moved = ws + np.float32(amount) * shift
            after = seen.probabilities(moved)
            tiles += seen.pixels(moved[:SHOWN])
            has = [each >= seen.thresholds for each in (base, after)]
            colors = [
                [n for n, name in enumerate(seen.names) if name in {f"{c}_{thing}" for c in COLORS}]
                for thing in ("hair", "eyes")
            ]
            numbers = [seen.same(base, after, columns) for columns in colors]
            numbers += [
                float((has[0] == has[1])[:, seen.names.index(name)].mean()) for name in OTHERS
            ]
            others = [n for n, name in enumerate(seen.names) if name != tag]
            numbers.append(float((has[0] == has[1])[:, others].mean()))
            of = [*(f"{tag.partition('_')[0]}_{thing}" for thing in ("hair", "eyes")), *OTHERS, ""]
            cells = " | ".join(
                "" if name == tag else f"{number:.0%}"
                for name, number in zip(of, numbers, strict=True)
            )
            shares = f"{seen.share(base, tag):.1%} | {seen.share(after, tag):.1%}"
            print(f"| {tag} | {way} | {amount:g} | {shares} | {cells} |", flush=True)
    if told.sheet:
        Path(told.sheet).write_bytes(encode_jpeg(sheet(tiles, len(tiles), SHOWN), 92))


if __name__ == "__main__":
    main()

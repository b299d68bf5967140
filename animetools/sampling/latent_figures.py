"""Figures of latents: as they come, truncated, mixed, interpolated."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from torch import Tensor

from animetools.errors import FatalError
from animetools.images.files import Pixels
from animetools.sampling.figure import PAPER, Draw, Figure, blank, sized
from animetools.sampling.latents import (
    Floats,
    Latent,
    Picture,
    SynthesisInput,
    slerp,
    synthesis_input,
    z_of,
)
from animetools.sampling.layers import LAYERS, Ranges, Rows, thirds
from animetools.sampling.layouts import grid
from animetools.sampling.seeds import shown
from animetools.sampling.subject import Subject

HALVINGS = (0, 1, 2, 2, 3, 3)  # of the columns of an uncurated figure
ROWS = 3  # of its largest pictures
LARGE = 256  # pixels of their width: an eighth of it still shows a face


def uncurated(subject: Subject) -> Figure:
    """Pictures as they come, in columns of ever smaller ones; z follow each other in one stream.

    Source: Karras et al. 2018 (StyleGAN), figure 2.
    """
    seed, (width, height) = subject.own_seed(), subject.tile(LARGE)
    places = list(_places(width, height))
    across = sum(max(1, width >> halvings) for halvings in HALVINGS)
    z_dim = subject.sampler.generator.config.mapping.z_dim

    def pictures(draw: Draw) -> Iterator[Pixels]:
        stream = np.random.RandomState(seed).randn(len(places), z_dim).astype(np.float32)
        made: Pixels | None = None
        drawn = draw(subject.input(Latent(values=z)) for z in stream)
        for pixels, (x, y, wide, high) in zip(drawn, places, strict=True):
            if made is None:
                made = np.full((ROWS * height, across, *pixels.shape[2:]), PAPER, np.uint8)
            made[y : y + high, x : x + wide] = sized(pixels, wide, high)
        assert made is not None
        yield made

    return Figure(pictures, 1, 1, (across, ROWS * height), len(places), subject.sources)


def _places(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, width and height of each picture of an uncurated figure."""
    left = 0
    for halvings in HALVINGS:
        wide, high = max(1, width >> halvings), max(1, height >> halvings)
        for row in range(ROWS << halvings):
            yield left, row * height >> halvings, wide, high
        left += wide


def truncation(subject: Subject) -> Figure:
    """Each latent at each psi. Source: Karras et al. 2018 (StyleGAN), figure 8."""
    psis = subject.options.psi or ()
    sources = tuple(Picture(each.latent, psi) for each in subject.latents for psi in psis)
    across = tuple(f"psi {shown(psi)}" for psi in psis)
    return grid(
        subject, lambda: map(subject.sampler.input, sources), sources, across, subject.names
    )


def mixing(subject: Subject) -> Figure:
    """Below the sources, beside other latents: these, with some styles of the source.

    Source: Karras et al. 2018 (StyleGAN), figure 3.
    """
    ranges = _ranges(subject)
    columns, rows = 1 + len(subject.latents), 1 + len(subject.rows)
    across = ("", *subject.names)
    names = subject.sampler.generator.row_names
    named = [rows.called(names) for rows in ranges]
    down = [f"{each.name}\n{rows}" for each, rows in zip(subject.rows, named, strict=True)]

    def inputs() -> Iterator[SynthesisInput]:
        sources = [subject.input(each.latent) for each in subject.latents]
        yield from sources
        for each, taken in zip(subject.rows, ranges, strict=True):
            own = subject.input(each.latent)
            yield own
            for source in sources:
                yield replace(own, ws=mixed(own.ws, source.ws, taken))

    def pictures(draw: Draw) -> Iterator[Pixels]:
        yield blank(subject.size, subject.sampler.generator.config.image_channels)
        yield from draw(inputs())

    return Figure(
        pictures,
        columns * rows,
        columns,
        subject.tile(),
        columns * rows - 1,
        subject.sources,
        across,
        ("", *down),
        facts=(("rows", f"{subject.options.rows}"), ("ranges", f"{Ranges(ranges)}")),
    )


def mixed(ws: Tensor, source: Tensor, rows: Rows) -> Tensor:
    """ws [1, num_ws, w_dim] with some rows of another."""
    made = ws.clone()
    taken = slice(rows.first, rows.last + 1)
    made[:, taken] = source[:, taken]
    return made


def _ranges(subject: Subject) -> list[Rows]:
    """Which rows of w each row of pictures takes.

    Raises FatalError for ranges that do not fit.
    """
    rows, generator = len(subject.rows), subject.sampler.generator
    given = subject.options.ranges
    if given is None:
        try:
            coarse, middle, fine = thirds(generator.row_sizes)
        except ValueError as why:
            raise FatalError(str(why)) from None
        halves, thirds_ = -(-rows // 2), -(-rows // 3)  # as 3, 2 and 1 of the paper's six
        return [*[coarse] * halves, *[middle] * thirds_, *[fine] * rows][:rows]
    if len(given) not in (1, rows):
        raise FatalError(
            f"--ranges has {len(given)} ranges for {rows} rows of pictures: give one for all, or {rows}"
        )
    for each in given:
        if each.last >= generator.num_ws or (each.named and not generator.row_names):
            known = f"the rows 0-{generator.num_ws - 1} of w"
            if names := generator.row_names:
                known += f": {names[0]}, {names[1]} to {names[-1]}"
            elif each.named:
                known += ", and layers have names in a StyleGAN 3 only"
            typed = each.called(LAYERS) if each.named else each
            raise FatalError(f"--ranges {typed}: this network has {known}")
    return list(given) * (rows if len(given) == 1 else 1)


def interpolation(subject: Subject) -> Figure:
    """Between each latent and the next: z on a great circle, and w on a straight line.

    Raises FatalError for a single latent.
    Source of the first: White 2016 (Sampling Generative Networks), section 2.1.
    """
    latents = [each.latent for each in subject.latents]
    if len(latents) < 2:
        raise FatalError("an interpolation is between two seeds or more: give --seeds, such as 1,2")
    steps = [step / (subject.count - 1) for step in range(subject.count)]
    ways = {"z": between_z, "w": between_w}
    if {latent.kind for latent in latents} != {"z"}:
        del ways["z"]
    down = tuple(
        f"{one} to {other}\nin {name}" for one, other in pairwise(subject.names) for name in ways
    )

    def inputs() -> Iterator[SynthesisInput]:
        ends = [End(latent, subject.input(latent)) for latent in latents]
        for one, other in pairwise(ends):
            for way in ways.values():
                yield from (way(subject, one, other, step) for step in steps)

    across = tuple(f"{step:.3g}" for step in steps)
    made = grid(subject, inputs, subject.sources, across, down)
    return replace(made, facts=(("count", subject.count),))


@dataclass(frozen=True)
class End:
    """A latent, and what the synthesis takes for it."""

    latent: Latent
    given: SynthesisInput


def between_z(subject: Subject, one: End, other: End, step: float) -> SynthesisInput:
    """What the synthesis takes for a point on the great circle between two z; the ends are theirs."""
    if step in (0, 1):
        return other.given if step else one.given
    sampler, psi = subject.sampler, subject.picture(one.latent).psi
    z_dim = sampler.generator.config.mapping.z_dim
    bound = psi if sampler.options.truncate == "z" else None
    z = slerp(z_of(one.latent, z_dim, bound), z_of(other.latent, z_dim, bound), step)
    first, last = one.given.labels, other.given.labels
    labels: Floats | None = None
    if first is not None and last is not None:
        labels = first.lerp(last, step)[0].numpy()
    still = replace(sampler.options, noise="const")
    made = synthesis_input(sampler.generator, Latent(values=z), psi, still, labels)
    return replace(made, noise=one.given.noise)


def between_w(_: Subject, one: End, other: End, step: float) -> SynthesisInput:
    """What the synthesis takes for a point on the line between two w; the ends are theirs."""
    given = other.given if step == 1 else one.given
    return replace(given, ws=one.given.ws.lerp(other.given.ws, step))

"""A figure of a run: what its snapshots draw."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from animetools.errors import ItemError
from animetools.images.files import Pixels
from animetools.sampling.figure import Draw, Figure, sized
from animetools.sampling.subject import Subject


def training(subject: Subject) -> Figure:
    """Each latent drawn by snapshots of a run, evenly chosen among all."""
    paths = evenly(subject.snapshots, subject.count)
    count = len(paths) * len(subject.latents)
    return Figure(
        partial(_by_snapshots, subject, paths),
        count,
        len(paths),
        subject.tile(),
        count,
        subject.sources,
        tuple(stage_of(path) for path in paths),
        subject.names,
        facts=(("snapshots", [os.path.basename(path) for path in paths]),),
    )


def _by_snapshots(subject: Subject, paths: Sequence[str], draw: Draw) -> Iterator[Pixels]:
    # not later: the network may have to be read again
    last, tile = _drawn_by(subject), subject.tile()
    columns = []
    for path in paths:
        then = replace(subject, sampler=replace(subject.sampler, path=path))
        try:
            now = _drawn_by(then)
            inputs = [then.input(each.latent) for each in subject.latents]
        except (ItemError, OSError) as why:
            raise ItemError(f"{path}: {getattr(why, 'strerror', None) or why}") from None
        if now != last:
            raise ItemError(
                f"{path} draws {now}, the last snapshot {last}: they are not of one run"
            )
        column = draw.by(then.sampler, inputs)
        columns.append([sized(pixels, *tile) for pixels in column])
    for row in zip(*columns, strict=True):
        yield from row


def _drawn_by(subject: Subject) -> str:
    """What kind of pictures its network draws."""
    channels = subject.sampler.generator.config.image_channels
    width, height = subject.size
    return f"{width}x{height} pixels of {channels} channel" + "s" * (channels > 1)


def evenly(paths: Sequence[str], count: int) -> list[str]:
    """So many of them, from the first to the last, or all."""
    if len(paths) <= count:
        return list(paths)
    return [paths[round(n * (len(paths) - 1) / (count - 1))] for n in range(count)]


def in_order(paths: Sequence[str]) -> list[str]:
    """Snapshots by the kimg in their names; as they are given if some name has none."""
    numbers = [_kimg(path) for path in paths]
    if None in numbers:
        return list(paths)
    return sorted(paths, key=lambda path: _kimg(path) or 0)


def stage_of(path: str) -> str:
    """How far training was at a snapshot, as its name tells."""
    kimg = _kimg(path)
    if kimg is None:
        return os.path.splitext(os.path.basename(path))[0]
    return f"{kimg:,.3f}".rstrip("0").rstrip(".") + " kimg"


def _kimg(path: str) -> float | None:
    found = re.search(r"snapshot-(\d{1,9}(?:\.\d{3})?)", os.path.basename(path), re.ASCII)
    return float(found[1]) if found else None

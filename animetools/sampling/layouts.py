"""How the pictures of most figures lie."""

from collections.abc import Callable, Iterator, Sequence
from math import ceil, sqrt

from animetools.sampling.figure import Figure
from animetools.sampling.latents import Picture, SynthesisInput
from animetools.sampling.subject import Subject

Inputs = Callable[[], Iterator[SynthesisInput]]


def grid(
    subject: Subject,
    inputs: Inputs,
    sources: tuple[Picture, ...],
    across: tuple[str, ...],
    down: tuple[str, ...],
) -> Figure:
    """A picture for each of `down` and `across`, in rows."""
    count = len(across) * len(down)
    return Figure(
        lambda draw: draw(inputs()),
        count,
        len(across),
        subject.tile(),
        count,
        sources,
        across,
        down,
    )


def wrapped(
    subject: Subject,
    count: int,
    inputs: Inputs,
    captions: Callable[[], Sequence[str]],
    facts: tuple[tuple[str, object], ...],
) -> Figure:
    """Pictures with captions, about as many rows as columns."""
    return Figure(
        lambda draw: draw(inputs()),
        count,
        ceil(sqrt(count)),
        subject.tile(),
        count,
        subject.sources,
        captions=captions,
        facts=facts,
    )

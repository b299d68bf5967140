"""Pictures judged before they are written, by the discriminator of the network that draws them."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import numpy as np

from animetools.errors import FatalError, ItemError
from animetools.networks.discriminator import Discriminator
from animetools.ranking.scores import Judge, frame_of, ranks_of
from animetools.sampling.latents import Drawn
from animetools.sampling.pictures import Making
from animetools.sampling.render import Renderer

Scoring = Callable[[Sequence[Drawn]], list[float | ItemError]]


def scorings(making: Making, renderers: Sequence[Renderer]) -> list[Scoring]:
    """For the device of each renderer what scores pictures there.

    Raises FatalError where the network's file has no discriminator for its pictures.
    """
    try:
        discriminator = making.snapshot.discriminator.build()
    except ItemError as why:
        raise FatalError(f"--accept: {why}") from None
    assert isinstance(discriminator, Discriminator)
    if frame_of(discriminator) != (making.generator.width, making.generator.height):
        raise FatalError("--accept: the discriminator in this file is for pictures of another size")
    return [
        partial(_score, each, Judge(discriminator, each.device, each.dtype, group=each.group))
        for each in renderers
    ]


def _score(renderer: Renderer, judge: Judge, batch: Sequence[Drawn]) -> list[float | ItemError]:
    """What the discriminator thinks of the pictures, each by itself, as a file would show them."""
    made = renderer(batch)
    planes = {
        n: np.atleast_3d(pixels).transpose(2, 0, 1)
        for n, pixels in enumerate(made)
        if not isinstance(pixels, ItemError)
    }

    def score(some: list[int]) -> list[float]:
        features = judge.features([planes[n] for n in some])
        return judge.alone(features, [batch[n].labels for n in some])

    groups = [[n] for n in planes] if judge.is_on_cpu or not planes else [list(planes)]
    scores = chain.from_iterable(renderer.threads.map(score, groups))
    return [each if isinstance(each, ItemError) else next(scores) for each in made]


def best_of(scores: Sequence[float], count: int) -> list[bool]:
    """Which are the `count` that score best; of equal ones the first."""
    return [rank <= count for rank in ranks_of(scores)]

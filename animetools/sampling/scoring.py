"""Scores of pictures before they are written, by the discriminator in the network's own file."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import numpy as np
import torch

from animetools.errors import ItemError
from animetools.networks.discriminator import AnyDiscriminator
from animetools.ranking.scores import Scorer, frame_of
from animetools.sampling.latents import SynthesisInput
from animetools.sampling.render import Renderer
from animetools.sampling.sampler import Sampler


def discriminator_of(sampler: Sampler) -> AnyDiscriminator:
    """The discriminator in a sampler's file.

    Raises ItemError if it has none for its pictures.
    """
    network = sampler.network
    discriminator = network.file.discriminator.build()
    assert isinstance(discriminator, AnyDiscriminator)
    if frame_of(discriminator) != (network.generator.width, network.generator.height):
        raise ItemError("the discriminator in this file is for pictures of another size")
    return discriminator


def load_scores(
    sampler: Sampler, device: torch.device
) -> Callable[[Sequence[SynthesisInput]], list[float | ItemError]]:
    """What scores the picture of each input on a device, or an ItemError in its place.

    Raises ItemError as `discriminator_of`.
    """
    renderer = sampler.renderer(device)
    discriminator = discriminator_of(sampler)
    scorer = Scorer(discriminator, renderer.device, renderer.dtype, group=renderer.group)
    return partial(_score, renderer, scorer)


def _score(
    renderer: Renderer, scorer: Scorer, inputs: Sequence[SynthesisInput]
) -> list[float | ItemError]:
    """The score of each picture by itself, as a file would show it."""
    made = renderer(inputs)
    planes = {
        n: np.atleast_3d(pixels).transpose(2, 0, 1)
        for n, pixels in enumerate(made)
        if not isinstance(pixels, ItemError)
    }

    def score(some: list[int]) -> list[float]:
        features = scorer.features([planes[n] for n in some])
        return scorer.alone(features, [inputs[n].labels for n in some])

    step = scorer.group if scorer.is_on_cpu else max(1, len(planes))
    groups = [list(planes)[at : at + step] for at in range(0, len(planes), step)]
    scores = chain.from_iterable(renderer.threads.map(score, groups))
    return [each if isinstance(each, ItemError) else next(scores) for each in made]

"""Figures: those of the StyleGAN papers, and others that show what a network draws."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from animetools.errors import FatalError, ItemError
from animetools.sampling.class_figures import classes, clusters
from animetools.sampling.figure import Figure
from animetools.sampling.figure_options import KINDS, FigureOptions
from animetools.sampling.latent_figures import interpolation, mixing, truncation, uncurated
from animetools.sampling.noise_figures import noise, noise_layers
from animetools.sampling.pyramid import pyramid
from animetools.sampling.sampler import Sampler
from animetools.sampling.seeds import Seeds
from animetools.sampling.subject import Named, Subject
from animetools.sampling.training_figure import training

LONGEST_NAME = 24  # characters, in a margin

MAKERS: dict[str, Callable[[Subject], Figure]] = {
    "uncurated": uncurated,
    "mixing": mixing,
    "noise": noise,
    "noise-layers": noise_layers,
    "truncation": truncation,
    "psi-strip": truncation,
    "training": training,
    "pyramid": pyramid,
    "classes": classes,
    "clusters": clusters,
    "interpolation": interpolation,
}


def opened(name: str, sampler: Sampler) -> Sampler:
    """What draws a kind of figure: with psi of all rows of w in those that show several psi.

    So are the paper's, whatever the network's own cutoff is. Source: Karras et al. 2018 (StyleGAN),
    figure 8.

    Raises as `Sampler.opened`.
    """
    options = sampler.options
    if KINDS[name].psis and options.cutoff is None:
        options = replace(options, cutoff=sampler.generator.num_ws)
    return replace(sampler, options=options).opened()


def figure_of(
    name: str,
    sampler: Sampler,
    options: FigureOptions,
    files: Sequence[str],
    snapshots: Sequence[str],
) -> Figure:
    """The figure of a kind, with latents of the `options`, then those in `files`.

    Raises FatalError if it cannot be made, ItemError for an unknown class.
    """
    most = KINDS[name].most
    latents = [*_named(sampler, options.seeds)]
    for file in files:
        try:
            some = list(islice(sampler.of_file(file), most + 1))
        except (ItemError, OSError) as why:
            raise FatalError(f"{file}: {getattr(why, 'strerror', None) or why}") from None
        stem = os.path.splitext(os.path.basename(file))[0][:LONGEST_NAME]
        latents += [Named(f"{stem} {row}", latent) for row, latent in enumerate(some)]
    if len(latents) > most:
        raise FatalError(
            f"{name} draws at most {most:,} of the latents: these are {len(latents):,}"
        )
    rows = tuple(_named(sampler, options.rows))
    return MAKERS[name](Subject(sampler, options, tuple(latents), rows, tuple(snapshots)))


def facts_of(name: str, sampler: Sampler, figure: Figure) -> dict[str, Any]:
    """Where a figure comes from: enough to draw it again."""
    facts = {"figure": name} | sampler.facts(figure.sources)
    own = dict(figure.facts)
    hidden = {"pictures"}
    if name == "classes":
        hidden |= {"class", "tags", "labels", "query"}  # each image has one of them
    elif KINDS[name].most == 1:
        hidden |= {"tags", "labels"}  # those of the seed, while its images have others
        hidden |= {"class"} if not sampler.options.class_ else set()
        own |= {"query": [*sampler.options.tags]} if sampler.options.tags else {}
    return {key: value for key, value in facts.items() if key not in hidden} | own


def _named(sampler: Sampler, seeds: Seeds | None) -> list[Named]:
    return [Named(f"{seed}", sampler.of_seed(seed, {})) for seed in seeds or ()]

"""Samples and images of a run, and sheets of them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import cycle, islice

import numpy as np
import torch
from torch import Tensor

from animetools.dataset.pictures import Pixels
from animetools.dataset.training_set import Images
from animetools.errors import ItemError
from animetools.images.sheet import sheet as compose
from animetools.networks.fast import synthesis, thread_pool
from animetools.networks.generator import Generator

COLUMNS = 8  # of a sheet
ON_SHEET = 48  # images


def latents(count: int, z_dim: int, seed: int) -> Tensor:
    """The same latents every time, float32 [n, z_dim]."""
    return torch.from_numpy(np.random.RandomState(seed).randn(count, z_dim)).float()


def samples(
    generator: Generator, z: Tensor, c: Tensor | None, at_once: int, threads: int
) -> Iterator[Pixels]:
    """What a generator makes of z [n, z_dim] and labels [n, c_dim] with constant noise.

    In batches of uint8 [n, C, H, W].
    """
    w_avg = generator.mapping.w_avg
    draw: Callable[..., Tensor] = generator.synthesis
    with thread_pool(threads) as pool:
        if w_avg.device.type == "cpu":  # elsewhere it would be compiled each time
            draw = synthesis(generator, w_avg.device, torch.float32, pool)
        for start in range(0, len(z), at_once):
            part = slice(start, start + at_once)
            with torch.inference_mode():
                ws = generator.mapping(z[part].to(w_avg), None if c is None else c[part].to(w_avg))
                levels = draw(ws, "const").float() * 127.5 + 128
                pixels = levels.clamp(0, 255).byte().cpu().numpy()
            yield pixels


def chosen(images: Images, count: int, at_once: int) -> Iterator[Pixels]:
    """Images chosen at random, the same every time: batches of uint8 [n, C, H, W].

    As many as asked for, or all; what cannot be read is left out.
    """
    batch: list[Pixels] = []
    for index in _order(images)[:count]:
        with suppress(ItemError):  # reported when its turn to be learned from comes
            batch.append(images.read(index))
        if len(batch) == at_once:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def labels(images: Images, count: int) -> Tensor | None:
    """The labels [count, label_dim] of the images that are `chosen`, over and over; None without."""
    if not images.label_dim:
        return None
    return torch.from_numpy(images.labels(list(islice(cycle(_order(images)), count))))


def _order(images: Images) -> list[int]:
    return [int(index) for index in np.random.RandomState(0).permutation(len(images))]


def sheet(batches: Iterable[Pixels]) -> Pixels:
    """Images [n, C, H, W] of one shape side by side, uint8 [H, W, C]."""
    images = [image.transpose(1, 2, 0) for batch in batches for image in batch]
    return compose(images, len(images), min(COLUMNS, len(images)))

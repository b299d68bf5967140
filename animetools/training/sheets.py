"""Samples and images of a run, and sheets of them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from animetools.dataset.pictures import Pixels
from animetools.dataset.training_set import Images
from animetools.errors import ItemError
from animetools.images.sheet import sheet as compose
from animetools.networks.fast import synthesis, thread_pool
from animetools.networks.stylegan2.modules import Generator

COLUMNS = 8  # of a sheet
ON_SHEET = 48  # images


def latents(count: int, z_dim: int, seed: int) -> Tensor:
    """The same latents every time, float32 [n, z_dim]."""
    return torch.from_numpy(np.random.RandomState(seed).randn(count, z_dim)).float()


def samples(generator: Generator, z: Tensor, at_once: int, threads: int) -> Iterator[Pixels]:
    """What a generator makes of z [n, z_dim] with constant noise: batches of uint8 [n, C, H, W]."""
    w_avg = generator.mapping.w_avg
    draw: Callable[..., Tensor] = generator.synthesis
    with thread_pool(threads) as pool:
        if w_avg.device.type == "cpu":  # elsewhere it would be compiled each time
            draw = synthesis(generator, w_avg.device, torch.float32, pool)
        for part in torch.split(z, at_once):
            with torch.inference_mode():
                levels = draw(generator.mapping(part.to(w_avg)), "const").float() * 127.5 + 128
                pixels = levels.clamp(0, 255).byte().cpu().numpy()
            yield pixels


def chosen(images: Images, count: int, at_once: int) -> Iterator[Pixels]:
    """Images chosen at random, the same every time: batches of uint8 [n, C, H, W].

    As many as asked for, or all; what cannot be read is left out.
    """
    batch: list[Pixels] = []
    for index in np.random.RandomState(0).permutation(len(images))[:count].tolist():
        with suppress(ItemError):  # reported when its turn to be learned from comes
            batch.append(images.read(index))
        if len(batch) == at_once:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def sheet(batches: Iterable[Pixels]) -> Pixels:
    """Images [n, C, H, W] of one shape side by side, uint8 [H, W, C]."""
    images = [image.transpose(1, 2, 0) for batch in batches for image in batch]
    return compose(images, len(images), min(COLUMNS, len(images)))

"""Edited pictures, strips and sheets, with their latents."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from animetools.editing.grammar import Strip
from animetools.errors import ItemError
from animetools.images.sheet import sheet
from animetools.sampling import latent_files
from animetools.sampling.latents import Floats, Picture, SynthesisInput
from animetools.sampling.pictures import Rendering
from animetools.sampling.render import Renderer
from animetools.sampling.sampler import Sampler


@dataclass(frozen=True)
class Edited(Rendering):
    """Pictures on one sheet, and the w [n, num_ws, w_dim] and noise maps that they were drawn from."""

    noise: tuple[Floats, ...] = ()

    def latent_file(self, facts: dict[str, Any]) -> bytes:
        """An .npz of the latents, see `latent_files.encode`."""
        return latent_files.encode("w", self.ws, self.noise, facts)


def steps_of(strip: Strip | None, is_sheet: bool) -> tuple[float, ...]:
    """What the edit is multiplied by in the pictures of a latent: a sheet shows the original too."""
    return tuple(strip or ((0.0, 1.0) if is_sheet else (1.0,)))


def load_edited(
    sampler: Sampler, shift: Floats, steps: Sequence[float], device: torch.device
) -> Callable[[Sequence[Sequence[Picture]]], list[Edited | ItemError]]:
    """What draws, on a device, each list of pictures with parts of an edit [num_ws, w_dim].

    It raises FatalError as the renderer does.
    """
    return partial(_edited, sampler, torch.from_numpy(shift), steps, sampler.renderer(device))


def _edited(
    sampler: Sampler,
    shift: Tensor,
    steps: Sequence[float],
    renderer: Renderer,
    lists: Sequence[Sequence[Picture]],
) -> list[Edited | ItemError]:
    each = [_moved(sampler, shift, steps, pictures) for pictures in lists]
    flat = [one for moved in each if not isinstance(moved, ItemError) for one in moved]
    chunks = (flat[n : n + renderer.batch] for n in range(0, len(flat), renderer.batch))
    drawn = chain.from_iterable(map(renderer, chunks))
    made: list[Edited | ItemError] = []
    for pictures, moved in zip(lists, each, strict=True):
        if isinstance(moved, ItemError):
            made.append(moved)
            continue
        some = list(islice(drawn, len(moved)))
        if failed := next((one for one in some if isinstance(one, ItemError)), None):
            made.append(failed)
            continue
        tiles = [one for one in some if not isinstance(one, ItemError)]
        # A file of latents has the noise maps of one picture.
        has_noise = len(pictures) == 1 and sampler.options.noise == "const"
        noise = pictures[0].latent.noise if has_noise else ()
        ws = np.concatenate([one.ws.numpy() for one in moved])
        made.append(Edited(sheet(tiles, len(tiles), len(steps)), ws, noise))
    return made


def _moved(
    sampler: Sampler, shift: Tensor, steps: Sequence[float], pictures: Sequence[Picture]
) -> list[SynthesisInput] | ItemError:
    """What the synthesis takes for each picture with each part of an edit, or why it cannot."""
    try:
        given = [sampler.input(picture) for picture in pictures]
    except ItemError as why:
        return why
    return [replace(one, ws=one.ws + step * shift) for one in given for step in steps]

"""Edited pictures, strips and sheets, with their latents."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from animetools.editing.grammar import Strip
from animetools.errors import ItemError
from animetools.images.sheet import sheet
from animetools.sampling import latent_files
from animetools.sampling.latents import Floats, Picture
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
    shift: torch.Tensor,
    steps: Sequence[float],
    renderer: Renderer,
    lists: Sequence[Sequence[Picture]],
) -> list[Edited | ItemError]:
    made: list[Edited | ItemError] = []
    for pictures in lists:
        try:
            given = [sampler.input(picture) for picture in pictures]
            moved = [
                replace(one, ws=one.ws + step * shift) if step else one
                for one in given
                for step in steps
            ]
            pixels = sheet(renderer.each(moved), len(moved), len(steps))
        except ItemError as why:
            made.append(why)
            continue
        ws = np.concatenate([one.ws.numpy() for one in moved])
        # A file of latents has the noise maps of one picture.
        noise = pictures[0].latent.noise if len(pictures) == 1 else ()
        made.append(Edited(pixels, ws, noise if sampler.options.noise == "const" else ()))
    return made

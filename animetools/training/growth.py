"""Progressive growing: networks learn small images first, then layers of ever larger ones fade in.

How far they have grown is the level of detail, `lod`: how often the images must still be doubled.
While layers fade in it is not whole. The layers of the size that training is at, and all below, run.
Karras et al. 2017 (Progressive GAN, arXiv:1710.10196), section 2 and appendix A.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import avg_pool2d

from animetools.networks.ops import enlarge
from animetools.training.config import TrainConfig
from animetools.training.schedules import value_at


@dataclass(frozen=True)
class Stage:
    """The kimg at one size: its layers fade in after `begins`, have done at `grown`, stay to `ends`."""

    lod: int  # once they have faded in
    size: int  # in pixels
    begins: float
    grown: float
    ends: float


def stages(config: TrainConfig, resolution: int) -> Iterator[Stage]:
    """The stages of networks whose images have a shorter side of `resolution` pixels.

    The first is at 8 px or a little more; networks that do not grow have one.
    """
    kimg, most = 0.0, resolution.bit_length() - 4 if config.grows else 0
    for lod in reversed(range(most + 1)):
        begins, size = kimg, resolution >> lod
        grown = begins if lod == most else begins + value_at(config.fade_kimg, 0, size)
        kimg = grown + value_at(config.stable_kimg, 0, size) if lod else math.inf
        yield Stage(lod, size, begins, grown, kimg)


def lod_at(config: TrainConfig, resolution: int, kimg: float) -> float:
    """The level of detail after so many kimg."""
    stage = next(each for each in stages(config, resolution) if kimg < each.ends)
    left = stage.grown - kimg
    return stage.lod + (left / (stage.grown - stage.begins) if left > 0 else 0.0)


def kimg_at(config: TrainConfig, resolution: int, lod: float) -> float:
    """After how many kimg the level of detail is no more than `lod` for the first time."""
    stage = next(each for each in stages(config, resolution) if each.lod <= lod)
    return stage.grown - min(lod - stage.lod, 1.0) * (stage.grown - stage.begins)


def size_at(config: TrainConfig, resolution: int, kimg: float) -> int:
    """The size that training is at after so many kimg, in pixels."""
    return resolution >> int(lod_at(config, resolution, kimg))


def setback(config: TrainConfig, resolution: int, kimg: float, lod: float) -> str:
    """What networks of that `lod` lose if training goes on after so many kimg; empty for nothing."""
    before, now = resolution >> int(lod), size_at(config, resolution, kimg)
    if now >= before:
        return ""
    return f"at {kimg:g} kimg the networks would go back from {before} to {now} px and lose what they have learned above"


def faded(images: Tensor, lod: float) -> Tensor:
    """Images [n, C, H, W] as networks of that `lod` make them, as large as these have grown."""
    share, whole = math.modf(lod)
    scale = 2 ** int(whole)
    small = avg_pool2d(images, scale) if whole else images
    if share:
        small = small.lerp(enlarge(avg_pool2d(small, 2), 2), share)
    return small

"""What images have in common, as numbers: the default tagger's features, or an ONNX file's."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from animetools.errors import FatalError
from animetools.netfiles.onnx_session import OnnxError, open_session, reason_of
from animetools.networks.fast import thread_pool
from animetools.tagging.default import DefaultTagger

Pixels = NDArray[np.uint8]  # [n, C, H, W]; C is 3, or 1 for grey
Features = NDArray[np.float32]  # [n, d], of n images
Embed = Callable[[Pixels], Features]

AT_ONCE = 32  # images
MOST_FEATURES = 1 << 14  # of an image: FID takes their number to the third
LARGEST_SIDE = 4096  # of an image that a network may ask for
UNITS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


def default_embedding(device: str, threads: int) -> Embed:
    """The features of the tagger that ships, on "cpu" or one card; a CPU uses so many threads."""
    tagger = DefaultTagger(device, AT_ONCE)
    return partial(_in_threads, tagger.features, threads if tagger.is_on_cpu else 1)


def _in_threads(features: Embed, threads: int, images: Pixels) -> Features:
    with thread_pool(threads) as pool:
        if not pool:
            return features(images)
        parts = np.array_split(images, min(threads, len(images)))
        return np.concatenate([*pool.map(features, parts)])


class Embedding:
    """A network from images to features, in an ONNX file.

    Its first input is images [n, 3, H, W] or [n, H, W, 3], as the file says; where the file fixes
    n, H or W, images come in such batches, and scaled to that size. Numbers of floating point are
    from -1 to 1, those of uint8 from 0 to 255. Its first output, [n, ...], is flattened.

    An ONNX file is a program: how long it runs, in how much memory, cannot be known before.
    `device`, `threads` and `extra` are those of `open_session`.

    Raises FatalError, in one sentence, for another file or network.
    """

    def __init__(
        self, path: str, threads: int = 0, device: str = "auto", extra: str = "train"
    ) -> None:
        self.path = path
        self.network = open_session(path, device, threads, extra)
        self.is_on_cpu = self.network.is_on_cpu
        if not self.network.inputs:
            raise FatalError(f"{path} takes nothing, not images")
        given = self.network.inputs[0]
        sizes = [size if isinstance(size, int) else 0 for size in given.shape]
        if given.type not in UNITS or len(sizes) != 4 or 3 not in (sizes[1], sizes[3]):
            raise FatalError(
                f"{path} takes {given.type} {given.shape}, not images: "
                "that would be [n, 3, h, w] or [n, h, w, 3]"
            )
        self.unit = UNITS[given.type]
        self.channels_last = sizes[1] != 3
        self.batch, *sides = sizes[:1] + (sizes[1:3] if self.channels_last else sizes[2:])
        self.height, self.width = sides
        if max(*sides, self.batch) > LARGEST_SIDE:
            raise FatalError(f"{path} takes images or batches that are too large: {given.shape}")

    def __call__(self, images: Pixels) -> Features:
        """The features of images, uint8 [n, C, H, W]; C is 3, or 1 for grey.

        Raises FatalError if the network fails.
        """
        step = self.batch or AT_ONCE
        parts = [self._run(images[at : at + step]) for at in range(0, len(images), step)]
        return np.concatenate(parts)

    def _run(self, images: Pixels) -> Features:
        count = len(images)
        x = torch.from_numpy(images).float().expand(-1, 3, -1, -1)
        size = (self.height or x.shape[2], self.width or x.shape[3])
        if x.shape[2:] != size:
            x = functional.interpolate(x, size, mode="bicubic", antialias=True).clamp(0, 255)
        if self.batch > count:
            x = torch.cat([x, x[-1:].expand(self.batch - count, -1, -1, -1)])
        if self.channels_last:
            x = x.permute(0, 2, 3, 1)
        x = x.round() if self.unit == np.uint8 else x / 127.5 - 1
        try:
            found = self.network.run(x.numpy().astype(self.unit, order="C"))
            features = np.asarray(found, np.float32)
            if not features.ndim or len(features) != len(x):
                raise OnnxError(f"it gives numbers {[*features.shape]} for {len(x)} images")
            features = features.reshape(len(x), -1)[:count]
        except MemoryError:
            raise FatalError(f"{self.path}: not enough memory for {len(x)} images") from None
        except (OnnxError, TypeError, ValueError) as why:
            raise FatalError(f"{self.path} cannot be run: {reason_of(why)}") from why
        if not 0 < features.shape[1] <= MOST_FEATURES or not np.isfinite(features).all():
            raise FatalError(
                f"{self.path} gives {features.shape[1]} numbers for an image, "
                f"not up to {MOST_FEATURES} finite ones"
            )
        return features

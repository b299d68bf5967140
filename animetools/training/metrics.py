"""How near samples are to the images they learn from: FID and KID, by any embedding network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from animetools.dataset.pictures import Pixels
from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from animetools.netfiles.onnx_session import open_session, reason_of
from animetools.networks.stylegan2.modules import Generator
from animetools.training.sheets import chosen, labels, latents, samples

Features = NDArray[np.float32]  # [n, d], of n images

AT_ONCE = 32  # images
MOST_FEATURES = 1 << 14  # of an image: FID takes their number to the third
LARGEST_SIDE = 4096  # of an image that a network may ask for
SUBSETS, SUBSET = 100, 1000  # of KID: how many, of so many images each
UNITS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class Embedding:
    """A network from images to features, in an ONNX file.

    Its first input is images [n, 3, H, W] or [n, H, W, 3], as the file says; where the file fixes
    n, H or W, images come in such batches, and scaled to that size. Numbers of floating point are
    from -1 to 1, those of uint8 from 0 to 255. Its first output, [n, ...], is flattened.

    An ONNX file is a program: how long it runs, in how much memory, cannot be known before.
    Raises FatalError, in one sentence, for another file or network.
    """

    def __init__(self, path: str, threads: int = 0) -> None:
        self.path = path
        self.session = open_session(path, "auto", threads, "train")
        given = self.session.get_inputs()[0]
        sizes = [size if isinstance(size, int) else 0 for size in given.shape]
        if given.type not in UNITS or len(sizes) != 4 or 3 not in (sizes[1], sizes[3]):
            raise FatalError(
                f"{path} takes {given.type} {given.shape}, not images: "
                "that would be [n, 3, h, w] or [n, h, w, 3]"
            )
        self.name, self.unit = given.name, UNITS[given.type]
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
            found = self.session.run(None, {self.name: x.numpy().astype(self.unit, order="C")})[0]
            features = np.asarray(found, np.float32).reshape(len(x), -1)[:count]
        except Exception as why:  # onnxruntime's errors have no kind in common
            raise FatalError(f"{self.path} cannot be run: {reason_of(why)}") from why
        if not 0 < features.shape[1] <= MOST_FEATURES or not np.isfinite(features).all():
            raise FatalError(
                f"{self.path} gives {features.shape[1]} numbers for an image, "
                f"not up to {MOST_FEATURES} finite ones"
            )
        return features


@dataclass(frozen=True)
class Gauss:
    """A normal distribution fitted to features; `root` times its transpose is the covariance S."""

    mean: NDArray[np.float64]  # [d]
    root: NDArray[np.float64]  # [d, min(n, d)]


def gauss(features: Features) -> Gauss:
    """The mean and the covariance of features [n, d], n at least 2.

    The covariance is not computed: its root comes from the features, without loss of precision.
    """
    x = features.astype(np.float64)
    mean = x.mean(0)
    upper = np.linalg.qr((x - mean) / np.sqrt(len(x) - 1), mode="r")
    return Gauss(mean, np.asarray(upper).T)


def fid(first: Gauss, second: Gauss) -> float:
    """The Frechet distance: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    With S = A A^T the trace of the root is the sum of the singular values of A1^T A2. So no matrix
    root is computed, which would be unstable for nearly singular ones.
    Source: Heusel et al. 2017 (arXiv:1706.08500), section 3; Dowson and Landau 1982.
    """
    common = np.linalg.svd(first.root.T @ second.root, compute_uv=False).sum()
    apart = np.square(first.mean - second.mean).sum()
    traces = np.square(first.root).sum() + np.square(second.root).sum()
    return max(0.0, float(apart + traces - 2 * common))


def kid(first: Features, second: Features) -> float:
    """The squared maximum mean discrepancy, unbiased, with (x . y / d + 1)^3: about 0 for the same.

    It is the mean of random subsets, the same ones every time.
    Source: Binkowski et al. 2018 (arXiv:1801.01401), section 4.
    """
    size = min(SUBSET, len(first), len(second))
    random = np.random.RandomState(0)
    found = []
    for _ in range(SUBSETS):
        x, y = (
            features[random.choice(len(features), size, replace=False)].astype(np.float64)
            for features in (first, second)
        )
        within = sum(_kernel(one, one, others_only=True) for one in (x, y))
        found.append(within - 2 * _kernel(x, y))
        if size == len(first) == len(second):
            break  # there is one subset only
    return float(np.mean(found))


class Metrics:
    """The metrics of a generator's samples, against the images that it learns from.

    Always from the same `count` latents, and as many images, or all, whose features are computed
    once, when first needed.

    Raises FatalError for fewer than two images, or if the embedding cannot be run.
    """

    def __init__(
        self, embedding: Embedding, metrics: Sequence[str], images: Images, count: int, threads: int
    ) -> None:
        self.embedding, self.metrics, self.images = embedding, metrics, images
        self.count, self.threads = count, threads
        first = next(chosen(images, AT_ONCE, AT_ONCE), None)
        if first is None or len(first) < 2:
            raise FatalError("--metrics needs a dataset of at least two images")
        embedding(first[:1])

    def __call__(self, generator: Generator) -> dict[str, float]:
        """The metrics of a generator as it is now."""
        z = latents(self.count, generator.config.mapping.z_dim, 0)
        c = labels(self.images, self.count)
        fakes = self._features(samples(generator, z, c, AT_ONCE, self.threads))
        found = {}
        if "fid" in self.metrics:
            found["fid"] = fid(self._gauss, gauss(fakes))
        if "kid" in self.metrics:
            found["kid"] = kid(self._reals, fakes)
        return found

    @cached_property
    def _reals(self) -> Features:
        return self._features(chosen(self.images, self.count, AT_ONCE))

    @cached_property
    def _gauss(self) -> Gauss:
        return gauss(self._reals)

    def _features(self, batches: Iterable[Pixels]) -> Features:
        return np.concatenate([self.embedding(images) for images in batches])


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64], *, others_only: bool = False) -> float:
    """The mean of the kernel over all pairs, or over those of two different images."""
    linear = x @ y.T / x.shape[1] + 1
    values = linear * linear * linear  # ** 3 takes ten times as long
    if not others_only:
        return float(values.mean())
    return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))

"""How near samples are to the images they learn from: FID and KID, by any embedding network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from animetools.dataset.pictures import Pixels
from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from animetools.netfiles.fetch import locate
from animetools.networks.generator import Generator
from animetools.tagging.embedding import Embed, Embedding, Features, default_embedding
from animetools.training.sheets import chosen, labels, latents, samples

AT_ONCE = 32  # images
SUBSETS, SUBSET = 100, 1000  # of KID: how many, of so many images each


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
        self, embedding: Embed, metrics: Sequence[str], images: Images, count: int, threads: int
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


def metrics_of(
    names: str, embedding: str, images: Images, count: int, device: str, threads: int
) -> Metrics | None:
    """What computes the metrics of these names, fid,kid; None for none.

    Features are those of an embedding's file or address, or of the tagger that ships.

    Raises FatalError for a file that is no embedding.
    """
    if not names:
        return None
    embed: Embed
    if embedding:
        cure = "--embedding takes an .onnx file, or its address"
        embed = Embedding(locate(embedding, cure=cure), threads)
    else:
        embed = default_embedding(device, threads)
    return Metrics(embed, names.split(","), images, count, threads)


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64], *, others_only: bool = False) -> float:
    """The mean of the kernel over all pairs, or over those of two different images."""
    linear = x @ y.T / x.shape[1] + 1
    values = linear * linear * linear  # ** 3 takes ten times as long
    if not others_only:
        return float(values.mean())
    return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))

"""FID and KID against closed forms."""

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from animetools.tagging.embedding import Embedding, Features
from animetools.training import metrics
from animetools.training.metrics import Metrics, fid, gauss, kid
from tests.dataset.sets import folder, picture
from tests.tagging.embeddings import embedding_file
from tests.training.pairs import small_pair

Matrix = NDArray[np.float64]


def moments(count: int, mean: Matrix, covariance: Matrix) -> Features:
    """Random features of just this mean and covariance."""
    x = np.random.RandomState(count).randn(count, len(mean))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / (count - 1))).T
    return (mean + x @ np.linalg.cholesky(covariance).T).astype(np.float32)


def test_fid_is_that_of_two_normal_distributions() -> None:
    scales = np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.5, 3.0])
    first = moments(50, np.array([1.0, 0, 0]), np.diag(scales[0] ** 2))
    second = moments(80, np.array([0.0, 0, 2]), np.diag(scales[1] ** 2))
    expected = 5 + np.square(scales[0] - scales[1]).sum()
    assert fid(gauss(first), gauss(second)) == pytest.approx(expected, rel=1e-5)


def test_fid_is_that_of_the_definition() -> None:
    random = np.random.RandomState(0)
    first = (random.randn(40, 6) @ random.randn(6, 6)).astype(np.float32)
    second = (random.randn(30, 6) @ random.randn(6, 6) + 1).astype(np.float32)
    s1, s2 = (np.cov(x.astype(np.float64).T) for x in (first, second))
    apart = np.square(first.astype(np.float64).mean(0) - second.astype(np.float64).mean(0)).sum()
    expected = apart + np.trace(s1 + s2 - 2 * np.real(sqrtm(s1 @ s2)))
    assert fid(gauss(first), gauss(second)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [5, 12, 40])
def test_fid_of_the_same_is_nothing_however_few(count: int) -> None:
    features = np.random.RandomState(0).randn(count, 12).astype(np.float32)
    features[:, 3] = features[:, 4]  # and a covariance that has no inverse
    assert fid(gauss(features), gauss(features[::-1])) < 1e-9


def test_kid_is_that_of_the_definition() -> None:
    random = np.random.RandomState(0)
    x, y = random.randn(7, 5).astype(np.float32), random.randn(7, 5).astype(np.float32) + 1

    def mean(pairs: object) -> float:
        return float(np.mean([(a.astype(float) @ b.astype(float) / 5 + 1) ** 3 for a, b in pairs]))  # type: ignore[attr-defined]

    expected = mean(permutations(x, 2)) + mean(permutations(y, 2)) - 2 * mean(product(x, y))
    assert kid(x, y) == pytest.approx(expected, rel=1e-9)


def test_kid_of_one_distribution_is_about_nothing() -> None:
    random = np.random.RandomState(1)
    same = [kid(*random.randn(2, 300, 4).astype(np.float32)) for _ in range(40)]
    assert abs(np.mean(same)) < 3 * np.std(same) / 40**0.5
    assert min(same) < 0 < max(same)
    assert kid(
        *(random.randn(2, 300, 4) + np.array([[[0]], [[1]]])).astype(np.float32)
    ) > 50 * np.std(same)


def test_kid_of_many_is_the_mean_of_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.RandomState(2)
    x, y = (random.randn(2, 600, 4) + np.array([[[0]], [[0.3]]])).astype(np.float32)
    whole = kid(x, y)
    monkeypatch.setattr(metrics, "SUBSET", 150)
    found = kid(x, y)
    assert found == kid(x, y) != whole
    small = [kid(x[n : n + 150], y[n : n + 150]) for n in range(0, 600, 150)]
    assert abs(found - whole) < np.std(small)


def test_a_generator_is_judged_by_the_same_latents(tmp_path: Path) -> None:
    images = Images(folder(tmp_path / "d", [picture(seed) for seed in range(9)]))
    embedding = Embedding(embedding_file(tmp_path / "e.onnx", ["n", 3, "h", "w"]), 1)
    judge = Metrics(embedding, ["fid", "kid"], images, 40, 1)
    generator, _ = small_pair()
    found = judge(generator)
    assert found.keys() == {"fid", "kid"}
    assert found["fid"] > 0
    assert judge(generator) == found
    assert Metrics(embedding, ["kid"], images, 40, 1)(generator) == {"kid": found["kid"]}
    one = Images(folder(tmp_path / "one", [picture(0)]))
    with pytest.raises(FatalError, match="at least two images"):
        Metrics(embedding, ["kid"], one, 40, 1)

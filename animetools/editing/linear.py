"""Directions from examples: latents whose pictures have a tag, and others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from animetools.errors import FatalError
from animetools.sampling.latents import Floats

FEWEST = 5  # examples with a tag, and without
RIDGE = 0.05  # of the variance of a tag
HELD_OUT = 5  # every so manieth example is left out when accuracies are measured
SUREST = 0.99  # probability: taggers are never surer, records are

Numbers = NDArray[np.float64]


def fit(
    w: Floats, probabilities: Floats, names: Sequence[str], wanted: Sequence[str]
) -> list[tuple[Floats, float]]:
    """A unit vector [w_dim] for each wanted name, and its accuracy on held-out examples.

    `w` is [n, w_dim]; `probabilities` [n, names], 0 to 1, are those of the tags in the pictures: a
    picture has those that are not 0. All tags are fitted at once, by a ridge regression from their
    logits to w: a vector is what changes in w with its tag while the others stay. A regression from w
    to one tag would follow all tags that come with it.

    Accuracy is the area under the ROC curve: how probably an example with the tag lies further along
    the vector than one without.

    Raises FatalError where too few examples have a wanted tag, or lack it.
    """
    has = probabilities > 0
    counts = has.sum(0)
    for name in wanted:
        count = int(counts[names.index(name)]) if name in names else 0
        if min(count, len(w) - count) < FEWEST:
            raise FatalError(
                f"{name} is in {count:,} of {len(w):,} examples: it takes at least {FEWEST} with it"
                " and as many without"
            )
    others = [
        name in wanted or min(count, len(w) - count) >= max(FEWEST, len(w) // 100)
        for name, count in zip(names, counts, strict=True)
    ]
    columns = [name for name, is_used in zip(names, others, strict=True) if is_used]
    at = [columns.index(name) for name in wanted]
    logits = _logits(probabilities[:, others])
    learned = np.arange(len(w)) % HELD_OUT != HELD_OUT - 1
    part, whole = (_vectors(w[rows], logits[rows]) for rows in (learned, slice(None)))
    found = []
    for n in at:
        mine = has[~learned][:, others][:, n]
        found.append((_unit(whole[n]), area_under_curve(w[~learned] @ _unit(part[n]), mine)))
    return found


def area_under_curve(scores: NDArray[np.floating], has: NDArray[np.bool_]) -> float:
    """How probably one that `has` it scores higher than one that has not; NaN where either is missing.

    Source: Hanley and McNeil 1982, by ranks.
    """
    count = int(has.sum())
    if not 0 < count < len(has):
        return float("nan")
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # equal ones share their mean rank
    return float((ranks[has].sum() - count * (count + 1) / 2) / (count * (len(has) - count)))


def _logits(probabilities: Floats) -> Numbers:
    p = np.clip(probabilities.astype(np.float64), 1 - SUREST, SUREST)
    return np.log(p / (1 - p))


def _vectors(w: Floats, logits: Numbers) -> Numbers:
    """What a standard deviation more of each tag alone adds to w, [tags, w_dim]."""
    x = logits - logits.mean(0)
    x = x / np.maximum(x.std(0), 1e-9)
    y = w.astype(np.float64) - w.mean(0, dtype=np.float64)
    covariance = x.T @ x / len(x) + RIDGE * np.eye(x.shape[1])
    made: Numbers = np.linalg.solve(covariance, x.T @ y / len(x))
    return made


def _unit(vector: Numbers) -> Floats:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)

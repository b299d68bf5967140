"""How well a tagger does on a folder of pictures.py: figures.py MODEL.safetensors FOLDER.

Prints tables in Markdown: precision, recall and F1 score of each group of tags and of each tag, for each
kind of picture.
"""

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from animetools.tagging.default import DefaultTagger
from examples.tagger.pictures import Pictures
from examples.tagger.truth import truth
from examples.tagger.vocabulary import GROUPS, NAMES

Values = NDArray[np.float32]  # [n, tags]

GRID = np.linspace(0.04, 0.96, 47, dtype=np.float32)
NEAR = 0.003  # thresholds whose F1 is so near the best are as good


class Counts:
    """How often each tag was found rightly, found, and there; [tags]."""

    def __init__(self, found: NDArray[np.bool_], labels: Values, known: Values) -> None:
        self.hits = (found * labels * known).sum(0, dtype=np.float64)
        self.found = (found * known).sum(0, dtype=np.float64)
        self.there = (labels * known).sum(0, dtype=np.float64)

    @property
    def f1(self) -> NDArray[np.float64]:
        """The F1 score of each tag."""
        return np.asarray(2 * self.hits / np.maximum(self.found + self.there, 1))

    def of(self, names: list[str]) -> tuple[float, float, float, int]:
        """Precision, recall, F1 score and number of tags that are there, over all `names` together."""
        own = [NAMES.index(name) for name in names]
        hits, found, there = (
            float(each[own].sum()) for each in (self.hits, self.found, self.there)
        )
        return (
            hits / max(found, 1),
            hits / max(there, 1),
            2 * hits / max(found + there, 1),
            int(there),
        )


def best_thresholds(probabilities: Values, labels: Values, known: Values) -> Values:
    """The threshold of each tag with the best F1 score; the mean of those about as good.

    One at which a tag is found less often rightly than wrongly does not count; the tag gets the
    highest if all are so.
    """
    counts = [Counts(probabilities >= at, labels, known) for at in GRID]
    table = np.stack([each.f1 * (2 * each.hits >= each.found) for each in counts])
    best = table.max(0)
    good = table >= best - NEAR
    means = (good * GRID[:, None]).sum(0) / good.sum(0)
    return np.asarray(np.where(best > 0, means, GRID[-1]), np.float32)


def tables(counts: Counts) -> Iterator[str]:
    """The lines of two tables: of groups, and of tags."""
    yield from ("| group | precision | recall | F1 | tags |", "|---|---|---|---|---|")
    for group, names in GROUPS.items():
        yield _row(group, counts.of(names))
    yield from ("", "| tag | precision | recall | F1 | pictures |", "|---|---|---|---|---|")
    for name in NAMES:
        yield _row(name, counts.of([name]))


def _row(name: str, figures: tuple[float, float, float, int]) -> str:
    *shares, there = figures
    return " | ".join([f"| {name}", *(f"{share:.3f}" for share in shares), f"{there:,} |"])


def main() -> None:
    """Print the tables."""
    tagger, pictures = DefaultTagger(path=sys.argv[1]), Pictures(sys.argv[2])
    probabilities = [tagger([tagger.prepare(each)]) for each in pictures.pixels]
    found = np.concatenate(probabilities) >= tagger.thresholds
    labels, known = truth(pictures)
    for kind in sorted(set(pictures.kinds)):
        rows = np.array(pictures.kinds) == kind
        print(f"\n{rows.sum():,} pictures of the kind {kind}:\n")
        print("\n".join(tables(Counts(found[rows], labels[rows], known[rows]))))


if __name__ == "__main__":
    main()

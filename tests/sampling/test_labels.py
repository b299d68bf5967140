"""Which labels pictures get, of those that are possible."""

import numpy as np
import pytest

from animetools.sampling.labels import PossibleLabels
from animetools.sampling.latents import Latent

SEEDS = [Latent(seed) for seed in range(60)]
NAMES = ("long_hair", "smile", "hat")


def labels_of(lists: tuple[tuple[int, ...], ...] | None) -> PossibleLabels:
    """Those of a network where nothing is chosen."""
    labels = PossibleLabels.of_network(NAMES, lists)
    assert labels
    return labels


def test_a_seed_has_a_class_of_its_own() -> None:
    made = labels_of(None).of(SEEDS)
    assert made.dtype == np.float32
    assert (made.sum(1) == 1).all()
    assert made.sum(0).min() > 10
    assert (labels_of(None).of(SEEDS[7:8]) == made[7]).all()


def test_a_seed_has_the_tags_of_an_image() -> None:
    made = labels_of(((0, 2), (1,), ())).of(SEEDS).tolist()
    assert {tuple(row) for row in made} == {(1, 0, 1), (0, 1, 0), (0, 0, 0)}
    assert labels_of(((),)).of(SEEDS).tolist() == [[0, 0, 0]] * 60


@pytest.mark.parametrize(
    ("lists", "tags", "row"),
    [
        (None, ["hat,smile:0.5", "hat"], [0, 0.25, 1]),
        (((),), ["hat,smile:0.5", "hat"], [0, 0.25, 1]),
        (((),), ["hat,-smile"], [0, 0, 1]),
        (((1,), (0, 2)), [""], [0, 0, 0]),
    ],
)
def test_without_examples_what_is_asked_for_is_all(
    lists: tuple[tuple[int, ...], ...] | None, tags: list[str], row: list[float]
) -> None:
    labels = PossibleLabels.of_network(NAMES, lists, tags=tags)
    assert labels
    assert labels.of(SEEDS[:2]).tolist() == [row] * 2
    assert labels.rows([0, 0, 0]).shape == (3, 3)


def test_a_class_is_alone() -> None:
    labels = PossibleLabels.of_network(NAMES, ((0, 1), (1, 2)), class_="smile")
    assert labels
    assert labels.of(SEEDS[:2]).tolist() == [[0, 1, 0]] * 2


def test_each_seed_completes_tags_by_an_example() -> None:
    lists = ((0, 2), (1,), (), (2, 1))
    for tags, rows in (
        (["hat"], {(1, 0, 1), (0, 1, 1)}),
        (["hat:0.5,-smile"], {(1, 0, 0.5)}),
        (["hat", "smile"], {(0, 0.5, 0.5)}),
        (["-hat"], {(0, 1, 0), (0, 0, 0)}),
    ):
        labels = PossibleLabels.of_network(NAMES, lists, tags=tags)
        assert labels
        made = labels.of(SEEDS)
        assert {tuple(row) for row in made.tolist()} == rows
        assert (labels.of(SEEDS[7:8]) == made[7]).all()


def test_a_network_without_classes_has_none() -> None:
    assert PossibleLabels.of_network((), None) is None

"""Which labels pictures get where nobody chose any."""

import numpy as np

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


def test_what_is_chosen_is_of_all() -> None:
    labels = PossibleLabels.of_network(NAMES, ((1,),), tags=["hat,smile:0.5", "hat"])
    assert labels
    assert labels.of(SEEDS[:2]).tolist() == [[0, 0.25, 1]] * 2
    assert labels.rows([0, 0, 0]).shape == (3, 3)


def test_a_network_without_classes_has_none() -> None:
    assert PossibleLabels.of_network((), None) is None

"""What a network's own tags do to w."""

import numpy as np
import torch

from animetools.editing.labelled import excluded, step_of_tag
from animetools.sampling.labels import PossibleLabels
from tests.tiny import generator

NAMES = ["blue_hair", "red_hair", "hat", "smile"]
LISTS = ((0, 3), (1,), (2,), (1, 3), ())


def test_a_tag_is_added_and_other_colors_go() -> None:
    mapping = generator(c_dim=4).mapping
    labels = PossibleLabels(4, LISTS)
    step = step_of_tag(mapping, labels, NAMES, "blue_hair", seed=0)
    stream = torch.Generator().manual_seed(1)
    z = torch.randn(4000, 12, generator=stream)
    lacking = torch.tensor([[0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]]).float()
    blue = torch.tensor([[1, 0, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [1, 0, 0, 0]]).float()
    with torch.inference_mode():
        w, moved = (mapping(z, c.repeat(1000, 1))[:, 0].numpy() for c in (lacking, blue))
    wanted = (moved - w).mean(0)
    assert np.linalg.norm(step - wanted) < 0.05 * np.linalg.norm(wanted)
    assert np.array_equal(step, step_of_tag(mapping, labels, NAMES, "blue_hair", seed=0))
    assert not np.array_equal(step, step_of_tag(mapping, labels, NAMES, "blue_hair", seed=1))


def test_examples_that_all_have_a_tag_lose_it_first() -> None:
    mapping = generator(c_dim=4).mapping
    step = step_of_tag(mapping, PossibleLabels(4, ((2, 3), (2,))), NAMES, "hat", 0, 250)
    assert np.linalg.norm(step) > 0.1


def test_tags_that_never_meet_exclude_each_other() -> None:
    names = ["open_mouth", "closed_mouth", "hat", "rare", "red_hair", "blue_hair"]
    # A mouth is open or closed, and half have a hat.
    lists = [[int(n >= 40), *([2] if n % 2 == 0 else [])] for n in range(100)]
    lists[99] += [3]  # never with an open mouth, but that is chance
    assert excluded(lists, names, 0).tolist() == [0, 1, 0, 0, 0, 0]
    assert excluded(lists, names, 2).tolist() == [0, 0, 0, 0, 0, 0]
    assert excluded(lists, names, 4).tolist() == [0, 0, 0, 0, 0, 1]  # a color, with no examples

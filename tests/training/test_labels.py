"""What networks learn of the labels of images."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from animetools.training.labels import lose_tags


def chance(seed: int = 0) -> torch.Generator:
    """A source of random numbers."""
    return torch.Generator().manual_seed(seed)


@given(st.integers(0, 5), st.integers(1, 9), st.floats(0, 1), st.integers(0, 99))
def test_labels_only_lose(images: int, tags: int, probability: float, seed: int) -> None:
    labels = torch.randint(0, 3, (images, tags), generator=chance(seed)).float() / 2
    before = labels.clone()
    kept = lose_tags(labels, probability, chance(seed))
    assert torch.equal(labels, before)
    assert ((kept == labels) | (kept == 0)).all()
    assert torch.equal(kept, labels) or probability > 0


def test_as_many_lose_as_are_to_and_any_number_of_tags() -> None:
    labels = torch.tensor([[1.0, 0, 1, 1, 1]]).expand(20000, -1)
    left = lose_tags(labels, 0.5, chance()).sum(1).long().bincount() / 20000
    # Of four tags 0 to 4 are left equally often, if a label loses any.
    wanted = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.6])
    torch.testing.assert_close(left, wanted, rtol=0, atol=0.02)


def test_a_class_is_lost_whole() -> None:
    labels = torch.eye(3)[torch.arange(3000) % 3]
    assert (lose_tags(labels, 1.0, chance()) == 0).all()
    left = lose_tags(labels, 0.3, chance()).mean(0)
    torch.testing.assert_close(left, torch.full((3,), 0.7 / 3), rtol=0, atol=0.02)

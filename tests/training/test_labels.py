"""What networks learn of the labels of images."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from animetools.netfiles.bags import BAG, EMBED
from animetools.netfiles.networkfile import SavedNetwork
from animetools.networks.families import kind_of
from animetools.networks.generator import Generator
from animetools.networks.ops import normalize
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from animetools.training.labels import crossed, lose_tags, unknown_tags, with_labels, with_tags
from tests.training import pairs


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


@given(st.integers(1, 20), st.integers(1, 9), st.integers(0, 99))
def test_crossed_labels_have_a_part_of_anothers(images: int, tags: int, seed: int) -> None:
    labels = torch.randint(0, 2, (images, tags), generator=chance(seed)).float()
    mixed = crossed(labels, chance(seed))
    assert mixed.shape == (images, min(images - 1, 15), tags)
    for n, row in enumerate(mixed):
        for k, label in enumerate(row, 1):
            other = labels[(n + k) % images]
            assert ((label == labels[n]) | (label == other)).all()
            assert labels[n].sum() > 1 or torch.equal(label, other)


def test_crossed_labels_differ_in_any_number_of_tags() -> None:
    labels = torch.cat([torch.tensor([[1.0, 1, 1, 1, 0, 0, 0, 0]]).expand(1, -1)] * 2000)
    labels[1::2] = 1 - labels[1::2]
    differ = (crossed(labels, chance())[:, 0] != labels).sum(1)
    counts = differ.bincount(minlength=9) / len(labels)
    torch.testing.assert_close(counts, torch.full((9,), 1 / 9), rtol=0, atol=0.03)


def generator_of(tags: int, bag: int = 0, seed: int = 0) -> SavedNetwork:
    """A small generator that takes so many tags."""
    mapping = replace(pairs.MAPPING, c_dim=tags, bag=bag)
    config = StyleGAN2GeneratorConfig(mapping, (8, 8))
    torch.manual_seed(seed)
    return SavedNetwork(config, kind_of(config).module(config).state_dict())


def built(network: SavedNetwork) -> Generator:
    """A generator's module."""
    generator = network.build()
    assert isinstance(generator, Generator)
    return generator


def embedded(network: SavedNetwork, tag: int) -> Tensor:
    """How a network embeds a tag."""
    tags = network.config.mapping.c_dim  # type: ignore[attr-defined]
    mapping: Any = network.build().get_submodule("mapping")
    c = torch.eye(tags)[[tag]]
    found: Tensor = mapping.embed(c if mapping.bag is None else mapping.bag(c))
    return found


@pytest.mark.parametrize(("theirs", "ours"), [(0, 0), (3, 3), (3, 0)])
def test_tags_keep_what_was_learned_of_their_names(theirs: int, ours: int) -> None:
    source, other = generator_of(3, theirs, 1), generator_of(4, ours, 2)
    names = ["red", "green", "blue"], ["blue", "black", "red", "green"]
    state = with_tags(source, built(other), *names)
    made = SavedNetwork(other.config, state)
    for tag, name in enumerate(names[0]):
        wanted = embedded(source, tag)
        found = embedded(made, names[1].index(name))
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    new, random = (state[BAG if ours else EMBED], other.state[BAG if ours else EMBED])
    assert torch.equal(new.narrow(0 if ours else 1, 1, 1), random.narrow(0 if ours else 1, 1, 1))
    assert unknown_tags(*names) == ["those of tags that it does not know (1)"]


def test_tags_without_names_keep_their_places() -> None:
    source, other = generator_of(3, 0, 1), generator_of(3, 0, 2)
    for names in [((), ("a", "b", "c")), (("a", "b", "c"), ()), (("a", "b"), ("a", "b", "c"))]:
        state = with_tags(source, built(other), *names)
        assert torch.equal(state[EMBED], source.state[EMBED])


def test_a_network_that_loses_its_labels_draws_what_no_tags_drew() -> None:
    source, target = generator_of(5), built(generator_of(0, seed=1))
    source.state["mapping.embed.bias"].normal_()
    target.load_state_dict(
        {
            name: value
            for name, value in with_labels(source.state, target).items()
            if not name.startswith("mapping.embed")
        }
    )
    z = torch.randn(3, pairs.MAPPING.z_dim, generator=chance())
    torch.testing.assert_close(target.mapping(z), built(source).mapping(z, torch.zeros(3, 5)))


def test_numbers_of_z_take_the_place_of_the_tags_of_examples() -> None:
    source, target = generator_of(5), built(generator_of(0, seed=1))
    source.state["mapping.embed.bias"].normal_()
    examples, z_dim = ((0, 2), (1,), (3, 4), ()), pairs.MAPPING.z_dim
    theirs = source.state["mapping.fc0.weight"] / math.sqrt(z_dim + pairs.MAPPING.w_dim)
    labels = torch.tensor([[float(tag in tags) for tag in range(5)] for tags in examples])
    of_tags = normalize(source.build().get_submodule("mapping.embed")(labels)) @ theirs[:, z_dim:].T

    made = with_labels(source.state, target, examples)
    bias = made["mapping.fc0.bias"] - source.state["mapping.fc0.bias"]
    torch.testing.assert_close(bias, of_tags.mean(0))
    axes = made["mapping.fc0.weight"] / math.sqrt(z_dim) - theirs[:, :z_dim]
    torch.testing.assert_close(axes @ axes.T, of_tags.T.cov(correction=0), rtol=1e-4, atol=1e-5)

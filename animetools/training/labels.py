"""Labels that the networks learn from, some of them incomplete, and what other networks know of them."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from animetools.netfiles.bags import BAG, EMBED, with_bag, without_bag
from animetools.netfiles.classes import Lists
from animetools.netfiles.networkfile import SavedNetwork
from animetools.networks.config import MappingConfig
from animetools.networks.discriminator import Discriminator
from animetools.networks.generator import Generator
from animetools.networks.ops import normalize

CROSSED = 15  # of how many others a label has a part: memory and work grow with it


class Labels(Protocol):
    """The labels of the training images, [images, c_dim]: a tensor, or what reads like one."""

    def __len__(self) -> int:
        """The number of images."""

    def __getitem__(self, indices: Tensor) -> Tensor:
        """The labels of these images, on the CPU."""


def lose_tags(labels: Tensor, probability: float, chance: torch.Generator) -> Tensor:
    """Labels [n, c_dim] on the CPU, each of which loses tags with this probability.

    Of one that does, each tag is kept with a share that is drawn from 0 to 1; a label of one tag or
    class is emptied. So a network learns to obey lists that leave things open, and to do without.
    """
    images, tags = labels.nonzero(as_tuple=True)
    loses = torch.rand(len(labels), generator=chance) < probability
    share = torch.rand(len(labels), generator=chance) * (images.bincount(minlength=len(labels)) > 1)
    lost = loses[images] & (torch.rand(len(images), generator=chance) >= share[images])
    kept = labels.clone()
    kept[images[lost], tags[lost]] = 0
    return kept


def crossed(labels: Tensor, chance: torch.Generator) -> Tensor:
    """Labels [n, c_dim], each with a part of others' in place of its own: [n, m, c_dim].

    The part is drawn from none to all, for each of m others; a label of one tag or class gives way
    to the others' whole. A discriminator that knows some tags can tell most images from the label of
    another by those alone: it learns the other tags from labels that differ in few.
    """
    count, many = len(labels), min(len(labels) - 1, CROSSED)
    share = torch.rand(count, many, 1, generator=chance)
    share[(labels.cpu() > 0).sum(1) <= 1] = 1
    taken = torch.rand(count, many, labels.shape[1], generator=chance) < share
    others = labels[(torch.arange(count)[:, None] + torch.arange(1, many + 1)) % count]
    return torch.where(taken.to(labels.device), others, labels.unsqueeze(1))


def with_tags(
    source: SavedNetwork,
    network: Generator | Discriminator,
    before: Sequence[str],
    names: Sequence[str],
) -> dict[str, Tensor]:
    """The state of a source, whose matrix of tags has the tags of a network.

    The source's tags have the names `before`, the network's the other `names`: tags keep what was
    learned of them, new ones have the network's numbers. Where one of them has no names, tags are
    those of the same places. A bag that does not learn, and what embeds it, is the same or new.
    """
    own, mapping = network.state_dict(), _mapping(network.config)
    name, axis = (BAG, 0) if mapping.bag else (EMBED, 1)
    if not mapping.bag_learns and not is_same_bag(source, network, before, names):
        return {key: value for key, value in source.state.items() if key not in (BAG, EMBED)}
    source = with_bag(source, mapping.bag) if mapping.bag else without_bag(source)
    state = source.state
    theirs, ours = state.get(name), own.get(name)
    if (
        theirs is None
        or ours is None
        or not (before and names)
        or len(before) != theirs.shape[axis]
        or theirs.shape[1 - axis] != ours.shape[1 - axis]
    ):
        return state
    places = {tag: place for place, tag in enumerate(before)}
    known = [place for place, tag in enumerate(names) if tag in places]
    taken = torch.tensor([places[names[place]] for place in known], dtype=torch.int64)
    scale = 1.0
    # Weights are divided by the root of their count.
    if name == EMBED and mapping.labels == "embed":
        scale = math.sqrt(len(names) / len(before))
    rows = theirs.index_select(axis, taken).to(ours) * scale
    return state | {name: ours.index_copy(axis, torch.tensor(known, dtype=torch.int64), rows)}


def with_labels(
    state: dict[str, Tensor], generator: Generator, examples: Lists = ()
) -> dict[str, Tensor]:
    """A state whose mapping takes labels as a generator's does, or takes none.

    Where it took none, at random. Both halves of the first layer are scaled for twice as many inputs,
    so w spreads as it did. Where a generator takes none, numbers of z take the place of the tags:
    they vary the embedded label as those of `examples` do, along its principal axes. Without examples
    the label has no tags.
    """
    name, bias, mapping = "mapping.fc0.weight", "mapping.fc0.bias", generator.config.mapping
    own, theirs, z_dim = generator.state_dict()[name], state.get(name), mapping.z_dim
    if theirs is None or theirs.dim() != 2 or theirs[:, :z_dim].shape != own[:, :z_dim].shape:
        return state
    inputs = theirs.shape[1]
    if mapping.c_dim and inputs == z_dim:
        return state | {name: torch.cat([theirs, own[:, z_dim:].to(theirs)], 1)}
    empty = state.get("mapping.embed.bias")
    if not mapping.c_dim and mapping.normalize and empty is not None and inputs > z_dim:
        theirs = theirs.float()
        embedded = normalize(_embedded(state, examples or ((),)))
        of_labels = theirs[:, z_dim:] / math.sqrt(inputs)
        axes = of_labels @ _principal_axes(embedded)[:, :z_dim]
        kept = theirs[:, :z_dim] * math.sqrt(z_dim / inputs)
        kept[:, : axes.shape[1]] += axes * math.sqrt(z_dim)
        return state | {name: kept, bias: state[bias] + of_labels @ embedded.mean(0)}
    return state


def _embedded(state: dict[str, Tensor], lists: Lists) -> Tensor:
    """The embedded labels [n, w_dim] of lists of tags, as a mapping without a bag has them."""
    weight, bias = state[EMBED].float(), state["mapping.embed.bias"].float()
    labels = weight.new_zeros(len(lists), weight.shape[1])
    for row, tags in zip(labels, lists, strict=True):
        row[list(tags)] = 1
    return labels @ weight.T / math.sqrt(weight.shape[1]) + bias


def _principal_axes(rows: Tensor) -> Tensor:
    """The principal axes [d, min(n, d)] of rows [n, d], each as long as its standard deviation."""
    _, lengths, axes = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    found: Tensor = (axes * lengths[:, None]).T / math.sqrt(len(rows))
    return found


def is_same_bag(
    source: SavedNetwork,
    network: Generator | Discriminator,
    before: Sequence[str],
    names: Sequence[str],
) -> bool:
    """Whether a source has a bag for the very tags of a network, and neither learns its own."""
    theirs, ours = _mapping(source.config), _mapping(network.config)
    same = (theirs.bag, theirs.bag_learns) == (ours.bag, ours.bag_learns) == (ours.bag, False)
    return same and [*before] == [*names]


def _mapping(config: Any) -> MappingConfig:
    """How a network takes labels; a discriminator that takes none by a mapping has an empty one."""
    return getattr(config, "mapping", None) or MappingConfig()


def unknown_tags(before: Sequence[str], names: Sequence[str]) -> list[str]:
    """How many tags a source does not know, as a phrase, if both have names."""
    count = len({*names} - {*before}) if before and names else 0
    return [f"those of tags that it does not know ({count})"] if count else []

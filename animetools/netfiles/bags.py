"""Labels of a network that are reduced by a bag first, as one matrix, and the other way round."""

import math
from dataclasses import replace
from typing import Any

import torch

from animetools.netfiles.networkfile import SavedNetwork
from animetools.networks.layers import Bag

BAG, EMBED = "mapping.bag.weight", "mapping.embed.weight"


def without_bag(network: SavedNetwork) -> SavedNetwork:
    """The same network, to rounding, whose labels one matrix embeds; itself if it has no bag."""
    config: Any = network.config
    mapping = getattr(config, "mapping", None)
    if mapping is None or not mapping.bag:
        return network
    state = dict(network.state)
    both = state[EMBED].double() @ state.pop(BAG).double().T / math.sqrt(Bag.TAGS)
    if mapping.labels == "embed":  # whose weights are divided by the root of how many go in
        both *= math.sqrt(mapping.c_dim / mapping.bag)
    state[EMBED] = both.to(network.state[EMBED].dtype)
    plain = replace(mapping, bag=0, bag_learns=True)
    return SavedNetwork(replace(config, mapping=plain), state)


def with_bag(network: SavedNetwork, width: int) -> SavedNetwork:
    """The same network with a bag of this width, or the nearest to it; itself if it has one."""
    config: Any = network.config
    mapping = getattr(config, "mapping", None)
    if mapping is None or mapping.bag or EMBED not in network.state:
        return network
    state = dict(network.state)
    u, s, v = torch.linalg.svd(state[EMBED].double(), full_matrices=False)
    rank = min(width, len(s))
    bag = u.new_zeros(mapping.c_dim, width)
    bag[:, :rank] = v[:rank].T * s[:rank].sqrt()
    usual = bag.square().mean().sqrt().clamp_min(1e-9)  # new bags have 1
    embed = u.new_zeros(len(u), width)
    embed[:, :rank] = u[:, :rank] * s[:rank].sqrt() * usual * math.sqrt(Bag.TAGS)
    if mapping.labels == "embed":
        embed *= math.sqrt(width / mapping.c_dim)
    state |= {BAG: (bag / usual).to(state[EMBED].dtype), EMBED: embed.to(state[EMBED].dtype)}
    return SavedNetwork(replace(config, mapping=replace(mapping, bag=width)), state)

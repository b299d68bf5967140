"""Networks of one shape as one: their average, or the coarse layers of one with the fine ones of another."""

import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from animetools.errors import Advice, ItemError
from animetools.netfiles.classes import LABEL_FACTS, names_of, takes_tags
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import Config, GeneratorConfig, MappingConfig, Truncation
from animetools.networks.families import kind_of
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig

Shares = Sequence[float]
"""How much of each file there is in a tensor; they add up to 1."""


@dataclass(frozen=True)
class Swap:
    """Coarse layers of the first of two networks, and fine ones of the second.

    Blocks of `size` pixels and more are the second's, with their output layers (toRGB). So many as
    `soft` on each side of that edge mix both.
    Source: Pinkney and Adler 2020 (Resolution Dependent GAN Interpolation), section 2.
    """

    size: int
    soft: int = 0

    def __call__(self, block: int) -> Shares:
        """The shares of the two in a block of so many pixels."""
        above = math.log2(block / self.size) + 0.5  # of the edge, in blocks
        second = min(max(0.5 + above / (2 * self.soft + 1), 0.0), 1.0)
        return 1 - second, second


def blended(
    names: Sequence[str],
    files: Sequence[NetworkFile],
    synthesis: Shares | Swap,
    mapping: Shares,
    discriminator: Shares | None,
) -> NetworkFile:
    """A file with G_ema and D of several files, whose names are for messages.

    `mapping` is of the mapping network and the average w; the labels are those of the files that it
    is made of. There is no D without `discriminator`, or, with an Advice, where one of those that it
    is made of has none.

    Raises ItemError for networks that differ in shape or labels, and for damaged ones.
    """
    labels = [(names_of(file.facts), takes_tags(file.facts)) for file in files]
    maps = [place for place, share in enumerate(mapping) if share]
    judge = [place for place, share in enumerate(discriminator or ()) if share]
    for place in (*maps, *(place for place in judge if labels[place][0])):
        if labels[place] != labels[maps[0]]:
            raise ItemError(f"{names[place]} has other classes or tags than {names[maps[0]]}")
    networks = {"G_ema": generator(names, [file.generator for file in files], synthesis, mapping)}
    if bare := next((names[place] for place in judge if "D" not in files[place].networks), None):
        text = f"the result has no discriminator, since {bare} has none"
        warnings.warn(text, Advice, stacklevel=2)
    elif discriminator:
        judges = [files[place].discriminator for place in judge]
        taken = [discriminator[place] for place in judge]
        own = [names[place] for place in judge]
        networks["D"] = _sum("discriminator", own, judges, lambda _: taken)
    facts = {key: value for key, value in files[maps[0]].facts.items() if key in LABEL_FACTS}
    return NetworkFile("animetools", networks, facts)


def generator(
    names: Sequence[str],
    networks: Sequence[SavedNetwork],
    synthesis: Shares | Swap,
    mapping: Shares,
) -> SavedNetwork:
    """A generator that is made of several.

    Where one mapping network alone is taken, the others may take other labels.

    Raises ItemError as `blended`.
    """
    maps = [network for network, share in zip(networks, mapping, strict=True) if share]
    if len(maps) == 1:
        networks = [_with_mapping(network, maps[0]) for network in networks]
    config = networks[0].config
    sizes = sizes_of(config)
    layers = config.layers if isinstance(config, StyleGAN3GeneratorConfig) else ()

    def shares(name: str) -> Shares:
        if name.startswith("mapping."):
            return mapping
        if not isinstance(synthesis, Swap):
            return synthesis
        if layer := re.match(r"synthesis\.L(\d+)_", name):
            return synthesis(layers[int(layer[1])].rate)
        if name.startswith("synthesis.input."):
            return synthesis(sizes[0])
        block = re.match(r"synthesis\.b(\d+)\.", name)
        assert block  # as all tensors but the level of detail
        return synthesis(int(block[1]) * sizes[0] // 4)  # called as if the lowest were 4

    if isinstance(synthesis, Swap) and synthesis.size not in sizes[1:]:
        raise ItemError(
            f"{names[0]} has no layers that begin at {synthesis.size} pixels, but at"
            f" {', '.join(map(str, sizes[1:]))}"
        )
    return _sum("generator", names, networks, shares)


def _with_mapping(network: SavedNetwork, other: SavedNetwork) -> SavedNetwork:
    """A generator with the mapping network of another one, if it is of its family."""
    config = network.config
    if type(config) is not type(other.config):
        return network
    assert isinstance(config, GeneratorConfig)
    assert isinstance(other.config, GeneratorConfig)
    state = {
        name: value
        for each, is_mapping in ((network, False), (other, True))
        for name, value in each.state.items()
        if name.startswith("mapping.") == is_mapping
    }
    return SavedNetwork(replace(config, mapping=other.config.mapping), state)  # type: ignore[type-var]


def sizes_of(config: Config) -> list[int]:
    """How many pixels a picture's longer side has in each block of a generator, from the lowest.

    A StyleGAN 3 has no blocks: its layers are counted by their sampling rates.
    """
    if isinstance(config, StyleGAN3GeneratorConfig):
        return sorted({layer.rate for layer in config.layers})
    return [max(config.base) << block for block in range(len(config.channels))]


def _sum(
    what: str,
    names: Sequence[str],
    networks: Sequence[SavedNetwork],
    shares: Callable[[str], Shares],
) -> SavedNetwork:
    """The weighted sum of networks, tensor by tensor; one of them at a time is in memory."""
    config = networks[0].config
    for name, network in zip(names, networks, strict=True):
        if differs := difference(network.config, config):
            raise ItemError(f"the {what} of {name} has {differs} as that of {names[0]}")
    made: dict[str, Tensor] = {}
    for place, (name, network) in enumerate(zip(names, networks, strict=True)):
        try:
            state = network.build().state_dict()
        except ItemError as why:
            raise ItemError(f"{name}: {why}") from None
        for key, value in state.items():
            if key.endswith("lod"):
                if not torch.equal(made.setdefault(key, value), value):
                    raise ItemError("the networks have grown to different resolutions")
            elif (share := shares(key)[place]) and key in made:
                made[key] += value * share
            elif share:
                made[key] = value * share
    return SavedNetwork(config, made)


def difference(config: Config | MappingConfig, other: Config | MappingConfig) -> str:
    """How the shape of a network differs from another's, or "".

    What it suggests as psi does not count, nor how it would take labels if it has none.
    """
    if isinstance(config, Config) and isinstance(other, Config) and type(config) is not type(other):
        return f"the family {kind_of(config).family}, not {kind_of(other).family}"
    if isinstance(config, Config) and isinstance(other, Config):
        (height, width), (wanted_height, wanted_width) = config.image_size, other.image_size
        if (height, width) != (wanted_height, wanted_width):
            return f"pictures of {width}x{height}, not {wanted_width}x{wanted_height}"
    for field in fields(config):  # type: ignore[arg-type]  # each is a dataclass
        if field.name == "labels" and not getattr(config, "c_dim", 0):
            continue
        own, wanted = getattr(config, field.name), getattr(other, field.name)
        if isinstance(own, MappingConfig) and isinstance(wanted, MappingConfig):
            if inside := difference(own, wanted):
                return inside
        elif own != wanted and field.name == "layers" and isinstance(own, tuple):
            return "other sizes, rates or filters of layers, not the same"
        elif own != wanted and not isinstance(own, Truncation):
            return f"{field.name} {_shown(own)}, not {_shown(wanted)}"
    return ""


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else f"{value}"

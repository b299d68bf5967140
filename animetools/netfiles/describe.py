"""What is in a network file, as `sgconvert --info` says it."""

from typing import Any

from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import Config, GeneratorConfig, MappingConfig
from animetools.networks.families import kind_of


def describe(file: NetworkFile) -> dict[str, Any]:
    """The networks of a file as plain JSON values.

    Each network is built, so that what is said of it is true.

    Raises ItemError if one cannot be built.
    """
    counts = {name: _parameters(network) for name, network in file.networks.items()}
    facts: dict[str, Any] = {"layout": file.layout, "networks": list(counts)}
    if type(kimg := file.facts.get("kimg")) in (int, float):
        facts["kimg"] = kimg
    generator = next((name for name in ("G_ema", "G") if name in counts), "")
    config = file.networks[generator or "D"].config
    height, width = config.image_size
    facts |= {"height": height, "width": width, "image_channels": config.image_channels}
    if isinstance(config, GeneratorConfig):
        mapping = config.mapping
        facts |= {
            "generator": title(config),
            "generator_parameters": counts[generator],
            "generator_channels": list(config.channels),
            "z_dim": mapping.z_dim,
            "w_dim": mapping.w_dim,
            "c_dim": mapping.c_dim,
            **_tags(mapping),
            "w_avg_norm": float(file.generator.state["mapping.w_avg"].double().norm()),
        }
    if "D" in counts:
        discriminator = file.discriminator.config
        facts |= {
            "discriminator": title(discriminator),
            "discriminator_parameters": counts["D"],
            "discriminator_channels": list(discriminator.channels),
        }
    return facts


def _tags(mapping: MappingConfig) -> dict[str, Any]:
    """How tags are embedded, where they are."""
    if not mapping.bag:
        return {}
    return {
        "tag_embedding": "bag" if mapping.bag_learns else "doc2vec",
        "tag_width": mapping.bag,
    }


def title(config: Config) -> str:
    """The family of a network, and its architecture where the family has several."""
    architecture = getattr(config, "architecture", None)
    return ", ".join(filter(None, [kind_of(config).family, architecture]))


def _parameters(network: SavedNetwork) -> int:
    return sum(parameter.numel() for parameter in network.build().parameters())

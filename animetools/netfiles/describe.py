"""What a person asks of a network file."""

from typing import Any

from animetools.netfiles.snapshot import Network, Snapshot
from animetools.networks.config import (
    Config,
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
    StyleGAN2GeneratorConfig,
    image_size,
)


def describe(snapshot: Snapshot) -> dict[str, Any]:
    """The networks of a file as plain JSON values.

    Each network is built on the way, so that what is told of it is true.
    Raises ItemError if one cannot be built.
    """
    counts = {name: _parameters(network) for name, network in snapshot.networks.items()}
    told: dict[str, Any] = {"layout": snapshot.layout, "networks": list(counts)}
    if type(kimg := snapshot.facts.get("kimg")) in (int, float):
        told["kimg"] = kimg
    generator = next((name for name in ("G_ema", "G") if name in counts), "")
    config = snapshot.networks[generator or "D"].config
    height, width = image_size(config)
    told |= {"height": height, "width": width, "image_channels": config.image_channels}
    if isinstance(config, StyleGAN1GeneratorConfig | StyleGAN2GeneratorConfig):
        mapping = config.mapping
        told |= {
            "generator": kind_of(config),
            "generator_parameters": counts[generator],
            "generator_channels": list(config.channels),
            "z_dim": mapping.z_dim,
            "w_dim": mapping.w_dim,
            "c_dim": mapping.c_dim,
            "w_avg_norm": float(snapshot.generator.state["mapping.w_avg"].double().norm()),
        }
    if "D" in counts:
        judge = snapshot.discriminator.config
        told |= {
            "discriminator": kind_of(judge),
            "discriminator_parameters": counts["D"],
            "discriminator_channels": list(judge.channels),
        }
    return told


def kind_of(config: Config) -> str:
    """The generation and architecture of a network, as people say it."""
    if isinstance(config, StyleGAN1GeneratorConfig | StyleGAN1DiscriminatorConfig):
        return "StyleGAN 1"
    return f"StyleGAN 2, {config.architecture}"


def _parameters(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.build().parameters())

"""Generators and discriminators to train in tests: the golden ones, and small ones."""

import math
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from animetools.networks.config import MappingConfig
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from animetools.networks.stylegan2.modules import Discriminator, Generator
from animetools.training.networks import new_networks
from tests.netfiles import files, goldens

torch.set_num_threads(1)  # networks as small as these are slower with more

MAPPING = MappingConfig(z_dim=8, w_dim=8, width=8, layers=2)


def golden_pair(name: str) -> tuple[Generator, Discriminator]:
    """The networks NAME-G and NAME-D by their recipe, in float64, without a rounding to float32.

    Their modulated convolutions compute as the original does: its demodulation adds 1e-8 to the
    sum of the squared weights as they are stored, ours after a division, which is 5e-8 in the end.
    """
    infos = files.ada_info(f"{name}-G"), files.ada_info(f"{name}-D")
    configs = [goldens.ada_config(info) for info in infos]
    assert isinstance(configs[0], StyleGAN2GeneratorConfig)
    assert isinstance(configs[1], StyleGAN2DiscriminatorConfig)
    pair = Generator(configs[0]).double(), Discriminator(configs[1]).double()
    for network, info in zip(pair, infos, strict=True):
        state = goldens.ada_state(info)
        network.load_state_dict({key: exactly(key, state[key], info) for key in state})
    for block in pair[0].synthesis.blocks:
        for layer in block.layers:
            parametrize.register_parametrization(layer, "weight", Undivided())
    return pair


class Undivided(nn.Module):
    """A weight times what the modulated convolution will divide it by."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight * math.sqrt(weight[0].numel())


def original_name(name: str) -> str:
    """A parameter's name without what `Undivided` has put into it."""
    return name.replace("parametrizations.weight.original", "weight")


def exactly(name: str, rounded: Tensor, info: dict[str, Any]) -> Tensor:
    """A tensor of the recipe in float64: its float32 normals, scaled there."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    normals = torch.tensor(random.standard_normal(list(rounded.shape))).float().double()
    offset = 1.0 if name.endswith("affine.bias") else 0.0
    scale = 1.0
    if name.endswith(("bias", "noise_strength", "w_avg")):
        scale = 0.1
    if "mapping.fc" in name:
        scale /= info["mapping_lr_multiplier"]
    exact = normals * scale + offset
    assert torch.allclose(exact, rounded.double(), rtol=1e-6, atol=1e-7), name
    return exact


def normal(seed: int, *shape: int) -> Tensor:
    """The standard normal numbers of the golden files, float64."""
    return torch.tensor(np.random.RandomState(seed).standard_normal(shape))


def uniform(seed: int, *shape: int) -> Tensor:
    """The images of the golden files, float64 in -1..1."""
    return torch.tensor(np.random.RandomState(seed).uniform(-1, 1, shape))


def small_pair(
    *,
    seed: int = 0,
    c_dim: int = 0,
    bag: int = 0,
    group: int | None = 4,
    base: tuple[int, int] = (4, 4),
    architecture: str = "resnet",
    labels: str = "projection",
    dtype: torch.dtype = torch.float32,
) -> tuple[Generator, Discriminator]:
    """New networks of four times `base` pixels, whose noise shows."""
    mapping = replace(MAPPING, c_dim=c_dim, bag=bag)
    generator, discriminator = new_networks(
        StyleGAN2GeneratorConfig(mapping, (8, 8, 8), base),
        StyleGAN2DiscriminatorConfig(
            (8, 8, 8),
            base,
            architecture=architecture,  # type: ignore[arg-type]
            dense=8,
            c_dim=c_dim,
            labels=labels,  # type: ignore[arg-type]
            mapping=replace(mapping, z_dim=0) if c_dim and labels == "projection" else None,
            mbstd_group=group,
        ),
        seed,
    )
    assert isinstance(generator, Generator)
    assert isinstance(discriminator, Discriminator)
    for block in generator.synthesis.blocks:
        for layer in block.layers:
            torch.nn.init.constant_(layer.noise_strength, 0.3)
    return generator.to(dtype), discriminator.to(dtype)


def tensors_of(state: Any, name: str = "") -> dict[str, Tensor]:
    """Every number of a state, by its path."""
    if isinstance(state, dict):
        parts = [tensors_of(part, f"{name}/{key}") for key, part in state.items()]
        return {key: value for part in parts for key, value in part.items()}
    return {name: torch.as_tensor(state)}

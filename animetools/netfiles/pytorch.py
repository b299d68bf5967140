"""The files of PyTorch's StyleGAN2-ADA and StyleGAN3: a pickle of a dict with G, D and G_ema.

The shapes of the tensors show what a network is, and for the rest the arguments of the module or of
one around it.
"""

import math
from typing import Any

from animetools.netfiles import arguments, stylegan3
from animetools.netfiles.foreign import refuse_foreign
from animetools.netfiles.machine import refuse
from animetools.netfiles.modules import Modules, mapping_of, plain_dict
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import GeneratorConfig
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

LONGEST_FACT = 1000


def read(value: Any) -> NetworkFile:
    """The networks in what `load_pickle` gave.

    Raises ItemError for another file.
    """
    if type(value) is not dict:
        refuse("the pickle has no StyleGAN in it")
    names = [name for name in ("G_ema", "G", "D") if value.get(name) is not None]
    if not names:
        refuse_foreign(value, "a pickle without G, D and G_ema: no StyleGAN is in it")
    modules = {name: Modules(value[name], value) for name in names}
    networks = {}
    base = (4, 4)
    for name in [name for name in names if name != "D"]:
        generator: GeneratorConfig
        if stylegan3.is_of(modules[name]):
            generator = stylegan3.generator(modules[name])
        else:
            generator = _generator(modules[name])
            base = generator.base
        networks[name] = SavedNetwork(generator, modules[name].tensors)
    if "D" in modules:
        networks["D"] = SavedNetwork(_discriminator(modules["D"], base), modules["D"].tensors)
    return NetworkFile(layout="pytorch", networks=networks, facts=_facts(value, modules[names[0]]))


def _generator(modules: Modules) -> StyleGAN2GeneratorConfig:
    blocks = modules.blocks("synthesis.")
    _, height, width = modules.shape("synthesis.b4.const", 3)
    settings = modules.settings(f"{blocks[-1]}.conv1")
    return StyleGAN2GeneratorConfig(
        mapping=mapping_of(modules),
        channels=tuple(modules.shape(f"{block}.conv1.weight", 4)[0] for block in blocks),
        base=(height, width),
        image_channels=modules.shape(f"{blocks[-1]}.torgb.weight", 4)[0],
        architecture=modules.architecture(blocks, "torgb"),
        kernel=modules.kernel(),
        activation=arguments.activation(settings, "activation"),
        clamp=arguments.clamp(settings),
    )


def _discriminator(modules: Modules, base: tuple[int, int]) -> StyleGAN2DiscriminatorConfig:
    """`base` is the generator's: a discriminator shows only the number of pixels of its base."""
    blocks = modules.blocks("")
    settings, last = modules.settings(f"{blocks[-1]}.conv1"), modules.settings("b4")
    below, inputs = modules.shape("b4.conv.weight", 4)[:2]
    pixels = modules.shape("b4.fc.weight", 2)[1] / max(below, 1)
    projected = "mapping.embed.weight" in modules.tensors
    group = None
    if last.get("mbstd_group_size", 4) is not None:
        group = max(arguments.whole(last, "mbstd_group_size", 4), 1)
    return StyleGAN2DiscriminatorConfig(
        channels=(below, *(modules.shape(f"{block}.conv0.weight", 4)[1] for block in blocks[1:])),
        base=base if math.prod(base) == pixels else (4, 4),
        image_channels=modules.shape(f"{blocks[-1]}.fromrgb.weight", 4)[1],
        architecture=modules.architecture(blocks, "fromrgb"),
        kernel=modules.kernel(),
        activation=arguments.activation(settings, "activation"),
        clamp=arguments.clamp(settings),
        dense=modules.shape("b4.fc.bias", 1)[0],
        c_dim=modules.shape("mapping.embed.weight", 2)[1] if projected else 0,
        mapping=mapping_of(modules) if projected else None,
        mbstd_group=group,
        mbstd_features=inputs - below,
    )


def _facts(value: dict[Any, Any], modules: Modules) -> dict[str, Any]:
    """The other facts in the file that are plain and short."""
    known = plain_dict(value, "training_set_kwargs")
    known = {name: v for name, v in known.items() if type(name) is str and _is_plain(v)}
    halves = modules.settings("synthesis").get("num_fp16_res")
    return {"training_set_kwargs": known} | (
        {"num_fp16_res": halves} if type(halves) is int else {}
    )


def _is_plain(value: Any) -> bool:
    if type(value) is str:
        return len(value) <= LONGEST_FACT
    return (
        value is None
        or type(value) in (bool, int)
        or (type(value) is float and math.isfinite(value))
    )

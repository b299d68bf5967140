"""StyleGAN3's generators in the files of PyTorch's StyleGANs.

Their tensors show channels, kernels and filters; sizes and sampling rates are attributes of the
layers, which are called L0_36_512 after number, size and channels.
"""

import re
from typing import Any

import numpy as np
from torch import Tensor

from animetools.netfiles import arguments
from animetools.netfiles.configs import LONGEST
from animetools.netfiles.foreign import refuse_foreign
from animetools.netfiles.machine import refuse
from animetools.netfiles.modules import Modules, mapping_of
from animetools.networks.stylegan3.config import LayerConfig, StyleGAN3GeneratorConfig
from animetools.networks.stylegan3.modules import layer_names

INPUT = "synthesis.input"


def is_of(modules: Modules) -> bool:
    """Whether a generator is StyleGAN3's, as its tensors show."""
    return f"{INPUT}.freqs" in modules.tensors


def generator(modules: Modules) -> StyleGAN3GeneratorConfig:
    """The config of a generator.

    Raises ItemError, naming what is wrong, for one whose tensors and attributes contradict each other.
    """
    synthesis, start = (modules.states.get(path, {}) for path in ("synthesis", INPUT))
    names = _layers(modules)
    paths = [f"synthesis.{name}" for name in names]
    shapes = [modules.shape(f"{path}.weight", 4) for path in paths]
    clamps = {arguments.clamp(modules.states[path]) for path in paths}
    sizes = {shape[2] for shape in shapes[:-1]}
    if len(clamps) > 1 or len(sizes) > 1 or shapes[-1][2] != 1:
        refuse("the network's layers have different clamps or kernels, which is not supported")
    config = StyleGAN3GeneratorConfig(
        mapping=mapping_of(modules),
        channels=tuple(shape[0] for shape in shapes),
        layers=tuple(_layer(modules, path) for path in paths),
        input_size=_side(start, "size"),
        input_rate=arguments.number(start, "sampling_rate", 0),
        bandwidth=arguments.number(start, "bandwidth", 0),
        image_channels=shapes[-1][0],
        conv_size=sizes.pop(),
        clamp=clamps.pop(),
        output_scale=arguments.number(synthesis, "output_scale", 0.25),
    )
    if unfit := config.contradiction():
        refuse(f"the network's layers do not fit together: {unfit}")
    if names != layer_names(config) or config.image_size[0] != arguments.whole(
        synthesis, "img_resolution", 0
    ):
        refuse("the network's layers have names or sizes that are not theirs")
    for i, path in enumerate(paths):
        if modules.states[path].get("padding") != [*config.padding(i)] * 2:
            refuse(f"the padding of {names[i]} would move its image")
    return config


def _layers(modules: Modules) -> list[str]:
    """The names of the layers, in their order."""
    found = [path.removeprefix("synthesis.") for path in modules.states]
    layers = {}
    for name in found:
        if match := re.fullmatch(r"L(\d{1,2})_\d{1,5}_\d{1,6}", name, re.ASCII):
            layers[int(match[1])] = name
    lacking = "the network lacks the layers of a StyleGAN3"
    if len(layers) < 2:
        refuse_foreign(modules.file, lacking)
    if set(layers) != set(range(len(layers))) or len(layers) > LONGEST:
        refuse(lacking)
    return [layers[i] for i in range(len(layers))]


def _layer(modules: Modules, path: str) -> LayerConfig:
    state = modules.states[path]
    up, down = (modules.tensors.get(f"{path}.{name}_filter") for name in ("up", "down"))
    if up is not None and up.dim() != 1:
        refuse(f"the filter of {path} is malformed")
    magnitude = modules.tensors.get(f"{path}.magnitude_ema")
    if magnitude is not None and magnitude.numel() == 1 and not magnitude > 0:
        refuse(f"the magnitude of {path} is not positive")
    return LayerConfig(
        size=_side(state, "out_size"),
        rate=_rounded(state, "out_sampling_rate"),
        cutoff=arguments.number(state, "out_cutoff", 0),
        half_width=arguments.number(state, "out_half_width", 0),
        up=arguments.whole(state, "up_factor", 0),
        down=arguments.whole(state, "down_factor", 0),
        up_taps=_taps(up, path),
        down_taps=_taps(down, path),
        radial=down is not None and down.dim() == 2,
    )


def _taps(taps: Tensor | None, path: str) -> int:
    """How many taps a filter has along an axis."""
    if taps is None:
        return 1
    if taps.dim() not in (1, 2) or len(set(taps.shape)) > 1 or len(taps) < 2:
        refuse(f"the filter of {path} is malformed")
    return len(taps)


def _side(state: dict[str, Any], name: str) -> int:
    """A side of what is square: width and height, or one number."""
    value = state.get(name)
    numbers = value.ravel()[:3].tolist() if isinstance(value, np.ndarray) else [value]
    if len(set(map(repr, numbers))) != 1 or len(numbers) > 2:
        refuse(f"the network's {name} is not that of a square")
    return _rounded({name: numbers[0]}, name)


def _rounded(state: dict[str, Any], name: str) -> int:
    """A whole number, which may be written as a float."""
    value = arguments.number(state, name, 0)
    if value != round(value):
        refuse(f"the network's {name} is not a whole number")
    return round(value)

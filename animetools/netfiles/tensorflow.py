"""The files of TensorFlow's StyleGAN 1, StyleGAN 2 and StyleGAN2-ext: a pickle of (G, D, Gs).

The names and shapes of its variables show most of what a network is; the rest comes from the
arguments that are stored in the file, and from its source (`tensorflow_source`). No variable may be
left over, so that a related network with other parts is refused and not misread.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from animetools.netfiles import arguments
from animetools.netfiles.arguments import Settings
from animetools.netfiles.machine import Call, Text, refuse
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.netfiles.tensorflow_source import LONGEST, constants
from animetools.netfiles.tensorflow_variables import Variables
from animetools.networks.config import MOST, Architecture, Config, MappingConfig, Truncation
from animetools.networks.stylegan1.config import (
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
)
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

GENERATORS = ("G_style", "G_main")  # by the functions that build them
DISCRIMINATORS = ("D_basic", "D_stylegan", "D_stylegan2")


def read(value: Any) -> NetworkFile:
    """The networks in what `load_pickle` gave.

    Raises ItemError for another file, and for networks that are not of StyleGAN 1 or 2.
    """
    parts = value if type(value) is tuple else (value,)
    paths = {part.path for part in parts if type(part) is Call}
    if paths & {"tfutil.Network", "network.Network"}:
        refuse("a Progressive GAN (2018), not a StyleGAN")
    if len(paths) != 1 or not all(type(part) is Call for part in parts):
        refuse("the pickle has no StyleGAN in it")
    if len(parts) != 3:
        refuse("the pickle has a single network, such as one for metrics, instead of (G, D, Gs)")
    g, d, gs = map(_opened, parts)
    return NetworkFile(
        layout="tensorflow",
        networks={"G": _generator(g), "D": _discriminator(d), "G_ema": _generator(gs)},
        facts={},
    )


@dataclass(frozen=True)
class _Opened:
    """A network as it is in the file."""

    function: str  # that built it
    given: Settings  # its arguments
    defaults: Settings  # in its source
    assigned: Settings
    variables: dict[str, Tensor]
    parts: dict[str, "_Opened"]

    def settings(self, parent: Settings) -> Settings:
        """The arguments of its function; the parent passes on its own."""
        return self.defaults | self.given | parent | self.assigned


def _opened(call: Any, depth: int = 0) -> _Opened:
    state = call.state if type(call) is Call and not call.args else None
    match state:
        case {
            "static_kwargs": dict(given),
            "build_func_name": str(function),
            "build_module_src": str() | Text() as source,
            "variables": list(variables),
            **rest,
        }:
            parts = rest.get("components", {})
            if type(parts) is not dict or depth > 1 or not set(parts) <= {"synthesis", "mapping"}:
                refuse("the pickle has a network with malformed parts")
            return _Opened(
                function,
                given,
                *constants(_decoded(source), function),
                _variables(variables),
                {str(name): _opened(part, depth + 1) for name, part in parts.items()},
            )
    refuse("the pickle has a network that is not one of TensorFlow's StyleGANs")


def _decoded(source: str | Text) -> str:
    if isinstance(source, str):
        return source
    return str(source.data[: LONGEST * 4], "utf-8", "replace")


def _variables(pairs: list[Any]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for pair in pairs:
        match pair:
            case (str(name), float() | int() as number) if name not in found:
                found[name] = torch.tensor(float(number))
            case (str(name), np.ndarray() as array) if (
                name not in found and array.dtype.kind == "f"
            ):
                found[name] = torch.from_numpy(array)
            case _:
                refuse("the pickle has a network with a malformed variable")
    return found


# Generators


def _generator(opened: _Opened) -> SavedNetwork:
    if opened.function not in GENERATORS or set(opened.parts) != {"synthesis", "mapping"}:
        refuse(f"a network built by {opened.function!a:.40}, which is not a StyleGAN's generator")
    synthesis, mapping = opened.parts["synthesis"], opened.parts["mapping"]
    # The network's own `lod` overrides its synthesis network's.
    tensors = Variables(mapping.variables | synthesis.variables | opened.variables)
    config = _mapping(tensors, mapping.settings(opened.given))
    settings = synthesis.settings(opened.given)
    if opened.function == "G_style":
        truncation = _truncation(opened.settings({}), Truncation(0.7, 8))
        if truncation.cutoff is None or truncation.cutoff <= 0:  # then none of it applies
            truncation = Truncation()
        return _stylegan1_generator(tensors, settings, config, truncation)
    truncation = _truncation(opened.settings({}), Truncation(0.5, None))
    return _stylegan2_generator(tensors, settings, config, truncation)


def _mapping(tensors: Variables, settings: Settings) -> MappingConfig:
    (w_dim,) = tensors.shape("dlatent_avg", 1)
    tensors.move("dlatent_avg", "mapping.w_avg", 1)
    layers = 0
    while f"Dense{layers}/weight" in tensors:
        layers += 1
    z_dim, width = tensors.shape("Dense0/weight", 2) if layers else (w_dim, w_dim)
    c_dim = 0
    if "LabelConcat/weight" in tensors:
        c_dim, z_dim = tensors.shape("LabelConcat/weight", 2)
        tensors.move("LabelConcat/weight", "mapping.embed.weight", 2, Tensor.t)
    for i in range(layers):
        tensors.dense(f"Dense{i}", f"mapping.fc{i}")
    return MappingConfig(
        z_dim=z_dim,
        c_dim=c_dim,
        w_dim=w_dim,
        layers=layers,
        width=width,
        lrmul=arguments.number(settings, "mapping_lrmul", 0.01),
        normalize=arguments.flag(settings, "normalize_latents", True),
        labels="concat" if c_dim else "embed",
        activation=arguments.activation(settings, "mapping_nonlinearity"),
    )


def _stylegan1_generator(
    tensors: Variables, settings: Settings, mapping: MappingConfig, truncation: Truncation
) -> SavedNetwork:
    blocks = tensors.blocks()
    constant = "4x4/Const/const" in tensors
    noise, styles = tensors.any("/Noise/weight$"), tensors.any("/StyleMod/weight$")
    progressive = f"ToRGB_lod{blocks - 1}/weight" in tensors
    scopes = ["4x4/Const" if constant else "4x4/Dense", "4x4/Conv"]
    for size in (4 << i for i in range(1, blocks)):
        scopes += [f"{size}x{size}/Conv0_up", f"{size}x{size}/Conv1"]
    config = StyleGAN1GeneratorConfig(
        mapping=mapping,
        channels=tuple(tensors.shape(f"{scope}/bias", 1)[0] for scope in scopes[1::2]),
        image_channels=tensors.shape("ToRGB_lod0/bias", 1)[0],
        progressive=progressive,
        fused_from=_fused(settings),
        kernel=arguments.kernel(settings, "blur_filter", (1, 2, 1), ()),
        activation=arguments.activation(settings, "nonlinearity"),
        wscale=arguments.flag(settings, "use_wscale", True),
        constant=constant,
        noise=noise,
        styles=styles,
        pixel_norm=arguments.flag(settings, "use_pixel_norm", False),
        instance_norm=arguments.flag(settings, "use_instance_norm", True),
        truncation=truncation,
    )
    if constant:
        tensors.first("4x4/Const/const", "synthesis.b4.const", axes=1)
    else:
        tensors.move("4x4/Dense/weight", "synthesis.b4.dense.weight", 2, Tensor.t)
    for i, scope in enumerate(scopes):
        new = f"synthesis.b{4 << i // 2}.conv{i % 2}"
        tensors.move(f"{scope}/bias", f"{new}.bias", 1)
        if i > 0:
            tensors.conv(scope, new, bias=False)
        if noise:
            tensors.move(f"{scope}/Noise/weight", f"{new}.noise_strength", 1)
            tensors.first(f"noise{i}", f"{new}.noise_const", axes=2)
        tensors.left.pop(f"noise{i}", None)
        if styles:
            tensors.dense(f"{scope}/StyleMod", f"{new}.affine")
    for i in range(0 if progressive else blocks - 1, blocks):
        tensors.conv(f"ToRGB_lod{blocks - 1 - i}", f"synthesis.b{4 << i}.torgb")
    tensors.lod("synthesis.lod", wanted=progressive)
    return tensors.network(config)


def _stylegan2_generator(
    tensors: Variables, settings: Settings, mapping: MappingConfig, truncation: Truncation
) -> SavedNetwork:
    blocks = tensors.blocks()
    colors, architecture = _ends(tensors, "ToRGB", blocks)
    scopes = ["4x4/Conv"]
    for size in (4 << i for i in range(1, blocks)):
        scopes += [f"{size}x{size}/Conv0_up", f"{size}x{size}/Conv1"]
    config = StyleGAN2GeneratorConfig(
        mapping=mapping,
        channels=tuple(tensors.shape(f"{scope}/bias", 1)[0] for scope in scopes[::2]),
        image_channels=tensors.shape(f"{colors[blocks - 1]}/bias", 1)[0],
        architecture=architecture,
        kernel=arguments.kernel(settings, "resample_kernel", (1, 3, 3, 1), (1, 1)),
        activation=arguments.activation(settings, "nonlinearity"),
        truncation=truncation,
    )
    tensors.first("4x4/Const/const", "synthesis.b4.const", axes=1)
    for i, scope in enumerate(scopes):
        up = i % 2 == 1
        new = f"synthesis.b{4 << (i + 1) // 2}.conv{0 if up else 1}"
        _modulated(tensors, scope, new, flip=up)
        tensors.move(f"{scope}/noise_strength", f"{new}.noise_strength", 0)
        tensors.first(f"noise{i}", f"{new}.noise_const", axes=2)
    for i, scope in colors.items():
        _modulated(tensors, scope, f"synthesis.b{4 << i}.torgb")
    if architecture == "resnet":
        for size in (4 << i for i in range(1, blocks)):
            tensors.conv(f"{size}x{size}/Skip", f"synthesis.b{size}.skip", bias=False)
    tensors.lod("synthesis.lod", wanted=architecture == "progressive")
    return tensors.network(config)


def _modulated(tensors: Variables, scope: str, new: str, *, flip: bool = False) -> None:
    tensors.conv(scope, new, flip=flip)
    tensors.move(f"{scope}/mod_weight", f"{new}.affine.weight", 2, Tensor.t)
    tensors.move(f"{scope}/mod_bias", f"{new}.affine.bias", 1, lambda value: value + 1)


# Discriminators


def _discriminator(opened: _Opened) -> SavedNetwork:
    if opened.function not in DISCRIMINATORS or opened.parts:
        refuse(
            f"a network built by {opened.function!a:.40}, which is not a StyleGAN's discriminator"
        )
    tensors, settings = Variables(opened.variables), opened.settings({})
    blocks = tensors.blocks()
    colors, architecture = _ends(tensors, "FromRGB", blocks)
    score = "Output" if "Output/weight" in tensors else "4x4/Dense1"
    below = tensors.shape("8x8/Conv1_down/weight", 4)[3]
    upper = [f"{4 << i}x{4 << i}" for i in range(1, blocks)]
    channels = (below, *(tensors.shape(f"{scope}/Conv0/weight", 4)[2] for scope in upper))
    image_channels = tensors.shape(f"{colors[blocks - 1]}/weight", 4)[2]
    dense = tensors.shape("4x4/Dense0/bias", 1)[0]
    features = tensors.shape("4x4/Conv/weight", 4)[2] - below
    group = max(arguments.whole(settings, "mbstd_group_size", 4), 1)
    outputs = tensors.shape(f"{score}/bias", 1)[0]
    label_size = arguments.whole(settings, "label_size", 0)
    ext = "mbstd_group_size" in opened.assigned or label_size > 1
    c_dim = outputs if outputs > 1 else label_size
    config: Config
    if opened.function == "D_basic":
        config = StyleGAN1DiscriminatorConfig(
            channels=channels,
            image_channels=image_channels,
            progressive=architecture == "progressive",
            kernel=arguments.kernel(settings, "blur_filter", (1, 2, 1), ()),
            activation=arguments.activation(settings, "nonlinearity"),
            wscale=arguments.flag(settings, "use_wscale", True),
            dense=dense,
            c_dim=c_dim,
            mbstd_group=group,
            mbstd_features=features,
        )
    else:
        config = StyleGAN2DiscriminatorConfig(
            channels=channels,
            image_channels=image_channels,
            architecture=architecture,
            kernel=arguments.kernel(settings, "resample_kernel", (1, 3, 3, 1), (1, 1)),
            activation=arguments.activation(settings, "nonlinearity"),
            dense=dense,
            c_dim=c_dim,
            labels="ignored" if ext and outputs == 1 else "output",
            mbstd_group=group,
            mbstd_features=features,
        )
    for i, scope in enumerate(upper, 1):
        tensors.conv(f"{scope}/Conv0", f"b{4 << i}.conv0")
        tensors.conv(f"{scope}/Conv1_down", f"b{4 << i}.conv1")
        if architecture == "resnet":
            tensors.conv(f"{scope}/Skip", f"b{4 << i}.skip", bias=False)
    for i, scope in colors.items():
        tensors.conv(scope, f"b{4 << i}.fromrgb")
    tensors.conv("4x4/Conv", "b4.conv")
    tensors.dense("4x4/Dense0", "b4.fc")
    tensors.dense(score, "b4.out")
    tensors.lod("lod", wanted=architecture == "progressive")
    return tensors.network(config)


def _ends(tensors: Variables, kind: str, blocks: int) -> tuple[dict[int, str], Architecture]:
    """The ToRGB or FromRGB layers by block, and the architecture that they show."""
    grown = f"{kind}_lod0/weight" in tensors
    names = {
        i: f"{kind}_lod{blocks - 1 - i}" if grown else f"{4 << i}x{4 << i}/{kind}"
        for i in range(blocks)
    }
    found = {i: name for i, name in names.items() if f"{name}/weight" in tensors}
    if len(found) == blocks:
        return found, "progressive" if grown else "skip"
    if list(found) == [blocks - 1]:
        return found, "resnet" if tensors.any("/Skip/weight$") else "orig"
    refuse(f"the network has {kind} in only some of its blocks, which no StyleGAN has")


def _fused(settings: Settings) -> int:
    """The resolution from which changes of size are fused with their convolutions."""
    value = settings.get("fused_scale", "auto")
    if type(value) is str and value == "auto":
        return 128
    return 0 if arguments.flag(settings, "fused_scale", True) else MOST


def _truncation(settings: Settings, default: Truncation) -> Truncation:
    psi = settings.get("truncation_psi", default.psi)
    cutoff = settings.get("truncation_cutoff", default.cutoff)
    if cutoff is not None and (type(cutoff) is not int or abs(cutoff) > MOST):
        refuse("the network's argument truncation_cutoff is not a whole number")
    return Truncation(
        1.0 if psi is None else arguments.number(settings, "truncation_psi", psi), cutoff
    )

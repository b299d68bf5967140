"""Configs as plain JSON values, and back; what a stranger's file says is checked."""

from dataclasses import MISSING, asdict, fields, is_dataclass
from types import NoneType
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from animetools.netfiles.machine import refuse
from animetools.networks.config import (
    Config,
    MappingConfig,
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
    image_size,
)

KINDS: dict[str, Any] = {  # by the names that files have for them
    "StyleGAN1Generator": StyleGAN1GeneratorConfig,
    "StyleGAN1Discriminator": StyleGAN1DiscriminatorConfig,
    "StyleGAN2Generator": StyleGAN2GeneratorConfig,
    "StyleGAN2Discriminator": StyleGAN2DiscriminatorConfig,
}
NAMES = {kind: name for name, kind in KINDS.items()}
MOST = 1 << 30
WIDEST = 1 << 17  # more than any network has; the sizes of its tensors can still be counted
LONGEST = 16  # blocks, or taps of a filter
LARGEST_SIDE = 8192  # pixels of an image
RANGES: dict[str, tuple[float, float]] = {
    "base": (1, 1 << 10),
    "c_dim": (0, WIDEST),
    "channels": (1, WIDEST),
    "clamp": (1e-9, MOST),
    "dense": (1, WIDEST),
    "image_channels": (1, WIDEST),
    "layers": (0, 64),
    "lrmul": (1e-9, MOST),
    "mbstd_features": (0, WIDEST),
    "mbstd_group": (1, MOST),
    "w_dim": (1, WIDEST),
    "width": (1, WIDEST),
    "z_dim": (0, WIDEST),
}


def to_plain(config: Config) -> dict[str, Any]:
    """A dict of numbers, strings, lists and dicts, with the name of its kind."""
    plain: dict[str, Any] = _listed(asdict(config))
    return {"kind": NAMES[type(config)]} | plain


def from_plain(value: Any) -> Config:
    """The config that `to_plain` gave.

    Raises ItemError, naming the field, for what no network can be built from.
    """
    if type(value) is not dict or type(kind := value.get("kind")) is not str or kind not in KINDS:
        refuse("the file holds a network of an unknown kind")
    given = {name: part for name, part in value.items() if name != "kind"}
    config: Config = _read(KINDS[kind], given, kind)
    if unfit := _contradiction(config):
        _refuse(unfit)
    return config


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _listed(part) for name, part in value.items()}
    return [_listed(part) for part in value] if isinstance(value, tuple) else value


def _read(kind: Any, value: Any, name: str) -> Any:
    """`value` as the field of that name is declared."""
    origin, parts = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and type(value) is dict:
        return _read_fields(kind, value)
    if NoneType in parts:
        return None if value is None else _read(parts[0], value, name)
    if origin is Literal and type(value) is str and value in parts:
        return value
    if origin is tuple and type(value) is list and len(value) <= LONGEST:
        kinds = [parts[0]] * len(value) if parts[-1] is ... else parts
        if len(kinds) == len(value):
            return tuple([_read(*pair, name) for pair in zip(kinds, value, strict=True)])
    if kind is bool and type(value) is bool:
        return value
    numbers = {int: (int,), float: (int, float)}.get(kind, ())
    low, high = RANGES.get(name, (-MOST, MOST))
    if type(value) in numbers and low <= value <= high:  # never so for NaN
        return value
    _refuse(name)


def _read_fields(kind: Any, values: dict[Any, Any]) -> Any:
    hints = get_type_hints(kind)
    for name in values:
        if name not in hints:
            refuse(f"the network's config has an unknown field {name!a:.40}")
    for field in fields(kind):
        if field.default is MISSING and field.name not in values:
            refuse(f"the network's config lacks {field.name}")
    return kind(**{name: _read(hints[name], value, name) for name, value in values.items()})


def _contradiction(config: Config) -> str:
    """The field that contradicts the rest; empty if none does."""
    unfiltered = isinstance(config, StyleGAN1GeneratorConfig | StyleGAN1DiscriminatorConfig)
    if not config.channels:
        return "channels"
    if max(image_size(config)) > LARGEST_SIDE:  # its tensors need not be as large as its images
        return "size"
    if not (sum(config.kernel) > 0 or (unfiltered and not config.kernel)):
        return "kernel"
    if isinstance(config, StyleGAN1GeneratorConfig | StyleGAN2GeneratorConfig):
        return "z_dim" if config.mapping.z_dim < 1 else _contradiction_of_mapping(config.mapping)
    if config.mbstd_features and config.channels[0] % config.mbstd_features:
        return "mbstd_features"
    if isinstance(config, StyleGAN2DiscriminatorConfig):
        mapping = config.mapping
        if (mapping is not None) != (config.labels == "projection" and config.c_dim > 0):
            return "mapping"
        if mapping is not None:
            fits = (mapping.z_dim, mapping.c_dim, mapping.labels) == (0, config.c_dim, "embed")
            return _contradiction_of_mapping(mapping) if fits else "mapping"
    return ""


def _contradiction_of_mapping(mapping: MappingConfig) -> str:
    embedded = mapping.w_dim if mapping.labels == "embed" else mapping.z_dim
    inputs = mapping.z_dim + (embedded if mapping.c_dim else 0)
    return "w_dim" if mapping.layers == 0 and inputs != mapping.w_dim else ""


def _refuse(name: str) -> NoReturn:
    refuse(f"the network's config has a {name} that no network has")

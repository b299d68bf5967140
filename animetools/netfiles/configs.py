"""Configs as JSON values, and back; what a stranger's file says is checked."""

from dataclasses import MISSING, asdict, fields, is_dataclass
from types import NoneType
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from animetools.netfiles.machine import refuse
from animetools.networks.config import MOST, Config
from animetools.networks.families import kind_named, kind_of

LONGEST = 32  # blocks, layers, or taps of a filter


def config_to_json(config: Config) -> dict[str, Any]:
    """A dict of numbers, strings, lists and dicts, with the name of its kind."""
    fields: dict[str, Any] = _listed(asdict(config))  # type: ignore[call-overload]
    return {"kind": kind_of(config).name} | fields


def config_from_json(value: Any) -> Config:
    """The config that `config_to_json` gave.

    Raises ItemError, naming the field, for a config that no network can be built from.
    """
    name = value.get("kind") if type(value) is dict else None
    if type(name) is not str or not (kind := kind_named(name)):
        refuse("the file has a network of an unknown kind")
    config: Config = read_fields(kind.config, {k: v for k, v in value.items() if k != "kind"})
    if unfit := config.contradiction():
        _refuse(unfit)
    return config


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _listed(part) for name, part in value.items()}
    return [_listed(part) for part in value] if isinstance(value, tuple) else value


def read_fields(config: Any, values: dict[Any, Any]) -> Any:
    """A dataclass from the values of its fields, each of which may declare a range.

    Raises ItemError, naming the field, for an invalid value, and a field too many or too few.
    """
    hints = get_type_hints(config, include_extras=True)
    for name in values:
        if name not in hints:
            refuse(f"the network's config has an unknown field {name!a:.40}")
    for field in fields(config):
        if field.default is MISSING and field.name not in values:
            refuse(f"the network's config lacks {field.name}")
    return config(**{name: _read(hints[name], value, name) for name, value in values.items()})


def _read(kind: Any, value: Any, name: str, low: float = -MOST, high: float = MOST) -> Any:
    """`value` as the field of that name is declared; a number within the range of its type."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        kind, low, high = parts
        return _read(kind, value, name, low, high)
    if is_dataclass(kind) and type(value) is dict:
        return read_fields(kind, value)
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
    if type(value) in numbers and low <= value <= high:  # never so for NaN
        return value
    _refuse(name)


def _refuse(name: str) -> NoReturn:
    refuse(f"the network's config has an invalid {name}")

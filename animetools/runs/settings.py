"""The settings of a run: those given, else those of the run resumed, else the defaults."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, fields, make_dataclass, replace
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from animetools.errors import FatalError
from animetools.options import Option, options_of

T = TypeVar("T")


def settings_of(config: type, after: str, *, defaults: bool) -> Callable[[type[T]], type[T]]:
    """Decorate an options class: it gets an option for each field of a config that has an Opt.

    They come behind the option `after`; None (False for a switch) is one that was not given.
    With `defaults` the help shows the config's.
    """

    def add(options: type[T]) -> type[T]:
        hints: dict[str, Any] = {}
        for name, hint in options.__annotations__.items():
            hints[name] = hint
            if name == after:
                hints |= _optional(config, defaults=defaults)
        for name in hints.keys() - options.__annotations__.keys():
            setattr(options, name, False if get_args(hints[name])[0] is bool else None)
        options.__annotations__ = hints
        return options

    return add


def given(options: Any, config: type) -> dict[str, Any]:
    """The settings of a config that were given as options."""
    values = {each.name: getattr(options, each.name, None) for each in fields(config)}
    return {
        name: value for name, value in values.items() if value is not None and value is not False
    }


def held(config: type, saved: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The settings in a snapshot, held to what the options of their config may be.

    Raises FatalError with the snapshot's path.
    """
    found: dict[str, Any] = {}
    try:
        for option in _declared(config):
            if option.name in saved:
                value = saved[option.name]
                is_switch = option.kind is bool
                found[option.name] = value is True if is_switch else option.parse(f"{value}")
    except ValueError as why:
        raise FatalError(f"{path}: its settings are broken: {why}") from None
    return found


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What differs from the run that is resumed, a sentence each."""
    for name, value in now.items():
        if name in before and str(before[name]) != str(value):  # some were numbers once
            yield f"{name} was {before[name]}, is {value} from here on"


def _declared(config: type) -> list[Option]:
    """The options that the annotated fields of a config declare."""
    hints = get_type_hints(config, include_extras=True)
    own = [
        (each.name, hints[each.name], field(default=each.default))
        for each in fields(config)
        if get_origin(hints[each.name]) is Annotated
    ]
    return options_of(make_dataclass(config.__name__, own))


def _optional(config: type, *, defaults: bool) -> dict[str, Any]:
    """The types of a config's options where they need not be given."""
    hints = get_type_hints(config, include_extras=True)
    made: dict[str, Any] = {}
    for option in _declared(config):
        usual = f" [{option.usual}]" if defaults and option.usual else ""
        kind, opt = get_args(hints[option.name])[:2]
        kind = kind if kind is bool else kind | None
        made[option.name] = Annotated[kind, replace(opt, help=opt.help + usual)]
    return made

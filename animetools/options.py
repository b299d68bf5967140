"""Options are declared once; parsing, help, man pages and completions follow from that."""

import re
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field, dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

ALIASES = {"jpeg": "jpg", "tif": "tiff"}


@dataclass(frozen=True)
class Opt:
    """What Annotated adds to a dataclass field to make it an option.

    `affects` says whether outputs depend on the option: always, never, or where this is true of the
    options. `parse` turns what was typed into the value of the field, which may be of any type; it
    raises ValueError, in one sentence. `str` of a value gives a text that `parse` reads again.
    """

    help: str
    short: str = ""
    unit: str = ""
    min: float | None = None
    max: float | None = None
    affects: bool | Callable[[Any], bool] = True
    parse: Callable[[str], Any] | None = None


@dataclass(frozen=True)
class Option:
    """One option of a command, as its field declares it."""

    name: str  # of the field
    kind: type  # bool, int, float or str; str where `parse` makes another type of it
    default: Any
    opt: Opt
    choices: tuple[str, ...] = ()
    many: bool = False  # may be repeated; the value is a tuple

    @property
    def flag(self) -> str:
        """The long option: `min_size` is `--min-size`, a switch that is on by default `--no-NAME`.

        A field that would be a Python keyword ends in _: `class_` is `--class`.
        """
        word = self.name.rstrip("_").replace("_", "-")
        return ("--no-" if self.default is True else "--") + word

    @property
    def unit(self) -> str:
        """The placeholder of the value in help; empty for a switch."""
        if self.choices:
            return "|".join(self.choices)
        words = {bool: "", int: "N", float: "NUMBER", str: "TEXT"}
        return self.opt.unit or words[self.kind]

    @property
    def usual(self) -> str:
        """The default as it is typed; empty for None, switches and empty values."""
        if self.default is None or self.default is False or self.default in ("", ()):
            return ""
        return "" if self.default is True else f"{self.default}"

    def parse(self, text: str) -> Any:
        """The value of what was typed.

        Whole numbers take k, M and G (thousands); numbers take % (hundredths).

        Raises ValueError, in one sentence with the option's flag, if it is malformed.
        """
        if self.opt.parse:
            try:
                return self.opt.parse(text)
            except ValueError as why:
                raise ValueError(f"{self.flag}: {why}") from None
        value: Any = text
        if self.choices:
            value = _choice(text, self.choices)
            if value is None:
                raise ValueError(f"{self.flag} is one of {', '.join(self.choices)}, not '{text}'")
        elif self.kind is int:
            value = _whole_number(text)
        elif self.kind is float:
            value = _number(text)
        if value is None and re.fullmatch(r"\d+x\d+", text, re.ASCII):
            raise ValueError(f"{self.flag} takes one number, not '{text}': {self.opt.help}")
        if value is None:
            raise ValueError(
                f"{self.flag} takes a {'whole ' * (self.kind is int)}number, not '{text}'"
            )
        if self.kind in (int, float):
            low, high = self.opt.min, self.opt.max
            if low is not None and value < low:
                raise ValueError(f"{self.flag} is at least {low:g}, not {text}")
            if high == 1 and 1 < value <= 100 and self.kind is float and not text.endswith("%"):
                raise ValueError(
                    f"{self.flag} is at most 1: write {text}% if you mean a percentage"
                )
            if high is not None and value > high:
                raise ValueError(f"{self.flag} is at most {high:g}, not {text}")
        return value

    def plain(self, value: Any) -> Any:
        """A value of the option as JSON holds it."""
        return str(value) if self.opt.parse and value not in (None, "", ()) else value


def options_of(declared: type) -> list[Option]:
    """The options that the fields of a dataclass declare, in order.

    Raises TypeError for a field that does not declare one.
    """
    hints = get_type_hints(declared, include_extras=True)
    return [_option(field, hints[field.name]) for field in fields(declared)]


def names_of(declared: type) -> set[str]:
    """The names of the options that a dataclass declares."""
    return {option.name for option in options_of(declared)}


def given(options: Any, names: Collection[str]) -> list[str]:
    """The flags of those options whose values differ from their defaults."""
    return [
        option.flag
        for option in options_of(type(options))
        if option.name in names and getattr(options, option.name) != option.default
    ]


def affecting(options: Any) -> list[Option]:
    """The options that outputs depend on."""
    found = []
    for option in options_of(type(options)):
        affects = option.opt.affects
        if affects(options) if callable(affects) else affects:
            found.append(option)
    return found


def _option(field: Field[Any], hint: Any) -> Option:
    if get_origin(hint) is not Annotated:
        raise TypeError(f"{field.name}: an option is Annotated[type, Opt(...)]")
    kind, opt = get_args(hint)[:2]
    if opt.parse:
        kind = str
    if get_origin(kind) in (Union, UnionType):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    choices: tuple[str, ...] = ()
    if get_origin(kind) is Literal:
        kind, choices = str, get_args(kind)
    if many := kind == tuple[str, ...]:
        kind = str
    if kind not in (bool, int, float, str):
        raise TypeError(
            f"{field.name}: an option is a bool, int, float, str, tuple[str, ...] or Literal"
        )
    if field.default is MISSING:
        raise TypeError(f"{field.name}: an option has a default")
    return Option(field.name, kind, field.default, opt, choices, many)


def _choice(text: str, choices: tuple[str, ...]) -> str | None:
    """The choice that was typed; JPG and jpeg also mean jpg."""
    known = {choice.lower(): choice for choice in choices}
    return known.get(ALIASES.get(text.lower(), text.lower()))


def _whole_number(text: str) -> int | None:
    found = re.fullmatch(r"(-?\d{1,18})([kMG]?)", text, re.ASCII)
    return int(found[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[found[2]] if found else None


def _number(text: str) -> float | None:
    found = re.fullmatch(r"(-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,2})?)(%?)", text, re.ASCII)
    return float(found[1]) / (100 if found[2] else 1) if found else None

"""Settings that are declared once, as fields of a config."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from animetools.errors import FatalError
from animetools.options import Opt, options_of
from animetools.runs.settings import changes, given, held, settings_of


@dataclass(frozen=True)
class Config:
    """A config with three options."""

    rate: Annotated[float, Opt("Learning rate.", "r", min=0, max=10)] = 0.5
    kind: Annotated[Literal["a", "b"], Opt("Kind.")] = "a"
    mirror: Annotated[bool, Opt("Mirror.")] = False
    hidden: int = 3


@dataclass(frozen=True)
@settings_of(Config, after="first", defaults=True)
class Options:
    """Options of its own, and those of the config between them."""

    first: Annotated[str, Opt("First.")] = ""
    last: Annotated[int, Opt("Last.")] = 1


def options(**values: Any) -> Options:
    return Options(**values)


def test_a_config_declares_options_which_need_not_be_given() -> None:
    found = {option.name: option for option in options_of(Options)}
    assert list(found) == ["first", "rate", "kind", "mirror", "last"]
    rate = found["rate"]
    assert (rate.default, rate.opt.help, rate.opt.short) == (None, "Learning rate. [0.5]", "r")
    assert found["kind"].choices == ("a", "b")
    assert found["mirror"].default is False


def test_what_is_given_is_known_even_where_it_is_nothing() -> None:
    assert given(options(), Config) == {}
    assert given(options(rate=0.0, mirror=True, first="x"), Config) == {"rate": 0, "mirror": True}


def test_saved_settings_are_held_to_what_options_may_be() -> None:
    saved = {"rate": 2e-5, "mirror": True, "hidden": 9, "unknown": 1}
    assert held(Config, saved, "s") == {"rate": 2e-5, "mirror": True}
    for broken in {"rate": 11}, {"rate": "much"}, {"kind": "c"}:
        with pytest.raises(FatalError, match="s: its settings are broken: --"):
            held(Config, broken, "s")


def test_changes_are_told() -> None:
    before, now = {"images": 9, "batch": 4, "gamma": 1.0}, {"images": 12, "gamma": 1.0, "new": 1}
    assert list(changes(before, now)) == ["images was 9, is 12 from here on"]

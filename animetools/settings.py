"""What outputs depend on: the options of a command, and the facts that it adds to them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from animetools.options import Option, affecting, options_of


@dataclass(frozen=True)
class Settings:
    """What the outputs of one run depend on.

    `values` are plain JSON. The value of an option with `parse` is in it as text, which `parse` reads
    again. `options` are all those of the command.
    """

    command: str
    values: dict[str, Any] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)

    @classmethod
    def of(cls, command: str, options: Any) -> Self:
        """The settings of a command and of those of its options that its outputs depend on."""
        values = {
            option.name.rstrip("_"): option.plain(getattr(options, option.name))
            for option in affecting(options)
        }
        known = {option.name.rstrip("_"): option for option in options_of(type(options))}
        return cls(command, values, known)

    def keyed(self, **facts: Any) -> Self:
        """The same settings with more values, or with others than those of the options."""
        return replace(self, values=self.values | facts)

    def words(self) -> dict[str, Any]:
        """What is written down of them."""
        return {"command": self.command} | self.values

    def difference(self, then: Mapping[str, Any]) -> tuple[str, str] | None:
        """How settings that were written down differ from these, as a person types both.

        For example ("with --size 5", "with --size 6"); None if they mean the same. A value that was
        not written down was the default of its option; one that these settings lack does not count.
        """
        old = {name.rstrip("_"): value for name, value in then.items()}
        if old.get("command", self.command) != self.command:
            return f"by {old['command']}", f"by {self.command}"
        for name, now in self.values.items():
            option = self.options.get(name)
            default = option.plain(option.default) if option else None
            was = old.get(name, default)
            if _meaning(option, was) != _meaning(option, now):
                return _typed(name, option, was), _typed(name, option, now)
        return None


def _meaning(option: Option | None, value: Any) -> Any:
    """What two values that mean the same have in common."""
    if value is None or value is False or value in ("", [], (), {}):
        return None
    if option and option.many and isinstance(value, str):
        value = [value]  # an older version took it once
    if option and option.opt.parse and isinstance(value, str):
        try:
            return option.opt.parse(value)
        except ValueError:  # an older version could read it
            return value
    return json.loads(json.dumps(value))  # JSON has no tuples


def _typed(name: str, option: Option | None, value: Any) -> str:
    """A setting as a person types it: with --size 5, without --mirror, with --no-enlarge."""
    flag = option.flag if option else "--" + name.replace("_", "-")
    if option and option.default is True:
        return f"without {flag}" if value else f"with {flag}"
    if _meaning(option, value) is None:
        return f"without {flag}"
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    return f"with {flag}" if value is True else f"with {flag} {value}"

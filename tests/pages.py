"""The man pages and completions that the commands' declarations give; run me to write them."""

import importlib
import sys
import tomllib

from animetools.cli.command import Command
from animetools.cli.manpage import bash_completion, fish_completion, man_page, zsh_completion
from tests.conftest import ROOT


def commands() -> list[Command]:
    """Every command that pip installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    places = [place.split(":") for place in project["scripts"].values()]
    return [getattr(importlib.import_module(module), name) for module, name in places]


def pages() -> dict[str, str]:
    """Path below the root -> text, of everything generated."""
    names = [command.name for command in commands()]
    made = {}
    for command in commands():
        made[f"man/{command.name}.1"] = man_page(command, names)
        made[f"completions/bash/{command.name}"] = bash_completion(command)
        made[f"completions/zsh/_{command.name}"] = zsh_completion(command)
        made[f"completions/fish/{command.name}.fish"] = fish_completion(command)
    return made


if __name__ == "__main__":
    for name, text in pages().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        sys.stdout.write(f"{name}\n")

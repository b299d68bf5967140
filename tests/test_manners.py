"""Promises that every command keeps."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from animetools.cli.command import Command
from animetools.cli.manpage import man_page
from animetools.images.files import encode_png
from tests.conftest import ROOT, Shell
from tests.pages import commands, pages

COMMANDS = commands()
EVERY = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
READING = pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.reads], ids=lambda command: command.name
)
HEAVY = {"torch", "cv2", "numpy", "PIL", "imagehash", "scipy", "rich", "pooch", "sqlite3"}


def test_commands_launchers_scripts_and_pages_are_one_list() -> None:
    names = {command.name for command in COMMANDS}
    files = {path.stem for path in (ROOT / "animetools/commands").glob("[!_]*.py")}
    assert files == names
    assert {path.name for path in (ROOT / "bin").iterdir()} == names | {"launch"}
    pages = {f"{name}.1" for name in names} | {"animetools.7"}
    assert {path.name for path in (ROOT / "man").iterdir()} == pages
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    installed = wheel["targets"]["wheel"]["shared-data"]
    for page in pages:
        assert installed[f"man/{page}"] == f"share/man/man{page[-1]}/{page}"


def test_pages_and_completions_are_what_the_declarations_give() -> None:
    stale = [name for name, text in pages().items() if (ROOT / name).read_text() != text]
    assert not stale, "run: .venv/bin/python -m tests.pages"


def test_a_short_option_means_the_same_everywhere() -> None:
    meanings = defaultdict(set)
    for command in COMMANDS:
        flags = [option.opt.short for option in [*command.options, *command.shared]]
        shorts = [flag for flag in flags if flag]
        assert len(shorts) == len(set(shorts)), command.name
        for option in command.shared:
            meanings[option.opt.short].add(option.flag)
        own = [option for option in command.options if option.opt.short not in ("", "o", "f")]
        assert len(own) <= 1
    for command in COMMANDS:
        for option in command.options:
            if option.opt.short in meanings:
                meanings[option.opt.short].add(option.flag)
    assert all(len(flags) == 1 for short, flags in meanings.items() if short)


@EVERY
def test_help_shows_every_option_and_loads_nothing_heavy(command: Command) -> None:
    code = f"import sys; sys.argv = ['{command.name}', '--help']\nfrom {command.main.__module__} import {command.name} as c; c()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0
    page = man_page(command, []).replace("\\-", "-")
    for option in [*command.options, *command.shared]:
        assert option.flag in done.stdout
        assert option.flag in page
    loaded = set(re.findall(r"\|\s+(\w+)", done.stderr))
    assert not loaded & HEAVY


@EVERY
def test_version(shell: Shell, command: Command) -> None:
    done = shell(f"{command.name} --version")
    assert done.stdout.split()[0] == command.name


@EVERY
def test_an_unknown_option_is_one_sentence(shell: Shell, command: Command) -> None:
    done = shell(f"{command.name} --nonsense < /dev/null")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@READING
def test_a_missing_file_costs_one_line(shell: Shell, tmp_path: Path, command: Command) -> None:
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference/it.png").write_bytes(encode_png(np.zeros((9, 9, 3), np.uint8)))
    reference = " --by hash reference" * (command.name == "animenear")
    done = shell(f"printf 'gone.png\\n' | {command.name}{reference}")
    # A pack of nothing cannot be made; every other command goes on without the file.
    assert done.returncode == (2 if command.name == "animepack" else 1)
    assert f"{command.name}: gone.png: no such file or directory\n" in done.stderr
    assert done.stdout == ""


def test_man_pages_are_roff_without_faults() -> None:
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    for path in sorted((ROOT / "man").iterdir()):
        done = subprocess.run(
            ["man", "--warnings", "-l", str(path)],
            capture_output=True,
            text=True,
            env={"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "SEE ALSO" in done.stdout


@EVERY
def test_bash_completes_the_options(command: Command) -> None:
    path = ROOT / "completions/bash" / command.name
    script = f'. {shlex.quote(str(path))}; COMP_WORDS=({command.name} --j); COMP_CWORD=1; _{command.name}; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["--jobs", "--json"], "")


@pytest.mark.parametrize(("shell_name", "files"), [("zsh", "zsh/_*"), ("fish", "fish/*.fish")])
def test_completions_parse_in_their_shells(shell_name: str, files: str) -> None:
    if not shutil.which(shell_name):
        pytest.skip(f"{shell_name} is not installed")
    paths = sorted((ROOT / "completions").glob(files))
    assert len(paths) == len(COMMANDS)
    for path in paths:
        done = subprocess.run([shell_name, "-n", str(path)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), path


def test_a_launcher_without_its_venv_names_the_cure(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    launch = tmp_path / "bin/launch"
    launch.write_bytes((ROOT / "bin/launch").read_bytes())
    launch.chmod(0o755)
    (tmp_path / "bin/animecrop").symlink_to("launch")
    done = subprocess.run([tmp_path / "bin/animecrop"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f"animecrop: not set up yet: run {tmp_path}/setup first\n"

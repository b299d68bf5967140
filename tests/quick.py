"""Runs of commands in forks of a process that has loaded torch, which takes most of a short run.

Python has one such process; whoever else forks from it uses SERVER, so that all find it loaded.
"""

import importlib
import multiprocessing
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "animetools.netfiles.checkpoints",
        "animetools.sampling.pictures",
        "animetools.films.making",
        "animetools.images.described",
        "animetools.training.learner",
        "torch._dynamo",  # as Adam does
        "transformers.generation.utils",
        "transformers.models.auto.modeling_auto",
        "transformers.models.auto.tokenization_auto",
        "transformers.models.gpt2.modeling_gpt2",
        "pytest",  # as the tests do, of which some functions are run there
    ]
)


def quick(
    line: str, cwd: Path, prepare: Callable[[], object] | None = None
) -> subprocess.CompletedProcess[str]:
    """One command, without a shell and with nothing on standard input, as `subprocess.run` has it.

    `prepare`, a function of a module, is called before it in its process.
    """
    with tempfile.TemporaryDirectory() as folder:
        process = start(line, cwd, folder, prepare=prepare)
        process.join()
        out, err = (Path(folder, name).read_bytes().decode() for name in ("1", "2"))
    assert process.exitcode is not None
    return subprocess.CompletedProcess(line, process.exitcode, out, err)


def start(
    line: str,
    cwd: Path,
    folder: str,
    environment: Mapping[str, str] | None = None,
    prepare: Callable[[], object] | None = None,
) -> ForkServerProcess:
    """Such a command under way, whose output goes to the files 1 and 2 of a folder."""
    arguments = shlex.split(line), str(cwd), folder, environment or {}, prepare
    process = SERVER.Process(target=_run, args=arguments)
    process.start()
    return process


def _run(
    words: list[str],
    cwd: str,
    folder: str,
    environment: Mapping[str, str],
    prepare: Callable[[], object] | None,
) -> None:
    os.environ.update(environment)
    os.chdir(cwd)
    for number, path in enumerate((os.devnull, f"{folder}/1", f"{folder}/2")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT
        os.dup2(os.open(path, flags), number)
    if prepare:
        prepare()
    sys.argv = words
    command = getattr(importlib.import_module(f"animetools.commands.{words[0]}"), words[0])
    command()

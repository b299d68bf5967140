"""Every command's work on a cluster gives the same files and lines as in threads."""

import sys
from pathlib import Path

import pytest

from animetools.artist.artist import draw
from animetools.images.files import encode_png
from animetools.netfiles import checkpoints
from tests.cli.conftest import tree
from tests.conftest import ROOT, Shell
from tests.tagging.taggers import write_wd
from tests.tiny import snapshot

CLUSTER = f"{sys.executable} {ROOT}/tests/elsewhere.py animetools.commands"
LINES = {
    "animedraw": "--count 3 --portraits 128",
    "animecrop": "--min-size 16 --json in",
    "animecrop --align": "--min-size 16 --align --portrait --format jpg in",
    "animeaug": "--each 5 --mirror --json in",
    "animeclean": "--json in in/0.png",
    "animetag": "--model wd/model.onnx --captions --prune --json in",
    "animeupscale": "--model art --below 2000 --format webp in",
    "animeupscale --in-place": "--model art --below 2000 --in-place in",
    "animepack": "--size 32 -o out in",
    "sggen": "--network a.pkl --seeds 0-2 --psi 0.5,1 --save-w",
    "sggen --accept": "--network a.pkl --seeds 0-5 --accept 50% --grid 2x2 --noise random",
    "dranker": "a.pkl in --shuffles 2 --sort --json",
    "gptsnip": "--seeds 0-1 --max-tokens 12",
    "gptclean": "texts",
    "sgconvert": "a.pkl b.pkl",
}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Small images, networks, texts; and a folder for each of two runs."""
    for name in ("here", "there"):
        folder = tmp_path / name
        (folder / "in").mkdir(parents=True)
        for n in range(3):
            (folder / f"in/{n}.png").write_bytes(encode_png(draw(n, 1, 128).rgb))
        (folder / "texts").mkdir()
        for n, text in enumerate(["one two three four", "one two three four", "five"]):
            (folder / f"texts/{n}.txt").write_text(text)
        checkpoints.write(str(folder / "a.pkl"), snapshot())
        write_wd(folder / "wd")
    return tmp_path


@pytest.mark.parametrize("name", LINES)
def test_a_cluster_gives_the_same(shell: Shell, inputs: Path, name: str) -> None:
    command, options = name.split()[0], LINES[name]
    here = shell(f"cd here; {command} {options}")
    there = shell(f"cd there; {CLUSTER}.{command}:{command} {options}")
    assert (here.returncode, here.stderr) == (0, there.stderr)
    assert there.stdout == here.stdout
    assert here.stdout
    assert tree(inputs / "there") == tree(inputs / "here")

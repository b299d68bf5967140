"""What `pip install` of the wheel alone gives: commands, networks, man pages and completions.

The wheel is built from the source archive, so that one has all it takes, too.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

LIMIT = 40 << 20


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a place of its own, without the source tree; what it depends on is there."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), "-t"]
    subprocess.run([*build, "sdist"], cwd=ROOT, check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    subprocess.run([*build, "wheel"], cwd=source, check=True, capture_output=True)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--ignore-installed", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--prefix", folder / "usr", wheel], check=True)
    return folder


def line(installed: Path, text: str, here: Path) -> list[str]:
    """The lines that a line of a shell prints."""
    usr = installed / "usr"
    (packages,) = usr.glob("lib*/python*/site-packages")
    environment = os.environ | {
        "PATH": f"{usr}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(packages),
    }
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", text],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_the_three_lines_work_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    line(installed, "animedraw --count 6 --seed 3", tmp_path)
    assert line(installed, "find raw/ | animecrop | animeclean | animepack", tmp_path)
    assert len(line(installed, "sggen --seeds 0-2 --psi 0.8", tmp_path)) == 3
    assert len(line(installed, "sgedit --seeds 0-1 --edit smile=2", tmp_path)) == 2
    line(installed, "sgconvert default model.pkl", tmp_path)
    assert len(line(installed, "dranker model.pkl images/*", tmp_path)) == 3


def test_pages_and_completions_land_where_shells_look(installed: Path) -> None:
    share = installed / "usr/share"
    assert (share / "man/man1/sggen.1").is_file()
    assert (share / "man/man7/animetools.7").is_file()
    for place in ("bash-completion/completions/sggen", "zsh/site-functions/_sggen"):
        assert (share / place).is_file()
    assert (share / "fish/vendor_completions.d/sggen.fish").is_file()


def test_the_wheel_has_the_suite_alone(installed: Path) -> None:
    (path,) = installed.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        tops = {name.split("/")[0].split("-")[0] for name in wheel.namelist()}
        assert tops == {"animetools"}
    assert path.stat().st_size < LIMIT

"""What a command made is no input, and is given to no other; names of any length."""

import os
import time
from pathlib import Path

import pytest

from tests.cli.conftest import start
from tests.conftest import Shell


def test_a_folder_of_ours_is_ours_however_it_is_spelled(shell: Shell, raw: Path) -> None:
    shell("mkdir real; ln -s real link; $FILTERS copier -o link raw")
    for found in ("real", "link/", "$PWD/link/.", "./link/../real"):
        done = shell(f"find {found} -name '*.copy' | $FILTERS copier -o link")
        assert done.stdout == ""
        assert "passed over 20 (20 made here)" in done.stderr


def test_what_is_being_made_is_no_input(shell: Shell, raw: Path) -> None:
    # The first item takes its time; the second is done, but its turn has not come.
    (raw.parent / "slow").write_bytes(b"slow")
    made = "until [ -e copies/raw/a/00.png.copy ]; do sleep 0.05; done; find copies -name '*.copy'"
    line = f"(echo slow; echo raw/a/00.png; {made}) | $FILTERS copier -j 4"
    done = shell(f"export SLOW=slow; {line}")
    assert done.stdout.split() == ["copies/slow.copy", "copies/raw/a/00.png.copy"]
    assert "passed over 1 (1 made here)" in done.stderr


def test_a_file_that_a_killed_run_made_is_no_input(shell: Shell, raw: Path) -> None:
    process = start("copier", cwd=raw.parent, env=os.environ | {"SLOW": "data 0"})
    assert process.stdin
    process.stdin.write(b"raw/a/00.png\nraw/a/02.png\n")
    process.stdin.flush()
    while not (raw.parent / "copies/raw/a/02.png.copy").exists():
        time.sleep(0.02)
    process.kill()
    process.communicate()
    done = shell("find copies -name '*.copy' | $FILTERS copier")
    assert done.stdout == ""
    assert "1 made here" in done.stderr


def test_force_never_covers_what_this_run_made_of_another_input(shell: Shell, raw: Path) -> None:
    shell("$FILTERS keeper --mirror raw/a/00.png; echo old > copies/raw/a/00.png")
    # A disk that takes upper case for lower has one folder by two names.
    (raw.parent / "copies/raw/A").symlink_to("a")
    (raw / "A").mkdir()
    (raw / "A/00.png").write_bytes(b"another")
    (raw / "A/02.png").write_bytes(b"one more")
    done = shell("$FILTERS copier -f -j 1 raw/a/00.png raw/A/00.png raw/A/02.png")
    assert done.returncode == 1
    assert done.stdout.split() == ["copies/raw/a/00.png.copy", "copies/raw/A/02.png.copy"]
    assert (
        "raw/A/00.png: copies/raw/A/00.png.copy was just written for another input" in done.stderr
    )
    assert (raw.parent / "copies/raw/a/00.png.copy").read_bytes() == b"data 0!!!!!"


@pytest.mark.parametrize("force", ["", "-f"])
def test_names_of_any_length_are_made_and_found_again(
    shell: Shell, tmp_path: Path, force: str
) -> None:
    (tmp_path / "in").mkdir()
    names = ["目" * 84 + "x" * n for n in range(4)] + ["目" * 80 + "y" * 15]
    for name in names:
        (tmp_path / "in" / name).write_bytes(name.encode())
    line = f"find in -type f | sort | $FILTERS copier --copies 2 {force}"
    first, second = shell(line), shell(line)
    assert (first.returncode, first.stderr.count("kept 5 (10 written)")) == (0, 1)
    assert (second.returncode, second.stdout) == (0, first.stdout)
    lines = first.stdout.splitlines()
    assert len(set(lines)) == 10
    assert all(line.endswith((".0", ".1")) for line in lines)
    assert {len(os.fsencode(os.path.basename(line))) <= 255 for line in lines} == {True}
    shell("echo nothing | tr -d '\\n' | tee in/* > /dev/null; find in | $FILTERS copier --copies 2")
    assert not list(tmp_path.glob("copies/**/*.[01]"))

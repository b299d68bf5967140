"""animeclean through real pipes: each reason, both orders, and what becomes of the rejects."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from animetools.images.files import Pixels, encode_jpeg, encode_png
from tests.conftest import Shell
from tests.images.test_quality import noise


def scaled(rgb: Pixels, side: int) -> Pixels:
    """The picture at another size."""
    return np.asarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """One image worth keeping, its twins, and one file for each other reason."""
    folder = tmp_path / "raw"
    folder.mkdir()
    good = encode_png(noise(256, 256))
    grey = noise(256, 256, seed=1)[..., :1] // 2 + 9
    tint = np.random.default_rng(0).integers(0, 6, (256, 256, 3), np.uint8)  # many colors, no hue
    files = {
        "a-good.png": good,
        "b-other.png": encode_png(noise(256, 256, seed=2)),
        "c-same-bytes.png": good,
        "d-same-pixels.png": cv2.imencode(".png", noise(256, 256)[..., ::-1])[1].tobytes(),
        "e-near.jpg": encode_jpeg(scaled(noise(256, 256), 200), 80),
        "f-empty.png": b"",
        "g-truncated.png": good[:-100],
        "h-trailing.png": good + b"rubbish",
        "i-text.jpg": b"words",
        "j-tiny.png": encode_png(noise(16, 16)),
        "k-few.png": encode_png(np.zeros((64, 64, 3), np.uint8)),
        "l-grey.png": encode_png(grey + tint),
        "m-notes.txt": b"words",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


REASONS = {
    "c-same-bytes.png": ("same bytes", "raw/a-good.png"),
    "d-same-pixels.png": ("same pixels", "raw/a-good.png"),
    "e-near.jpg": ("near-duplicate", "raw/a-good.png"),
    "f-empty.png": ("empty", "empty file"),
    "g-truncated.png": ("broken", "truncated PNG"),
    "h-trailing.png": ("same pixels", "raw/a-good.png"),
    "i-text.jpg": ("broken", "not an image though named .jpg"),
    "j-tiny.png": ("too small", "16x16"),
    "k-few.png": ("too few colors", "1"),
    "l-grey.png": ("grey", ""),
}


def test_each_reject_is_told_with_reason_and_evidence(shell: Shell, raw: Path) -> None:
    done = shell("ls raw/* | animeclean --rejects rejects.tsv")
    assert done.stdout == "raw/a-good.png\nraw/b-other.png\n"
    assert done.returncode == 0
    lines = (raw.parent / "rejects.tsv").read_text().splitlines()
    told = dict((name, (why, what)) for name, why, what in (line.split("\t") for line in lines))
    assert told == {f"raw/{name}": reason for name, reason in REASONS.items()}


def test_the_last_line_accounts_for_every_input(shell: Shell, raw: Path) -> None:
    done = shell("(ls raw/*; echo missing.png) | animeclean")
    assert done.returncode == 1
    first, last = done.stderr.splitlines()
    assert first == "animeclean: missing.png: no such file or directory"
    assert last.startswith("animeclean: read 14 = kept 2 + rejected 10 (")
    assert "2 broken" in last
    assert last.endswith(") + passed over 1 (1 not an image by name or content) + failed 1")
    assert "keep largest" not in done.stderr
    assert "1 near-duplicate" in last


def test_nothing_happens_to_the_rejects_unasked(shell: Shell, raw: Path) -> None:
    shell("ls raw/* | animeclean")
    assert len(list(raw.iterdir())) == 13


def test_every_check_can_be_turned_off(shell: Shell, raw: Path) -> None:
    done = shell("ls raw/* | animeclean --min-side 1 --min-colors 1 --keep-grey --keep-duplicates")
    names = [Path(line).name[0] for line in done.stdout.splitlines()]
    assert names == ["a", "b", "c", "d", "e", "h", "j", "k", "l"]
    done = shell("ls raw/a* raw/e* | animeclean --near 0")
    assert done.stdout == "raw/a-good.png\nraw/e-near.jpg\n"
    size = (raw / "b-other.png").stat().st_size
    done = shell(
        f"ls raw/b* | animeclean --min-bytes {size}; ls raw/b* | animeclean --min-bytes {size + 1}"
    )
    assert done.stdout == "raw/b-other.png\n"
    assert "1 too few bytes" in done.stderr


def test_keep_largest_prints_the_largest_in_input_order(shell: Shell, raw: Path) -> None:
    shell("mv raw/e-near.jpg raw/0-near.jpg")
    done = shell("ls raw/* | animeclean --rejects r.tsv")
    assert done.stdout == "raw/0-near.jpg\nraw/b-other.png\n"
    done = shell("ls raw/* | animeclean --keep largest --rejects r.tsv")
    # Of equal pixels the one of more bytes.
    twins = ("raw/a-good.png", "raw/d-same-pixels.png", "raw/h-trailing.png")
    largest = max(twins, key=lambda name: (raw.parent / name).stat().st_size)
    assert done.stdout.split() == sorted([largest, "raw/b-other.png"])
    rejects = (raw.parent / "r.tsv").read_text()
    assert f"raw/0-near.jpg\tnear-duplicate\t{largest}\n" in rejects
    assert rejects.count("\n") == 10


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """A small copy that is listed first, and the larger picture."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "a-small.png").write_bytes(encode_png(scaled(noise(256, 256), 128)))
    (folder / "b-large.jpg").write_bytes(encode_jpeg(noise(256, 256), 90))
    return folder


@pytest.mark.parametrize("how", ["--delete", "--move rejects"])
def test_the_larger_duplicate_stays_where_files_go(shell: Shell, copies: Path, how: str) -> None:
    done = shell(f"ls raw/* | animeclean {how}")
    assert done.stdout == "raw/b-large.jpg\n"
    assert os.listdir(copies) == ["b-large.jpg"]
    assert "--keep largest" not in done.stderr


def test_an_explicit_keep_first_is_honored_by_delete(shell: Shell, copies: Path) -> None:
    done = shell("ls raw/* | animeclean --delete --keep first")
    assert done.stdout == "raw/a-small.png\n"
    assert os.listdir(copies) == ["a-small.png"]


def test_a_plain_stream_says_how_many_larger_ones_it_dropped(shell: Shell, copies: Path) -> None:
    done = shell("ls raw/* | animeclean")
    assert done.stdout == "raw/a-small.png\n"
    assert done.stderr.endswith(
        "; 1 of the dropped duplicates is larger than what was kept (--keep largest)\n"
    )
    assert "keep largest" not in shell("ls -r raw/* | animeclean").stderr


def test_sidecars_move_with_their_image(shell: Shell, copies: Path) -> None:
    own = ["a-small.txt", "a-small.png.json", "a-small.XMP", "a-small.png.caption", "a-small.tags"]
    for name in [*own, "b-large.txt", "a-small.doc"]:
        (copies / name).write_text(name)
    done = shell("ls raw/* | animeclean --move rejects")
    assert (done.returncode, done.stdout) == (0, "raw/b-large.jpg\n")
    moved = copies.parent / "rejects" / "raw"
    assert sorted(os.listdir(moved)) == sorted(["a-small.png", *own])
    assert all((moved / name).read_text() == name for name in own)
    assert sorted(os.listdir(copies)) == ["a-small.doc", "b-large.jpg", "b-large.txt"]


def test_a_sidecar_stays_while_another_picture_uses_it(shell: Shell, copies: Path) -> None:
    for other in ("a-small.cr2", "a-small.JPG"):
        (copies / other).write_bytes(b"")
        (copies / "a-small.txt").write_text("both")
        shell("animeclean raw/b* raw/a-small.png --move rejects")
        assert not (copies / "a-small.png").exists()
        assert (copies / "a-small.txt").exists()
        (copies / other).unlink()
        shell("mv rejects/raw/a-small.png raw")
    shell("animeclean raw/b* raw/a-small.png --move rejects")
    assert (copies.parent / "rejects/raw/a-small.txt").read_text() == "both"


def test_nothing_moves_where_a_sidecar_is_in_the_way(shell: Shell, copies: Path) -> None:
    for name in ("a-small.json", "a-small.txt"):
        (copies / name).write_text("mine")
    there = copies.parent / "rejects/raw/a-small.txt"
    there.parent.mkdir(parents=True)
    there.write_text("theirs")
    done = shell("ls raw/* | animeclean --move rejects")
    assert done.returncode == 1
    assert "raw/a-small.png: cannot be removed: rejects/raw/a-small.txt exists" in done.stderr
    assert there.read_text() == "theirs"
    assert sorted(os.listdir(there.parent)) == ["a-small.txt"]
    assert len(os.listdir(copies)) == 4


def test_delete_leaves_sidecars(shell: Shell, copies: Path) -> None:
    (copies / "a-small.txt").write_text("words")
    shell("ls raw/* | animeclean --delete")
    assert sorted(os.listdir(copies)) == ["a-small.txt", "b-large.jpg"]


def test_a_dry_run_names_the_sidecars(shell: Shell, copies: Path) -> None:
    (copies / "a-small.txt").write_text("words")
    done = shell("ls raw/* | animeclean --move rejects -n")
    assert "raw/a-small.txt: would be moved to rejects/raw/a-small.txt" in done.stderr
    assert "raw/a-small.png: would be moved to rejects/raw/a-small.png" in done.stderr


def test_json_tells_what_was_measured(shell: Shell, raw: Path) -> None:
    done = shell("""echo '{"path": "raw/a-good.png", "id": 7}' | animeclean --json""")
    record = json.loads(done.stdout)
    size = (raw / "a-good.png").stat().st_size
    colors = len(np.unique(noise(256, 256).reshape(-1, 3), axis=0))
    expected = {"path": "raw/a-good.png", "id": 7, "width": 256, "height": 256}
    assert record == expected | {"bytes": size, "colors": colors}


def test_facts_of_upstream_survive_whatever_their_name(shell: Shell, raw: Path) -> None:
    record = '{"path": "raw/a-good.png", "fingerprint": "x", "pixels": [1]}'
    for option in ("", "--keep-duplicates", "--keep largest"):
        done = shell(f"echo '{record}' | animeclean --json {option}")
        assert json.loads(done.stdout).items() >= json.loads(record).items()


def test_delete_removes_the_rejects_only(shell: Shell, raw: Path) -> None:
    done = shell("ls raw/* | animeclean --delete --keep first -n")
    assert done.stderr.count("would be deleted") == 10
    assert len(list(raw.iterdir())) == 13
    assert shell("ls raw/* | animeclean --delete --keep first").returncode == 0
    assert sorted(os.listdir(raw)) == ["a-good.png", "b-other.png", "m-notes.txt"]


def test_a_file_under_two_names_is_never_deleted(shell: Shell, raw: Path) -> None:
    shell("ln -s a-good.png raw/link.png; ln raw/a-good.png raw/hard.png; mkdir sub")
    names = "raw/link.png raw/a-good.png ./raw/a-good.png raw/hard.png raw/link.png"
    for keep in ("first", "largest"):
        done = shell(f"animeclean --delete --keep {keep} {names}")
        assert done.stdout == "raw/link.png\n"
        assert "rejected 4 (4 listed twice)" in done.stderr
        assert (raw / "a-good.png").exists()
        assert (raw / "hard.png").exists()


def test_move_keeps_the_relative_path_and_overwrites_nothing(shell: Shell, raw: Path) -> None:
    there = raw.parent / "bad" / "raw"
    there.mkdir(parents=True)
    (there / "f-empty.png").write_text("was here")
    done = shell("ls raw/* | animeclean --move bad --keep first")
    assert done.returncode == 1
    assert "raw/f-empty.png: cannot be removed: bad/raw/f-empty.png exists" in done.stderr
    assert "rejected 9" in done.stderr
    assert "failed 1" in done.stderr
    assert (there / "f-empty.png").read_text() == "was here"
    assert sorted(os.listdir(there)) == sorted(REASONS)
    left = ["a-good.png", "b-other.png", "f-empty.png", "m-notes.txt"]
    assert sorted(os.listdir(raw)) == left


def test_a_twin_that_is_gone_saves_the_reject(shell: Shell, raw: Path) -> None:
    line = "(echo raw/a-good.png; read < go; ls raw/c*) | animeclean --delete --keep first | (read p; rm $p; echo > go)"
    os.mkfifo(raw.parent / "go")
    done = shell(line)
    assert "raw/c-same-bytes.png: cannot be removed" in done.stderr
    assert (raw / "c-same-bytes.png").exists()


def test_names_are_escaped_in_the_rejects(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a\tb\nc\\.png").write_bytes(b"")
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"")
    shell("printf '%s\\0' *.png | animeclean -0 --rejects r.tsv")
    lines = (tmp_path / "r.tsv").read_bytes().splitlines()
    assert sorted(lines) == [
        b"a\\tb\\nc\\\\.png\tempty\tempty file",
        b"\xff.png\tempty\tempty file",
    ]


def test_a_bomb_is_refused_in_one_sentence(shell: Shell, raw: Path) -> None:
    done = shell("animeclean -v --max-pixels 60k raw/a-good.png")
    assert "too many pixels image of 256x256 pixels, more than --max-pixels 0.06M" in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--delete --move x", "--delete and --move exclude each other"),
        ("--near 30%", "--near is 0 or at least 50%"),
        ("--keep last", "--keep is one of first, largest"),
    ],
)
def test_wrong_usage(shell: Shell, options: str, message: str) -> None:
    done = shell(f"animeclean {options} a.png")
    assert done.returncode == 2
    assert message in done.stderr


def test_rejects_that_cannot_be_written_end_the_run(shell: Shell, raw: Path) -> None:
    done = shell("ls raw/* | animeclean --rejects none/r.tsv")
    assert done.returncode == 2
    assert "none/r.tsv" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_order_holds_with_many_jobs(shell: Shell, tmp_path: Path) -> None:
    for n in range(40):
        (tmp_path / f"{n:02}.png").write_bytes(encode_png(noise(64 + 16 * (n % 5), 128, seed=n)))
    done = shell("ls *.png | animeclean -j 8 --min-colors 1")
    assert done.stdout.split() == [f"{n:02}.png" for n in range(40)]


def test_rejects_are_never_written_over_an_image(shell: Shell, tmp_path: Path) -> None:
    picture = noise(64, 64)
    (tmp_path / "a.png").write_bytes(encode_png(picture))
    before = (tmp_path / "a.png").read_bytes()
    done = shell("animeclean a.png --rejects a.png")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--rejects a.png is an image" in done.stderr
    assert (tmp_path / "a.png").read_bytes() == before


@pytest.mark.parametrize("line", ["find . -type f | sort -r", "find $PWD -type f | sort"])
@pytest.mark.parametrize("moved", ["bad", "./raw/../bad/", "link"])
def test_what_was_moved_away_stays_there(shell: Shell, raw: Path, line: str, moved: str) -> None:
    shell("ln -s bad link; mkdir bad; find . -type f | sort | animeclean --move bad --keep first")
    before = sorted(raw.parent.rglob("*.*"))
    done = shell(f"{line} | animeclean --move {moved} --keep first")
    assert {Path(path).name for path in done.stdout.split()} == {"a-good.png", "b-other.png"}
    assert f"in {moved} already" in done.stderr
    assert sorted(raw.parent.rglob("*.*")) == before


def test_a_reject_that_is_listed_twice_is_removed_once(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(noise(64, 64)))
    (tmp_path / "b.png").write_bytes(b"")
    done = shell("animeclean a.png b.png b.png --delete")
    assert (done.returncode, done.stdout) == (0, "a.png\n")
    assert not (tmp_path / "b.png").exists()


def test_moving_to_another_disk_is_whole_or_not_at_all(shell: Shell, tmp_path: Path) -> None:
    if shell("mkdir disk && mount -t tmpfs -o size=64k none disk").returncode:
        pytest.skip("may not mount")
    try:
        (tmp_path / "a.png").write_bytes(encode_png(noise(64, 64)))
        (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200_000))
        full = shell("animeclean a.png b.png --move disk")
        assert full.returncode == 2
        assert shell("find disk -type f").stdout == ""
        shell("mount -o remount,size=1M disk")
        assert shell("animeclean a.png b.png --move disk").returncode == 0
        assert (tmp_path / "disk/b.png").stat().st_size == 200_008
        assert not (tmp_path / "b.png").exists()
    finally:
        shell("umount disk")

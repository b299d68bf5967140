"""Groups of duplicates: printed, shown, and what --keep, --mirrored and --cropped choose."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from animetools.images.files import Pixels, decode_rgb, encode_jpeg, encode_png, read_rgb
from animetools.images.sheet import COLUMNS, LINE, TILE
from tests.commands.test_animeclean import scaled
from tests.conftest import Shell
from tests.images.test_quality import noise


def enlarged(rgb: Pixels, side: int) -> Pixels:
    """The picture at a larger size."""
    return np.asarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def smooth(seed: int) -> Pixels:
    """A picture with shapes that are larger than what a crop takes away."""
    return enlarged(noise(64, 64, seed), 256)


def compressed(rgb: Pixels, quality: int) -> Pixels:
    """The picture as a JPEG shows it."""
    return decode_rgb(encode_jpeg(rgb, quality))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A picture with an exact copy and two others, and a picture alone."""
    folder = tmp_path / "raw"
    folder.mkdir()
    one = smooth(1)
    (folder / "a.png").write_bytes(encode_png(one))
    (folder / "b.png").write_bytes(encode_png(one))
    (folder / "c.jpg").write_bytes(encode_jpeg(scaled(one, 200), 60))
    (folder / "d.png").write_bytes(encode_png(np.ascontiguousarray(one[:, ::-1])))
    (folder / "e.png").write_bytes(encode_png(one[8:, :250]))
    (folder / "f.png").write_bytes(encode_png(smooth(2)))
    return folder


def test_groups_are_lines_of_paths(shell: Shell, raw: Path) -> None:
    done = shell("animeclean raw/* --groups")
    assert done.stdout == "raw/a.png\traw/b.png\traw/c.jpg\n"
    assert "read 6 = kept 4 + rejected 2" in done.stderr
    done = shell("animeclean raw/* --groups --json --mirrored --cropped")
    record = json.loads(done.stdout)
    assert record["path"] == "raw/a.png"
    assert [(each["path"], each["reason"]) for each in record["duplicates"]] == [
        ("raw/b.png", "same bytes"),
        ("raw/c.jpg", "near-duplicate"),
        ("raw/d.png", "mirrored"),
        ("raw/e.png", "cropped"),
    ]
    assert shell("animeclean raw/f.png raw/f.png --groups").stdout == ""
    (raw / "g\t.png").write_bytes((raw / "f.png").read_bytes())
    assert shell("animeclean raw/[fg]* --groups").stdout == "raw/f.png\traw/g\\t.png\n"


def test_a_line_of_groups_is_one_of_never_match(shell: Shell, raw: Path) -> None:
    clean = "animeclean raw/* --mirrored --cropped"
    assert shell(f"{clean} --groups | tee never.tsv").stdout.count("\t") == 4
    done = shell(f"{clean} --never-match never.tsv")
    assert done.stdout == "".join(
        f"raw/{name}\n" for name in sorted(os.listdir(raw)) if name[0] != "b"
    )


def test_mirrored_and_cropped_are_seen_on_request_alone(shell: Shell, raw: Path) -> None:
    assert shell("animeclean raw/*").stdout == "raw/a.png\nraw/d.png\nraw/e.png\nraw/f.png\n"
    assert shell("animeclean raw/* --mirrored").stdout == "raw/a.png\nraw/e.png\nraw/f.png\n"
    assert shell("animeclean raw/* --cropped").stdout == "raw/a.png\nraw/d.png\nraw/f.png\n"
    turned = cv2.rotate(read_rgb(str(raw / "e.png")), cv2.ROTATE_180)
    (raw / "g.png").write_bytes(encode_png(np.asarray(cv2.flip(turned, 0), np.uint8)))
    done = shell("animeclean raw/a.png raw/g.png --mirrored --cropped -v --index i.db")
    assert "raw/g.png: cropped raw/a.png" in done.stderr
    for options in ("--mirrored --cropped", ""):  # the same index, looked at otherwise
        done = shell(f"animeclean raw/* --index i.db {options} --delete --keep first -n")
        assert done.stderr.count("would be deleted") == (5 if options else 2)


def test_a_sheet_shows_the_least_alike_first(shell: Shell, raw: Path) -> None:
    (raw / "g.jpg").write_bytes(encode_jpeg(smooth(2), 90))
    done = shell("animeclean raw/[abcfg]* --sheet sheet.png --groups")
    assert done.stdout == "raw/a.png\traw/b.png\traw/c.jpg\nraw/f.png\traw/g.jpg\n"
    sheet = read_rgb(str(raw.parent / "sheet.png"))
    height = 2 * LINE + TILE + LINE
    assert sheet.shape == (2 * height, COLUMNS * TILE, 3)
    tile = sheet[2 * LINE : 2 * LINE + TILE, :TILE].astype(int)
    best = [
        np.abs(tile - scaled(read_rgb(str(raw / name)), TILE)).mean() < 8
        for name in ("a.png", "f.png")
    ]
    assert sum(best) == 1
    done = shell("animeclean raw/[ab]* --sheet none.png")
    assert "none.png is not written: there is no group to look at" in done.stderr
    assert not (raw.parent / "none.png").exists()
    shell("animeclean raw/[abc]* --sheet dry.png -n")
    assert not (raw.parent / "dry.png").exists()


def test_best_is_neither_enlarged_nor_compressed(shell: Shell, tmp_path: Path) -> None:
    fine = smooth(3)
    for x in range(-200, 256, 24):
        cv2.line(fine, (x, 0), (x + 200, 255), (20, 20, 60), 1, cv2.LINE_AA)
    (tmp_path / "0-large.png").write_bytes(encode_png(enlarged(fine, 500)))
    (tmp_path / "1-again.png").write_bytes(encode_png(compressed(fine, 30)))
    (tmp_path / "2-best.png").write_bytes(encode_png(fine))
    (tmp_path / "3-small.png").write_bytes(encode_png(scaled(fine, 180)))
    clean = "animeclean --near 90% *.png"
    assert shell(f"{clean} --keep best").stdout == "2-best.png\n"
    assert shell(f"{clean} --keep largest").stdout == "0-large.png\n"
    shell(f"{clean} --index i.db")  # without measuring details
    assert shell(f"{clean} --index i.db --keep best").stdout == "2-best.png\n"
    for number, name in enumerate(("2-best.png", "0-large.png", "3-small.png", "1-again.png")):
        os.utime(tmp_path / name, (10**9 + number, 10**9 + number))
    assert shell(f"{clean} --keep newest").stdout == "1-again.png\n"

"""The README's pipe finds the faces of copies, however the boxes jitter."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from animetools.cli.records import Records
from animetools.images.files import Pixels, encode_jpeg, encode_png
from animetools.images.origins import Origin
from tests.commands.test_animecrop import face, needs_nvxs
from tests.conftest import Shell
from tests.images.test_hashes import scaled
from tests.images.test_quality import noise

pytestmark = needs_nvxs
CROP = "animecrop --detector nvxs --min-size 64"
CLEAN = "animeclean --keep-grey --min-colors 1 --rejects r.tsv"


def scene(*places: tuple[int, int], seed: int) -> Pixels:
    """Faces before a pale background of its own."""
    rgb = np.asarray(cv2.GaussianBlur(noise(480, 720, seed), (0, 0), 12) // 4 + 190, np.uint8)
    for left, top in places:
        part = rgb[top : top + 144, left : left + 144]
        np.minimum(part, face(), out=part)
    return rgb


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A picture, copies of it, another one, and one with the same face twice."""
    folder = tmp_path / "raw"
    folder.mkdir()
    one = scene((260, 150), seed=1)
    (folder / "a.png").write_bytes(encode_png(one))
    (folder / "a-jpeg.jpg").write_bytes(encode_jpeg(one, 60))
    (folder / "a-small.png").write_bytes(encode_png(scaled(one, 0.63)))
    bright = np.asarray(np.minimum(one * 1.05, 255), np.uint8)
    (folder / "a-bright.png").write_bytes(encode_png(bright))
    (folder / "b.png").write_bytes(encode_png(scene((320, 200), seed=2)))
    (folder / "c.png").write_bytes(encode_png(scene((100, 150), (420, 150), seed=3)))
    return folder


def test_crops_of_copies_are_dropped_and_no_others(shell: Shell, raw: Path) -> None:
    done = shell(f"find raw/ -type f | sort | {CROP} | {CLEAN}")
    assert done.returncode == 0, done.stderr
    kept = ["faces/raw/a-bright.png.0.png", "faces/raw/b.png.0.png"]
    assert done.stdout.split() == [*kept, "faces/raw/c.png.0.png", "faces/raw/c.png.1.png"]
    rejects = [line.split("\t") for line in (raw.parent / "r.tsv").read_text().splitlines()]
    assert [name for name, *_ in rejects] == [
        f"faces/raw/{name}.0.png" for name in ("a-jpeg.jpg", "a-small.png", "a.png")
    ]
    assert {tuple(why) for _, *why in rejects} == {("near-duplicate", kept[0])}


def test_the_largest_of_them_stays_where_files_go(shell: Shell, raw: Path) -> None:
    (raw / "0.png").write_bytes(encode_png(scaled(scene((260, 150), seed=1), 0.63)))
    shell(f"find raw/ -name '[0a]*.png' | sort | {CROP} | {CLEAN} --delete")
    (left,) = (raw.parent / "faces/raw").glob("*.png")
    assert left.name not in ("0.png.0.png", "a-small.png.0.png")


def test_records_and_moved_folders_know_the_sources_too(shell: Shell, raw: Path) -> None:
    plain = shell(f"find raw/ -type f | sort | {CROP} | {CLEAN}").stdout
    assert plain.count("\n") == 4
    shell(f"{CROP} --json raw | sort > records; mv faces moved; ln -s moved faces")
    assert shell(f"find faces/ -name '*.png' | sort | {CLEAN}").stdout.split() == plain.split()
    shell("rm moved/.animetools.sqlite*")
    records = shell(f"{CLEAN} - < records").stdout
    assert sorted(records.split()) == sorted(plain.split())


def test_what_is_made_of_a_crop_has_its_facts(shell: Shell, raw: Path) -> None:
    done = shell(f"{CROP} raw/b.png | CRASH=absent $FILTERS copier")
    with Records() as records:
        facts = records.facts(str(raw.parent / done.stdout.strip()))
        assert facts["number"] == 0
        assert Origin.of(facts)
        assert records.facts(str(raw / "b.png")) == {}


def test_a_crop_that_was_replaced_is_known_no_more(shell: Shell, raw: Path) -> None:
    shell(f"find raw/ -name 'a*' | sort | {CROP}")
    other = encode_png(scene((10, 10), seed=9))
    (raw.parent / "faces/raw/a.png.0.png").write_bytes(other)
    done = shell(f"find faces -name '*.png' | sort | {CLEAN}")
    assert "faces/raw/a.png.0.png" in done.stdout.split()


def test_a_damaged_journal_is_no_obstacle(shell: Shell, raw: Path) -> None:
    shell(f"find raw/ -name '[bc]*' | sort | {CROP}")
    shell("rm faces/.animetools.sqlite*; echo garbage > faces/.animetools.sqlite")
    done = shell(f"find faces -name '*.png' | sort | {CLEAN}")
    assert (done.returncode, done.stdout.count("b.png.0.png")) == (0, 1)

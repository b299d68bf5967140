"""animeaug, through real pipes."""

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from animetools.images.augment import augmented
from animetools.images.files import encode_png, read_rgb
from animetools.images.variants import AUGMENTATIONS, Variant
from tests.conftest import ROOT, Shell
from tests.images.imagemagick import drawn


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Three pictures and a text."""
    folder = tmp_path / "faces"
    (folder / "b").mkdir(parents=True)
    for n, name in enumerate(["a.png", "b/a.png", "c.png"]):
        (folder / name).write_bytes(encode_png(drawn(40 + n, 30)))
    (folder / "notes.txt").write_text("no picture\n")
    return folder


def records(text: str) -> list[dict[str, Any]]:
    """The lines of --json."""
    return [json.loads(line) for line in text.splitlines()]


def test_each_image_gives_its_18_variants_in_order(
    shell: Shell, faces: Path, tmp_path: Path
) -> None:
    done = shell("find faces/ | sort | animeaug --jobs 3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"augmented/faces/{name}.{augmentation}.png"
        for name in ("a.png", "b/a.png", "c.png")
        for augmentation in AUGMENTATIONS
    ]
    assert done.stderr.splitlines()[-1] == (
        "animeaug: read 4 = kept 3 (54 written) + rejected 0 + "
        "passed over 1 (1 not an image by name or content) + failed 0"
    )
    source = read_rgb(str(faces / "c.png"))
    for name in AUGMENTATIONS:
        made = read_rgb(str(tmp_path / f"augmented/faces/c.png.{name}.png"))
        assert np.array_equal(made, augmented(source, Variant(name)))
    again = shell("find faces/ augmented/ | sort | animeaug")
    assert again.stdout == done.stdout
    assert "54 made here" in again.stderr


def test_a_choice_does_not_depend_on_the_list(shell: Shell, faces: Path, tmp_path: Path) -> None:
    one = shell("find faces/ | sort | animeaug --each 3 --seed 5 -j 1").stdout.splitlines()
    other = shell("find faces/ | sort -r | animeaug --each 3 --seed 5 -j 4 --unordered -o there")
    assert len(one) == 9
    assert sorted(one) == sorted(other.stdout.replace("there", "augmented").splitlines())
    shell("mkdir alone; cp faces/c.png alone/x.png")
    alone = shell("animeaug --each 3 --seed 5 -n alone/x.png").stdout.split()
    assert alone == [path.replace("faces/c.png", "alone/x.png") for path in one[-3:]]
    assert shell("animeaug --each 3 --seed 6 -n faces").stdout.splitlines() != one
    more = shell("animeaug --each 99 --mirror --format jpg -o jpgs faces/c.png").stdout.split()
    assert len(more) == len(set(more)) == 37
    with Image.open(tmp_path / more[-1]) as image:
        assert image.format == "JPEG"


def test_only_some_and_their_mirrors(shell: Shell, faces: Path, tmp_path: Path) -> None:
    done = shell("animeaug --only blue,Deskew --mirror --originals faces/c.png")
    assert done.stdout.splitlines() == [
        "faces/c.png",
        *(
            f"augmented/faces/c.png.{name}.png"
            for name in ("deskew", "blue", "mirror", "deskew.mirror", "blue.mirror")
        ),
    ]
    mirror = read_rgb(str(tmp_path / "augmented/faces/c.png.mirror.png"))
    assert np.array_equal(mirror, read_rgb(str(faces / "c.png"))[:, ::-1])
    for options, message in {
        "--only pink": "--only: 'pink' is not one of deskew, horizstretch",
        "--seed 1": "--seed belongs to --each",
        "--each x": "--each takes a whole number, not 'x'",
    }.items():
        wrong = shell(f"animeaug {options} faces")
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert wrong.stderr.startswith(f"animeaug: {message}")


def test_a_record_keeps_its_tags_and_its_source(shell: Shell, faces: Path, tmp_path: Path) -> None:
    record = {
        "path": "faces/a.png",
        "source": "raw/1.jpg",
        "id": 7,
        "box": [1, 2, 30, 30],
        "tags": [["smile", "general", 1]],
    }
    (tmp_path / "list").write_text(json.dumps(record) + "\n")
    done = shell("animeaug --json --only vertstretch,red --mirror < list")
    made = records(done.stdout)
    assert made[0] == record | {
        "path": "augmented/faces/a.png.vertstretch.png",
        "augmentation": "vertstretch",
        "width": 40,
        "height": 33,
    }
    assert made[2] == record | {
        "path": "augmented/faces/a.png.mirror.png",
        "mirrored": True,
        "width": 40,
        "height": 30,
    }
    assert shell("animeaug --json --only vertstretch,red --mirror < list").stdout == done.stdout
    dry = shell("animeaug --json --only vertstretch,red --mirror -n -o other < list").stdout
    assert dry.replace('"other/', '"augmented/') == done.stdout
    assert not (tmp_path / "other").exists()
    (tmp_path / "list").write_text('{"path": "faces/a.png", "tags": 3}\n{"path": "faces/c.png"}\n')
    bad = shell("animeaug --only red -o other < list")
    assert (bad.returncode, bad.stdout) == (1, "other/faces/c.png.red.png\n")
    assert "faces/a.png: its record's tags are not a list" in bad.stderr


def test_tags_travel_from_the_booru_into_the_labels(shell: Shell, tmp_path: Path) -> None:
    line = "animedraw --count 3 --portraits 64 --json | animeaug --each 2 --originals --json > list"
    assert shell(line).returncode == 0
    made = records((tmp_path / "list").read_text())
    assert len(made) == 9
    for original, *variants in (made[n : n + 3] for n in (0, 3, 6)):
        assert original["tags"]
        for variant in variants:
            assert variant["tags"] == original["tags"]
            assert variant["id"] == original["id"]
            assert variant["source"] == original["path"]
    done = shell("animepack --size 64 --labels tags --min-count 1 < list")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "dataset.zip") as dataset:
        assert len(json.loads(dataset.read("dataset.json"))["labels"]) == 9


def test_other_kinds_of_pictures(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    pixels = drawn()
    red = Image.new("RGBA", (20, 10), (255, 0, 0, 0))
    red.save(folder / "clear.png")
    Image.fromarray(pixels).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(pixels).convert("L").save(folder / "grey.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / "turned.jpg", exif=exif)
    frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    (folder / "cut.png").write_bytes(encode_png(pixels)[:500])
    Image.new("RGB", (65000, 1)).save(tmp_path / "wide.png")
    wide = shell("animeaug --only red,horizstretch --format jpg -o jpgs wide.png odd/grey.png")
    assert (wide.returncode, len(wide.stdout.splitlines())) == (1, 2)
    assert "wide.png: jpg allows at most 65500 pixels a side, not 71500x1" in wide.stderr
    done = shell("animeaug --only lesscontrast,blur --background lime odd")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("animeaug: odd/cut.png: ")
    assert len(done.stdout.splitlines()) == 12
    made = {
        path.name: read_rgb(str(path)) for path in (tmp_path / "augmented/odd").glob("*contrast*")
    }
    assert tuple(made["clear.png.lesscontrast.png"][0, 0]) == (13, 242, 13)
    assert made["turned.jpg.lesscontrast.png"].shape == (44, 32, 3)
    for name in ("grey", "deep"):
        assert np.ptp(made[f"{name}.png.lesscontrast.png"], axis=2).max() == 0
    assert abs(made["moving.gif.lesscontrast.png"].astype(float) - pixels).mean() < 20
    assert abs(made["cmyk.jpg.lesscontrast.png"].astype(float) - pixels).mean() < 40


def test_a_killed_run_goes_on(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for n in range(8):
        (tmp_path / f"raw/{n}.png").write_bytes(encode_png(drawn(300 + n, 200)))
    names = "--only blur,deskew,red"
    whole = shell(f"animeaug {names} raw").stdout
    line = [str(ROOT / "bin/animeaug"), "-j1", *names.split(), "-o", "halves", "raw"]
    with subprocess.Popen(
        line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        process.stdout.readline()
        process.kill()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("halves/raw/0.*")}
    assert len(before) == 3
    again = shell(f"animeaug {names} -o halves raw")
    assert again.stdout == whole.replace("augmented/", "halves/")
    assert shell("diff -rx '.animetools*' augmented halves").stdout == ""
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    other = shell("animeaug --only blur -o halves raw")
    assert other.returncode == 2
    assert "choose another -o, or -f" in other.stderr
    assert shell("animeaug --only blur -f -o halves raw").returncode == 0
    assert len(list(tmp_path.glob("halves/raw/*"))) == 8

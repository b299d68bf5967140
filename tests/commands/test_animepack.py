"""animepack, through real pipes."""

import json
import os
import signal
import subprocess
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from animetools.dataset.training_set import Images
from tests.conftest import REAL, ROOT, Shell


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (40, 30), **saving: Any) -> Path:
    """A file of random colors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.RandomState(len(path.name)).randint(0, 256, (size[1], size[0], 4))
    image = Image.fromarray(noise.astype(np.uint8), "RGBA")
    image.convert("RGB").convert(mode).save(path, **saving) if mode != "RGBA" else image.save(path)
    return path


def pictures(folder: Path, count: int, side: int = 40) -> None:
    """So many files, each different."""
    for number in range(count):
        picture(folder / f"{'x' * (number % 7)}{number:04d}.png", size=(side, side - number % 9))


def images(path: Path) -> list[Image.Image]:
    """Every image of a zip."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith((".png", ".jpg"))]
        return [Image.open(BytesIO(archive.read(name))) for name in names]


def records(path: Path) -> list[dict[str, Any]]:
    """What the zip says of its images."""
    with zipfile.ZipFile(path) as archive:
        return [json.loads(line) for line in archive.read("metadata.jsonl").splitlines()]


def captioned(folder: Path) -> None:
    """Three pictures, the first and the last with captions."""
    for name in ("a.png", "b.png", "c.png"):
        picture(folder / name)
    (folder / "a.txt").write_text("one")
    (folder / "a.png.json").write_text("{}")
    (folder / "c.caption").write_text("three")


BESIDE = {"img00000000.txt": b"one", "img00000000.png.json": b"{}", "img00000002.caption": b"three"}


def test_sidecars_are_packed_beside_their_images_on_request(shell: Shell, tmp_path: Path) -> None:
    captioned(tmp_path / "in")
    for target in ("plain.zip", "with.zip --sidecars", "with --sidecars"):
        done = shell(f"ls in/*.png | animepack --size 64 -o {target}")
        assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "plain.zip") as archive:
        assert not [name for name in archive.namelist() if name.endswith((".txt", ".caption"))]
    with zipfile.ZipFile(tmp_path / "with.zip") as archive:
        assert archive.testzip() is None
        packed = {name: archive.read(name) for name in archive.namelist()}
    folder = tmp_path / "with"
    assert packed == {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert {f"00000/{name}": data for name, data in BESIDE.items()}.items() <= packed.items()
    assert len(Images(str(tmp_path / "with.zip"))) == len(Images(str(folder))) == 3
    done = shell("ls in/*.png | animepack --size 64 -o with.zip")
    assert "with.zip was made with --sidecars, this run is without --sidecars" in done.stderr
    done = shell("ls in/*.png | animepack --size 64 -o plain.zip --sidecars")
    assert "plain.zip was made without --sidecars, this run is with --sidecars" in done.stderr
    done = shell("ls in/[bc].png | animepack --size 64 -f -o with --sidecars")
    assert done.returncode == 0, done.stderr
    beside = sorted(path.name for path in folder.rglob("*.[tcj][xas]*"))
    assert beside == ["dataset.json", "img00000001.caption", "metadata.jsonl"]


def test_plain_pipe_makes_a_stylegan_zip(shell: Shell, tmp_path: Path) -> None:
    pictures(tmp_path / "faces", 12)
    done = shell("find faces/ | sort | animepack")
    assert (done.returncode, done.stdout) == (0, "dataset.zip\n")
    assert done.stderr.splitlines()[0].startswith("animepack: dataset.zip: 12 images, about ")
    assert done.stderr.splitlines()[1] == (
        "animepack: 12 of 12 images were smaller and are enlarged, which blurs them: "
        "run animeupscale before animepack"
    )
    assert done.stderr.splitlines()[2].startswith("animepack: read 12 = kept 12 + rejected 0")
    assert {(image.size, image.mode) for image in images(tmp_path / "dataset.zip")} == {
        ((512, 512), "RGB")
    }
    with zipfile.ZipFile(tmp_path / "dataset.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist()[:2] == ["00000/img00000000.png", "00000/img00000001.png"]
        summary = json.loads(archive.read("dataset.json"))
    assert summary["labels"] is None
    assert summary["animepack"]["images"] == 12
    assert [record["path"] for record in records(tmp_path / "dataset.zip")] == sorted(
        f"faces/{path.name}" for path in (tmp_path / "faces").iterdir()
    )
    assert sorted(os.listdir(tmp_path)) == ["dataset.zip", "faces"]


def test_every_kind_of_image_comes_out_as_rgb(shell: Shell, tmp_path: Path) -> None:
    for mode in ("L", "LA", "P", "RGBA", "1", "I;16"):
        picture(tmp_path / f"in/{mode[0]}{len(mode)}.png", mode)
    picture(tmp_path / "in/cmyk.jpg", "CMYK")
    picture(
        tmp_path / "in/turned.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0"
    )
    picture(tmp_path / "in/one.png", size=(1, 1))
    done = shell("find in | sort | animepack --size 32 -o x.zip")
    assert (done.returncode, done.stdout) == (0, "x.zip\n"), done.stderr
    assert {(i.size, i.mode) for i in images(tmp_path / "x.zip")} == {((32, 32), "RGB")}
    sizes = {r["path"]: (r["width"], r["height"]) for r in records(tmp_path / "x.zip")}
    assert len(sizes) == 9
    assert sizes["in/turned.jpg"] == (30, 40)


def test_fits_and_backgrounds(shell: Shell, tmp_path: Path) -> None:
    Image.new("RGBA", (64, 32), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert shell("animepack --size 32 --background '#ff0000' -o a.zip clear.png").returncode == 0
    (pad,) = images(tmp_path / "a.zip")
    assert pad.getextrema() == ((255, 255), (0, 0), (0, 0))
    Image.new("RGB", (64, 32), "blue").save(tmp_path / "wide.png")
    assert shell("animepack --size 32 --background '#ff0000' -o r.zip wide.png").returncode == 0
    (red,) = images(tmp_path / "r.zip")
    assert (red.getpixel((16, 7)), red.getpixel((16, 8))) == ((255, 0, 0), (0, 0, 255))
    assert shell("animepack --size 32 -o w.zip wide.png").returncode == 0
    (white,) = images(tmp_path / "w.zip")
    assert white.getpixel((16, 7)) == (255, 255, 255)
    assert shell("animepack --size 32 --fit cover -o b.zip clear.png").returncode == 0
    (cover,) = images(tmp_path / "b.zip")
    assert cover.getextrema() == ((255, 255),) * 3
    assert records(tmp_path / "b.zip")[0]["fit"]["source"] == [16, 0, 32, 32]
    assert shell("animepack --size 128 --no-enlarge -o c.zip clear.png").returncode == 0
    assert records(tmp_path / "c.zip")[0]["fit"]["target"] == [32, 48, 64, 32]


def test_enlarged_images_are_counted_where_there_are_any(shell: Shell, tmp_path: Path) -> None:
    sizes = {"a": (64, 64), "b": (40, 64), "c": (31, 64), "d": (20, 20)}
    for name, size in sizes.items():
        picture(tmp_path / f"in/{name}.png", size=size)
    for fit, count in (("pad", 1), ("cover", 2), ("stretch", 2)):
        done = shell(f"animepack --size 32 --fit {fit} -o {fit}.zip in")
        assert f"animepack: {count} of 4 images were smaller and are enlarged" in done.stderr
    assert "enlarged" not in shell("animepack --size 32 --no-enlarge -o n.zip in").stderr
    assert "enlarged" not in shell("animepack --size 20 -o s.zip in").stderr


def test_article_settings_give_jpegs(shell: Shell, tmp_path: Path) -> None:
    pictures(tmp_path / "in", 3)
    done = shell("find in | animepack --size 64 --fit pad --no-enlarge --quality 33")
    assert done.returncode == 0
    assert {(i.size, i.format) for i in images(tmp_path / "dataset.zip")} == {((64, 64), "JPEG")}


def test_folder_holds_the_same_files(shell: Shell, tmp_path: Path) -> None:
    pictures(tmp_path / "in", 5)
    done = shell(
        "animepack --size 32 -o dataset/ in; animepack -q --size 32 -o d.zip in; unzip -q d.zip -d z; diff -r z dataset"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "dataset\nd.zip\n"
    assert len(Images(str(tmp_path / "dataset"))) == 5


def test_unreadable_images_are_left_out_and_told(shell: Shell, tmp_path: Path) -> None:
    pictures(tmp_path / "in", 4)
    whole = (tmp_path / "in/x0001.png").read_bytes()
    (tmp_path / "in/x0001.png").write_bytes(whole[:1000])
    (tmp_path / "in/notes.txt").write_text("no image")
    line = "printf '%s\\n' in/* in/missing.png | animepack --size 32"
    done = shell(line)
    assert (done.returncode, done.stdout) == (1, "dataset.zip\n")
    told = done.stderr.splitlines()
    assert sum("in/x0001.png: " in one for one in told) == 1
    assert "animepack: in/missing.png: no such file or directory" in told
    assert told[-1].startswith("animepack: read 6 = kept 3 + rejected 0 + passed over 1")
    assert told[-1].endswith("failed 2")
    assert len(images(tmp_path / "dataset.zip")) == 3

    again = shell(line)
    assert (again.returncode, again.stdout) == (1, "dataset.zip\n")
    assert again.stderr.splitlines()[-1] == told[-1]

    (tmp_path / "in/x0001.png").write_bytes(whole)
    done = shell(line)
    assert done.returncode == 2
    assert "dataset.zip was made without in/x0001.png: choose another -o, or -f" in done.stderr
    assert shell(line + " -f").returncode == 1
    assert len(images(tmp_path / "dataset.zip")) == 4


def test_nothing_to_pack_is_refused(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = shell("find empty/ | animepack")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no images came in" in done.stderr
    (tmp_path / "notes.txt").write_text("no image")
    done = shell("animepack notes.txt")
    assert done.returncode == 2
    assert "none of the images could be packed" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["empty", "notes.txt"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "animepack --background blurple in",
            "--background: 'blurple' is not a color: write it as white or #ffffff",
        ),
        ("animepack --size 2 in", "--size is at least 4"),
        ("animepack --quality 0 in", "--quality is at least 1"),
        ("animepack -o in in", "in is a folder, but not a dataset"),
        ("touch x; animepack -o x in", "x is a file: end the name"),
        ("animepack -o in/0000.png in", "a .zip, or a folder, whose name cannot end in .png"),
        ("animepack -o data.tar.gz in", "a .zip, or a folder, whose name cannot end in .gz"),
        ("animepack -o d.TFRecords in", "a .zip, or a folder, whose name cannot end in .tfrecords"),
        ("animepack --size 64x32 in", "--size takes one number, not '64x32': Width and height"),
        ("animepack -o in/0000.png/x.zip in", "in/0000.png: file exists"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    shell: Shell, tmp_path: Path, line: str, reason: str
) -> None:
    pictures(tmp_path / "in", 1)
    done = shell(line)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert set(os.listdir(tmp_path)) <= {"in", "x"}


def test_other_settings_or_images_are_never_mixed(shell: Shell, tmp_path: Path) -> None:
    pictures(tmp_path / "in", 3)
    assert shell("animepack --size 32 in").returncode == 0
    before = (tmp_path / "dataset.zip").read_bytes()
    done = shell("animepack --size 64 in")
    assert done.returncode == 2
    assert (
        "dataset.zip was made with --size 32, this run is with --size 64: "
        "choose another -o, or -f to replace it" in done.stderr
    )
    picture(tmp_path / "in/z.png")
    assert shell("animepack --size 32 in").returncode == 2
    assert (tmp_path / "dataset.zip").read_bytes() == before
    assert shell("animepack --size 64 -f in").stdout == "dataset.zip\n"
    assert len(images(tmp_path / "dataset.zip")) == 4


def test_dry_run_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    pictures(tmp_path / "in", 3)
    done = shell("find in | animepack -n")
    assert (done.returncode, done.stdout) == (0, "dataset.zip\n")
    assert "3 images, about" in done.stderr
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize("name", ["d.zip", "d/"])
def test_dataset_is_never_packed_into_itself(shell: Shell, tmp_path: Path, name: str) -> None:
    pictures(tmp_path / "in", 3)
    line = f"find . | sort | animepack --size 32 -o {name}"
    assert shell(line).returncode == 0
    (tmp_path / "in/zzz.png").write_bytes((tmp_path / "in/0000.png").read_bytes())
    (tmp_path / ".d.part/00000").mkdir(parents=True)
    picture(tmp_path / ".d.part/00000/img00000000.png")
    done = shell(f"{line} -f")
    assert (done.returncode, done.stdout) == (0, name.rstrip("/") + "\n"), done.stderr
    assert len(Images(str(tmp_path / name))) == 4 + (name == "d.zip")


@pytest.mark.parametrize("name", ["faces.v2", "目" * 83 + "xx.zip", "n" * 255])
def test_folders_with_dots_and_long_names_are_made(shell: Shell, tmp_path: Path, name: str) -> None:
    picture(tmp_path / "a.png")
    done = shell(f"animepack --size 64 -o {name} a.png")
    assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr
    assert sorted(os.listdir(tmp_path)) == sorted(["a.png", name])


def test_size_that_no_stylegan_takes_is_remarked(shell: Shell, tmp_path: Path) -> None:
    pictures(tmp_path / "in", 1)
    done = shell("animepack --size 48 in")
    assert done.returncode == 0
    assert "48 is not a power of two" in done.stderr


def test_odd_names_and_facts_travel(shell: Shell, tmp_path: Path) -> None:
    names = [b"-dash.png", b"a b\nc.png", b"\xff\xfe.png", "\u732b.png".encode()]
    for name in names:
        picture(tmp_path / "in" / os.fsdecode(name))
    done = shell("find in -type f -print0 | sort -z | animepack -0 --size 16")
    assert (done.returncode, done.stdout) == (0, "dataset.zip\0")
    found = [os.fsencode(record["path"]) for record in records(tmp_path / "dataset.zip")]
    assert sorted(found) == sorted(b"in/" + name for name in names)
    assert shell("find in -type f -print0 | sort -z | animepack -0 --size 16").returncode == 0

    line = json.dumps({"path": "in/-dash.png", "source": "raw/7.jpg", "id": 7, "score": 0.5})
    (tmp_path / "list").write_text(line + "\n")
    assert shell("animepack --size 16 -o facts.zip < list").returncode == 0
    (record,) = records(tmp_path / "facts.zip")
    assert (record["source"], record["id"], record["score"]) == ("raw/7.jpg", 7, 0.5)
    assert (record["path"], record["width"]) == ("in/-dash.png", 40)


def test_order_is_the_lists_whatever_the_jobs(shell: Shell, tmp_path: Path) -> None:
    pictures(tmp_path / "in", 20)
    shell("animepack -j1 --size 32 -o a.zip in; animepack -j8 --unordered --size 32 -o b.zip in")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize("name", ["d.zip", "d"])
def test_killed_runs_go_on_and_end_in_the_same_bytes(
    shell: Shell, tmp_path: Path, name: str
) -> None:
    pictures(tmp_path / "in", 60)
    (tmp_path / "in/0007.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    command = [str(ROOT / "bin/animepack"), "-q", "--size", "256", "-o", name, "in"]
    part = tmp_path / f".{name}.part"
    kept = 0
    for _ in range(2):
        run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
        while _packed(part) < kept + 8:
            assert run.poll() is None
            time.sleep(0.005)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert not (tmp_path / name).exists()
        kept = _packed(part)
    second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (second.returncode, second.stdout) == (1, f"{name}\n")
    fresh = shell("mkdir fresh; cd fresh; ln -s ../in in; animepack -q --size 256 -o d.zip in")
    assert fresh.returncode == 1
    assert second.stderr.count("0007.png") == 1
    if name == "d":
        assert shell("unzip -q fresh/d.zip -d z && diff -r z d").returncode == 0
    else:
        assert (tmp_path / name).read_bytes() == (tmp_path / "fresh/d.zip").read_bytes()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def _packed(part: Path) -> int:
    """About how many images a part holds."""
    if part.is_dir():
        return sum(1 for _ in part.glob("*/*"))
    return part.stat().st_size // 5000 if part.exists() else 0


def test_second_process_is_told(shell: Shell, tmp_path: Path) -> None:
    pictures(tmp_path / "in", 2)
    command = [str(ROOT / "bin/animepack"), "-q", "--size", "32"]
    pipe = subprocess.PIPE
    first = subprocess.Popen(command, cwd=tmp_path, stdin=pipe, stdout=pipe, text=True)
    while not (tmp_path / ".dataset.zip.part").exists():
        time.sleep(0.01)
    second = shell("animepack --size 32 in")
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr == "animepack: dataset.zip is being made by another process\n"
    assert (
        first.communicate("\n".join(f"in/{name}" for name in os.listdir(tmp_path / "in")))[0]
        == "dataset.zip\n"
    )


def test_full_disk_is_told_before_work_starts(shell: Shell, tmp_path: Path) -> None:
    pictures(tmp_path / "in", 30)
    (tmp_path / "disk").mkdir()
    if shell("mount -t tmpfs -o size=512k none disk").returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        done = shell("animepack -o disk/d.zip in")
        assert done.returncode == 2
        assert "not enough free disk space" in done.stderr
        assert os.listdir(tmp_path / "disk") == []
    finally:
        shell("umount disk")


@pytest.mark.skipif(not REAL.exists(), reason="no real images here")
def test_real_images(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"find {REAL} -type f | sort | head -8 | animepack --size 128")
    assert (done.returncode, done.stdout) == (0, "dataset.zip\n")
    assert {(i.size, i.mode) for i in images(tmp_path / "dataset.zip")} == {((128, 128), "RGB")}


def test_a_folder_that_lost_an_image_is_no_dataset(shell: Shell, tmp_path: Path) -> None:
    for n in range(3):
        picture(tmp_path / f"{n}.png")
    assert shell("animepack --size 16 -o d *.png").returncode == 0
    shell("rm d/00000/img00000001.png")
    done = shell("animepack --size 16 -o d *.png")
    assert done.returncode == 2
    assert "d is damaged: it holds 2 of 3 images" in done.stderr


def test_a_dry_run_accounts_for_its_inputs(shell: Shell, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    assert "read 1 = kept 1" in shell("animepack -n a.png").stderr

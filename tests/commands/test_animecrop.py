"""animecrop, through real pipes."""

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from animetools.images import nvxs
from animetools.images.faces import choose_detector
from animetools.images.files import read_rgb
from tests.conftest import REAL, Shell
from tests.images.cascades import old_form

CASCADE = REAL.parent / "lbpcascade_animeface.xml"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no real images here")
needs_nvxs = pytest.mark.skipif(not nvxs.is_installed(), reason="no wheel of animeface here")

NO_NETWORK = "export https_proxy=http://127.0.0.1:1 XDG_CACHE_HOME=$PWD/cache; "


def face(side: int = 144) -> nvxs.Pixels:
    """The drawn face, on a square of its own."""
    grey = cv2.resize(nvxs.drawn_face(), (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB).astype(np.uint8)


def picture(*places: tuple[int, int], size: tuple[int, int] = (700, 400)) -> Image.Image:
    """White, with drawn faces at these places."""
    canvas = Image.new("RGB", size, "white")
    for place in places:
        canvas.paste(Image.fromarray(face()), place)
    return canvas


def records(text: str) -> list[dict[str, Any]]:
    """The lines of --json."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """One face, two faces side by side, none, and a text."""
    folder = tmp_path / "raw"
    folder.mkdir()
    picture((240, 100)).save(folder / "one.png")
    picture((100, 100), (280, 100)).save(folder / "two.png")
    picture().save(folder / "none.png")
    (folder / "notes.txt").write_text("no picture\n")
    return folder


@needs_nvxs
def test_faces_become_files(shell: Shell, raw: Path, tmp_path: Path) -> None:
    done = shell("find raw/ -type f | sort | animecrop --detector nvxs")
    assert done.returncode == 0, done.stderr
    paths = ["faces/raw/one.png.0.png", "faces/raw/two.png.0.png", "faces/raw/two.png.1.png"]
    assert done.stdout.splitlines() == paths
    assert done.stderr.splitlines()[-1] == (
        "animecrop: read 4 = kept 2 (3 written) + rejected 1 (1 no face) + "
        "passed over 1 (1 not an image by name or content) + failed 0"
    )
    for path in paths:
        with Image.open(tmp_path / path) as image:
            assert image.mode == "RGB"
            assert image.width == image.height > 150


@needs_nvxs
def test_a_record_says_where_the_face_is(shell: Shell, raw: Path, tmp_path: Path) -> None:
    done = shell("animecrop --detector nvxs --json --margin 0 raw/one.png")
    (record,) = records(done.stdout)
    assert record["source"] == "raw/one.png"
    assert record["detector"] == "nvxs"
    assert 0.5 <= record["score"] <= 1
    x, y, width, height = record["box"]
    assert width == height
    assert abs(x + width / 2 - 312) < 20
    assert set(record["landmarks"]) == {"left_eye", "right_eye", "nose", "mouth", "chin"}
    source = read_rgb(str(raw / "one.png"))
    assert record["source_size"] == [source.shape[1], source.shape[0]]
    assert len(record["source_hash"]) == 64
    assert record["crop"] == record["box"]
    crop = read_rgb(str(tmp_path / record["path"]))
    assert np.array_equal(crop, source[y : y + height, x : x + width])


@needs_nvxs
def test_sidecars_are_copied_beside_each_crop_on_request(
    shell: Shell, raw: Path, tmp_path: Path
) -> None:
    (raw / "two.txt").write_text("two girls")
    (raw / "two.png.json").write_text("{}")
    (raw / "none.txt").write_text("nobody")
    shell("animecrop --detector nvxs -o plain raw/")
    assert not list((tmp_path / "plain/raw").glob("*.txt"))
    done = shell("animecrop --detector nvxs --sidecars raw/")
    assert done.stdout.split() == [
        f"faces/raw/{n}.png" for n in ("one.png.0", "two.png.0", "two.png.1")
    ]
    made = {path.name: path.read_text() for path in (tmp_path / "faces/raw").glob("two*[!g]")}
    assert made == {
        **{f"two.png.{n}.txt": "two girls" for n in (0, 1)},
        **{f"two.png.{n}.png.json": "{}" for n in (0, 1)},
    }
    assert shell("find faces -name '*.part'").stdout == ""
    (raw / "one.txt").write_bytes(bytes((1 << 24) + 1))
    (tmp_path / "faces/raw/two.png.1.txt").unlink()
    again = shell(
        "animecrop --detector nvxs --sidecars raw/two.png; animecrop --sidecars -f raw/one.png"
    )
    assert (tmp_path / "faces/raw/two.png.1.txt").read_text() == "two girls"
    assert "raw/one.txt is too large" in again.stderr
    assert again.returncode == 1


@needs_nvxs
def test_a_dry_run_says_the_same_and_writes_nothing(
    shell: Shell, raw: Path, tmp_path: Path
) -> None:
    dry = shell("animecrop --detector nvxs --json -n raw/")
    assert not (tmp_path / "faces").exists()
    assert dry.stdout == shell("animecrop --detector nvxs --json raw/").stdout != ""


@needs_nvxs
@pytest.mark.parametrize(
    ("options", "count", "reason"),
    [
        ("--min-size 0", 2, ""),
        ("--min-size 300", 0, "1 face too small"),
        ("--largest", 1, ""),
        ("--max-faces 1", 1, ""),
        ("--one-face --margin 0.1", 2, ""),
        ("--one-face --margin 1.5", 0, "1 second face in the crop"),
        ("--one-face --margin 0.1 --max-faces 1", 1, ""),
    ],
)
def test_which_faces(shell: Shell, raw: Path, options: str, count: int, reason: str) -> None:
    done = shell(f"animecrop --detector nvxs -n {options} raw/two.png")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == count
    assert reason in done.stderr


@needs_nvxs
def test_largest_is_by_area(shell: Shell, tmp_path: Path) -> None:
    canvas = picture((400, 100))
    canvas.paste(Image.fromarray(face(112)), (40, 100))
    canvas.save(tmp_path / "it.png")
    every = records(shell("animecrop --detector nvxs -n --json --min-size 64 it.png").stdout)
    assert len(every) == 2
    (record,) = records(
        shell("animecrop --detector nvxs -n --json --min-size 64 --largest it.png").stdout
    )
    assert record["box"][0] > 380


@needs_nvxs
@pytest.mark.parametrize(
    ("options", "scale"),
    [("--margin 0", 1), ("--margin 50%", 2), ("--portrait", 2), ("--portrait --margin 3", 2)],
)
def test_how_wide(shell: Shell, tmp_path: Path, options: str, scale: float) -> None:
    picture((400, 400), size=(1000, 1000)).save(tmp_path / "it.png")
    (record,) = records(shell(f"animecrop --detector nvxs --json {options} it.png").stdout)
    with Image.open(tmp_path / record["path"]) as image:
        assert image.size == (scale * record["box"][2], scale * record["box"][3])


@needs_nvxs
def test_beyond_the_edge(shell: Shell, tmp_path: Path) -> None:
    canvas = picture((4, 4), size=(500, 300))
    canvas.putpixel((0, 299), (255, 0, 0))
    canvas.save(tmp_path / "it.png")
    line = "animecrop --detector nvxs --portrait --background '#00ff00' it.png -o "
    crops = {}
    for border in ("shift", "pad", "reflect", "blur", "clip"):
        assert shell(f"{line}{border} --border {border}").returncode == 0
        crops[border] = read_rgb(str(tmp_path / border / "it.png.0.png"))
    green = {border: (pixels == (0, 255, 0)).all(axis=2).sum() for border, pixels in crops.items()}
    assert {border for border, count in green.items() if count} == {"pad"}
    assert green["pad"] > 1000
    height, width = crops["pad"].shape[:2]
    for border in ("shift", "reflect", "blur"):
        assert crops[border].shape == (height, width, 3)
    assert green["pad"] == height * width - crops["clip"].shape[0] * crops["clip"].shape[1]
    assert not np.array_equal(crops["reflect"], crops["blur"])


@needs_nvxs
@pytest.mark.parametrize("options", ["--portrait", "--align --portrait", "--align --margin 2"])
def test_nothing_is_filled_up_where_a_smaller_frame_holds_the_face(
    shell: Shell, tmp_path: Path, options: str
) -> None:
    for name, place, size in (
        ("left", (0, 40), (500, 220)),
        ("low", (300, 90), (460, 234)),
        ("narrow", (8, 300), (160, 600)),
    ):
        picture(place, size=size).save(tmp_path / f"{name}.png")
    done = shell(f"animecrop --detector nvxs --min-size 0 {options} *.png")
    assert done.returncode == 0, done.stderr
    for name in ("left", "low", "narrow"):
        crop = read_rgb(str(tmp_path / f"faces/{name}.png.0.png"))
        assert crop.shape[0] == crop.shape[1] >= 100
        (again,) = choose_detector("nvxs")(crop)
        assert min(again.box[2:]) > 80


@needs_nvxs
def test_a_person_is_told_what_size_would_do(shell: Shell, raw: Path) -> None:
    done = shell("animecrop -v --detector nvxs --min-size 300 raw/one.png")
    said, account = done.stderr.splitlines()
    assert re.fullmatch(
        r"animecrop: raw/one.png: face too small \(--min-size\) 1\d\d px, --min-size 300", said
    )
    assert "rejected 1 (1 face too small (--min-size))" in account


@needs_nvxs
def test_jpeg(shell: Shell, raw: Path, tmp_path: Path) -> None:
    sizes = []
    for quality in (30, 95):
        line = (
            f"animecrop --detector nvxs --format jpg --quality {quality} raw/one.png -o {quality}"
        )
        done = shell(line)
        assert done.stdout == f"{quality}/raw/one.png.0.jpg\n"
        with Image.open(tmp_path / done.stdout.strip()) as image:
            assert image.format == "JPEG"
        sizes.append((tmp_path / done.stdout.strip()).stat().st_size)
    assert sizes[0] < sizes[1]


@needs_nvxs
def test_orientation_is_obeyed_and_alpha_laid_on_the_background(
    shell: Shell, tmp_path: Path
) -> None:
    upright = picture((240, 100))
    upright.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    clear = upright.convert("RGBA")
    clear.putalpha(Image.fromarray((np.asarray(upright.convert("L")) < 255).astype(np.uint8) * 255))
    clear.save(tmp_path / "clear.png")
    for name in ("upright", "turned", "clear"):
        assert shell(f"animecrop --detector nvxs --json {name}.png > {name}.json").returncode == 0
    crops = [
        read_rgb(str(tmp_path / f"faces/{name}.png.0.png"))
        for name in ("upright", "turned", "clear")
    ]
    assert np.array_equal(crops[0], crops[1])
    assert np.array_equal(crops[0], crops[2])
    boxes = [
        json.loads((tmp_path / f"{name}.json").read_text())["box"] for name in ("upright", "turned")
    ]
    assert boxes[0] == boxes[1]


@needs_nvxs
def test_aligned_eyes_are_level(shell: Shell, tmp_path: Path) -> None:
    turned = picture((240, 100)).rotate(18, Image.Resampling.BICUBIC, fillcolor="white")
    turned.save(tmp_path / "it.png")
    shell("animecrop --detector nvxs --min-size 64 --align --margin 0.5 it.png -o aligned")
    shell("animecrop --detector nvxs --min-size 64 --margin 0.5 it.png -o plain")
    leaning = {}
    for name in ("aligned", "plain"):
        crop = read_rgb(str(tmp_path / name / "it.png.0.png"))
        (found,) = choose_detector("nvxs")(crop)
        assert found.landmarks
        (left, low), (right, high) = found.landmarks["left_eye"], found.landmarks["right_eye"]
        leaning[name] = abs(np.degrees(np.arctan2(low - high, left - right)))
    assert leaning["aligned"] < 8 < leaning["plain"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--background nocolor",
            "--background: 'nocolor' is not a color: write it as white or #ffffff",
        ),
        ("--detector lbp --cascade none.xml", "--cascade none.xml cannot be read"),
        (
            "--cascade raw/notes.txt",
            "--cascade raw/notes.txt is not a cascade that OpenCV can read",
        ),
        ("--min-size -1", "--min-size is at least 0"),
        ("--detector cascade", "--detector is one of auto, points, lbp, nvxs, onnx"),
        ("--border mirror", "--border is one of shift, pad, reflect, blur, clip"),
        ("--quality 101 --format jpg", "--quality is at most 100"),
    ],
)
def test_wrong_options_are_told_before_the_first_image(
    shell: Shell, raw: Path, tmp_path: Path, options: str, message: str
) -> None:
    done = shell(f"{NO_NETWORK} animecrop {options} raw/one.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "faces").exists()


@needs_nvxs
def test_without_the_network_auto_says_so_once_and_goes_on(shell: Shell, raw: Path) -> None:
    done = shell(f"{NO_NETWORK} animecrop raw/")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3
    advice, account = done.stderr.splitlines()
    assert "cannot be fetched" in advice
    assert advice.endswith("going on without the lbp detector")
    assert account.startswith("animecrop: read 4")


def test_without_the_network_lbp_names_the_cure(shell: Shell, raw: Path) -> None:
    done = shell(f"{NO_NETWORK} animecrop --detector lbp raw/")
    assert (done.returncode, done.stdout) == (2, "")
    assert "raw.githubusercontent.com" in done.stderr
    assert "--cascade FILE" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@needs_nvxs
def test_a_bomb_is_refused(shell: Shell, tmp_path: Path) -> None:
    picture((240, 100)).save(tmp_path / "it.png")
    done = shell("animecrop --detector nvxs --max-pixels 200k it.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert "it.png: image of 700x400 pixels, more than --max-pixels" in done.stderr


@needs_nvxs
def test_a_cascade_of_the_old_form_is_taken(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "old.xml").write_text(old_form())
    canvas = Image.new("RGB", (500, 400), "black")
    canvas.paste("white", (150, 100, 300, 250))
    canvas.save(tmp_path / "it.png")
    done = shell("animecrop --detector lbp --cascade old.xml --json it.png")
    assert done.returncode == 0, done.stderr
    (record,) = records(done.stdout)
    assert abs(record["box"][0] + record["box"][2] / 2 - 225) < 20
    assert len(done.stderr.splitlines()) == 1


def test_lbp_alone_makes_what_any_detector_does(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "old.xml").write_text(old_form())
    canvas = Image.new("RGB", (900, 900), "black")
    canvas.paste("white", (375, 375, 525, 525))
    canvas.save(tmp_path / "it.png")
    line = "animecrop --detector lbp --cascade old.xml --json --portrait --format jpg"
    dry = shell(f"{line} -n it.png")
    assert not (tmp_path / "faces").exists()
    done = shell(f"{line} it.png")
    assert (done.returncode, done.stdout) == (0, dry.stdout), done.stderr
    (record,) = records(done.stdout)
    assert (record["path"], record["detector"]) == ("faces/it.png.0.jpg", "lbp")
    assert "landmarks" not in record
    with Image.open(tmp_path / record["path"]) as image:
        assert image.size == (2 * record["box"][2], 2 * record["box"][3])
    again = shell(f"{line} it.png")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    other = shell(f"{line} --margin 1 --border pad it.png")
    assert (other.returncode, other.stdout) == (2, "")


@needs_nvxs
def test_every_face_of_a_webtoon_is_found(shell: Shell, tmp_path: Path) -> None:
    picture(*((60, y) for y in range(100, 8000, 800)), size=(280, 8000)).save(tmp_path / "it.png")
    done = shell(f"{NO_NETWORK} animecrop --min-size 64 --json it.png")
    assert [
        r["box"][1] // 800 for r in sorted(records(done.stdout), key=lambda r: r["box"][1])
    ] == [*range(10)]


@needs_nvxs
@needs_real
def test_real_pictures_in_the_order_of_the_input(shell: Shell) -> None:
    names = ["p109_lllyasviel.jpg", "n295_xinntao.png", "p005_kiteretsu77.png", "p074_kanosawa.png"]
    listed = "\n".join(str(REAL / name) for name in names)
    done = shell(f"echo '{listed}' | animecrop -n --json --min-size 64 --cascade '{CASCADE}' -j 4")
    found = records(done.stdout)
    order = [names.index(Path(record["source"]).name) for record in found]
    assert order == sorted(order)
    assert [order.count(n) for n in range(4)] == [1, 0, 1, 5]
    assert {record["detector"] for record in found} == {"lbp", "points"}
    scores = [record["score"] for record in found if "p074" in record["source"]]
    assert scores == sorted(scores, reverse=True)


@needs_nvxs
def test_limits_are_not_settings(shell: Shell, raw: Path) -> None:
    first = shell("animecrop --detector nvxs --max-pixels 1M raw")
    assert (first.returncode, first.stdout.count("\n")) == (0, 3), first.stderr
    again = shell("animecrop --detector nvxs --max-pixels 2M raw")
    assert (again.returncode, again.stdout) == (first.returncode, first.stdout)


@needs_nvxs
def test_what_was_made_without_a_detector_stays_and_is_told(shell: Shell, raw: Path) -> None:
    if not CASCADE.exists():
        pytest.skip("no cascade without the network")
    first = shell(f"{NO_NETWORK} animecrop raw")
    assert first.stdout
    (raw / "more.png").write_bytes((raw / "one.png").read_bytes())
    cached = f"mkdir -p cache/animetools; cp '{CASCADE}' cache/animetools/; {NO_NETWORK}"
    done = shell(f"{cached} animecrop raw")
    assert done.returncode == 0
    assert set(first.stdout.splitlines()) < set(done.stdout.splitlines())
    assert done.stderr.splitlines()[0] == (
        "animecrop: faces: outputs made with points and nvxs stay; new ones are made with points,"
        " lbp and nvxs (-f makes all again)"
    )
    back = shell(f"rm -r cache; {NO_NETWORK} animecrop raw")
    assert (back.returncode, back.stdout) == (0, done.stdout)
    other = shell(f"{NO_NETWORK} animecrop --detector nvxs raw")
    assert (other.returncode, other.stdout) == (2, "")
    assert "was made with --detector auto, this run is with --detector nvxs" in other.stderr


@needs_nvxs
@pytest.mark.parametrize(
    ("made", "again", "other"),
    [
        ("", "--quality 80", "--format jpg"),
        ("--portrait", "--portrait --margin 1", "--margin 1"),
        ("--format jpg", "--format jpg --max-pixels 1M", "--format jpg --quality 80"),
    ],
)
def test_only_options_that_matter_tell_two_runs_apart(
    shell: Shell, raw: Path, made: str, again: str, other: str
) -> None:
    first = shell(f"{NO_NETWORK} animecrop {made} raw/one.png")
    assert first.stdout
    done = shell(f"{NO_NETWORK} animecrop {again} raw/one.png")
    assert (done.returncode, done.stdout) == (0, first.stdout), done.stderr
    done = shell(f"{NO_NETWORK} animecrop {other} raw/one.png")
    assert (done.returncode, done.stdout) == (2, "")


@needs_nvxs
def test_a_crop_keeps_the_tags_that_speak_of_its_face(shell: Shell, raw: Path) -> None:
    tags = [["blue_eyes", "general", 1], ["skirt", "general", 1], ["reimu", "character", 0.9]]
    kept = [tags[0], tags[2]]
    facts = {"id": "7", "rating": "s", "tags": tags}
    (raw.parent / "list").write_text(json.dumps({"path": "raw/two.png"} | facts))
    for options in ("-n", "", ""):  # not written, written, made already
        found = records(shell(f"animecrop --detector nvxs --json {options} - < list").stdout)
        assert [record["tags"] for record in found] == [kept, kept]
        assert [(record["id"], record["rating"]) for record in found] == [("7", "s")] * 2
    assert "tags" not in shell("animecrop --detector nvxs --json raw/one.png").stdout
    (raw.parent / "list").write_text(json.dumps({"path": "raw/one.png"} | facts))
    (record,) = records(shell("animecrop --detector nvxs --json - < list").stdout)
    assert record["tags"] == kept  # though the crop was made without them


@needs_nvxs
def test_malformed_tags_of_a_record_are_an_error(shell: Shell, raw: Path) -> None:
    made = shell("animecrop --detector nvxs raw/two.png")
    lines = [json.dumps({"path": f"raw/{name}.png", "tags": "x"}) for name in ("one", "two")]
    (raw.parent / "list").write_text("\n".join(lines))
    done = shell("animecrop --detector nvxs - < list")
    assert (made.returncode, done.returncode, done.stdout) == (0, 1, "")
    reason = "its record's tags are not a list of [name, category, probability]"
    assert done.stderr.splitlines()[0] == f"animecrop: raw/one.png: {reason}"
    assert not (raw.parent / "faces/raw/one.png.0.png").exists()


@needs_nvxs
def test_what_a_record_says_passes_through_the_other_commands(shell: Shell, raw: Path) -> None:
    facts = {
        "id": "7",
        "md5": "0f",
        "created_at": "2005-05-24",
        "rating": "s",
        "tags": [["smile", "general", 1]],
    }
    (raw.parent / "list").write_text(json.dumps({"path": "raw/one.png"} | facts))
    crop = "animecrop --detector nvxs --json - < list"
    clean = "animeclean --keep-grey --min-colors 1 --json"
    done = shell(
        f"{crop} | {clean} | animeupscale --json --below 8 | tee up | animepack --size 32 -o set"
    )
    assert done.returncode == 0, done.stderr
    for text in ((raw.parent / "up").read_text(), (raw.parent / "set/metadata.jsonl").read_text()):
        assert facts.items() <= records(text)[0].items()

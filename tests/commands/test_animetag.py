"""animetag from outside, with small taggers in ONNX files."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animetools.cli import Item, Output
from animetools.commands.animetag import TagOptions, decode, load, tag
from animetools.errors import ItemError
from animetools.images.files import encode_png
from animetools.tagging.default import DefaultTagger
from tests.conftest import ROOT, Shell
from tests.quick import quick
from tests.tagging.taggers import WD, write_deepdanbooru, write_wd

COLORS = {"red": (255, 0, 0), "blue": (0, 0, 255), "grey": (99, 99, 99)}
BLUE = "blue_theme, solo, hatsune_miku, 1girl, general, hair_flower, hair_ornament, >_<\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Three pictures below in/, and taggers in wd/ and dd/."""
    (tmp_path / "in/sub").mkdir(parents=True)
    for n, (name, color) in enumerate(COLORS.items()):
        pixels = np.full((40, 30 + n, 3), color, np.uint8)
        (tmp_path / "in" / ("sub" * (n == 2)) / f"{name}.png").write_bytes(encode_png(pixels))
    write_wd(tmp_path / "wd")
    write_deepdanbooru(tmp_path / "dd")
    return tmp_path


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def names(record: dict[str, Any]) -> list[str]:
    return [name for name, _, _ in record["tags"]]


def test_paths_come_out_as_they_went_in_and_records_with_tags(shell: Shell, here: Path) -> None:
    listed = "in/red.png\n./in//blue.png\nin/sub/grey.png\n"
    (here / "list").write_text(listed)
    done = shell("animetag -m wd/model.onnx -j 3 < list")
    assert (done.returncode, done.stdout) == (0, listed), done.stderr
    assert done.stderr == "animetag: read 3 = kept 3 + rejected 0 + passed over 0 + failed 0\n"

    done = shell("animetag -m wd/model.onnx --dtype fp32 --json < list")
    red, blue, grey = records(done.stdout)
    rounded = records(shell("animetag -m wd/model.onnx --json < list").stdout)
    for exact, close in zip((red, blue, grey), rounded, strict=True):
        ours, theirs = (dict((name, p) for name, _, p in r["tags"]) for r in (exact, close))
        assert ours == pytest.approx(theirs, abs=0.01)
    assert [r["path"] for r in (red, blue, grey)] == listed.split()
    assert blue["tags"][0] == ["blue_theme", "general", 0.9998]
    assert names(blue) == BLUE.strip().split(", ")
    assert "red_theme" in names(red) and "blue_theme" not in names(red)
    for record in (red, blue, grey):
        found = [probability for _, _, probability in record["tags"]]
        assert found == sorted(found, reverse=True)
        by_category = {name: (category, p) for name, category, p in record["tags"]}
        assert by_category["hatsune_miku"] == ("character", 0.9241)
        assert by_category["general"] == ("rating", 0.7311)
        assert "kagamine_rin" not in by_category  # 0.73 is below a character's threshold
        assert "sensitive" not in by_category  # nor is it the largest rating
    assert not list(here.glob("in/**/*.txt"))


def test_thresholds_categories_and_lists_choose(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    (here / "black.txt").write_text("# colors\nred theme\n\nnever\n")
    (here / "own.jsonl").write_text(
        '{"antecedent_name": "1girl", "consequent_name": "solo", "status": "active"}\n'
    )

    def found(**how: Any) -> list[str]:
        options = TagOptions(model="wd/model.onnx", **how)
        item = Item("in/red.png")
        (answer,) = load(options, "cpu")([decode(options, "cpu", item)])
        assert not isinstance(answer, ItemError)
        (tagged,) = tag(options, "cpu", 0, False, answer, item, Output())
        return names(tagged.facts)

    assert found(threshold=0.9) == ["red_theme", "solo", "hatsune_miku", "general"]
    assert found(threshold=0.9, character_threshold=0.7)[-1] == "kagamine_rin"
    assert found(general=False, rating=False) == ["hatsune_miku"]
    assert found(general=False, character=False) == ["general"]
    assert found(threshold=0.9, exclude="hatsune miku, general") == ["red_theme", "solo"]
    everything = ["solo", "1girl", "hair_flower", "hair_ornament", ">_<", "blue_theme"]
    assert found(threshold=0, blacklist="black.txt", rating=False, character=False) == everything
    assert "hair_ornament" not in found(prune=True)
    pruned = found(prune=True, implications="own.jsonl")
    assert "hair_ornament" in pruned and "solo" not in pruned


def test_deepdanbooru_has_its_own_thresholds_and_ratings(shell: Shell, here: Path) -> None:
    (red,) = records(shell("animetag -m dd/model.onnx --json in/red.png").stdout)
    assert red["tags"][0][:2] == ["red_theme", "general"]
    assert ["kagamine_rin", "character", 0.7311] in red["tags"]
    assert ["rating:safe", "rating", 0.7311] in red["tags"]
    assert ">_<" not in names(red)


def test_the_tagger_that_ships_says_the_same_however_it_is_run(here: Path) -> None:
    drawn = quick("animedraw --count 4 --portraits 128", here).stdout.split()
    for path in drawn:
        (here / path).rename(here / "in" / os.path.basename(path))
    done = quick("animetag --json in", here)
    assert (done.returncode, len(records(done.stdout))) == (0, 7), done.stderr
    assert quick("animetag --json -j 1 in", here).stdout == done.stdout
    known = {(name, category) for name, category in DefaultTagger().names}
    for record in records(done.stdout):
        assert {(name, category) for name, category, _ in record["tags"]} <= known
        assert all(0 < probability <= 1 for _, _, probability in record["tags"])
    portraits = [r for r in records(done.stdout) if r["path"][3:4].isdigit()]
    assert all(any(name.endswith("_hair") for name in names(record)) for record in portraits)
    one = quick("animetag --json in/sub", here).stdout
    assert one == done.stdout.splitlines(keepends=True)[-1]


def test_tags_of_a_record_are_replaced_or_kept(shell: Shell, here: Path) -> None:
    (here / "list").write_text(
        '{"path": "in/red.png", "id": 7, "tags": [["me", "artist", 1], ["solo", "general", 1]]}\n'
        '{"path": "in/blue.png", "tags": "solo, smile"}\n'
    )
    (here / "own").write_text(
        '{"path": "in/red.png", "tags": [["hair_ornament", "general", 1],'
        ' ["star_hair_ornament", "general", 1]]}\n'
    )
    red, _ = records(shell("animetag -m wd/model.onnx --json < list").stdout)
    assert red["id"] == 7
    assert "me" not in names(red)
    done = shell("animetag -m wd/model.onnx --append --json < list")
    (red,) = records(done.stdout)
    (pruned,) = records(shell("animetag -m wd/model.onnx --append --prune --json < own").stdout)
    assert names(pruned)[:2] == ["star_hair_ornament", "red_theme"]
    assert "hair_ornament" not in names(pruned)
    assert red["tags"][:3] == [
        *(["me", "artist", 1], ["solo", "general", 1]),
        ["red_theme", "general", 0.9997],
    ]
    assert names(red).count("solo") == 1
    assert done.returncode == 1
    assert "in/blue.png: its record's tags are not a list of [name, " in done.stderr


def test_captions_stand_beside_the_images_or_below_a_folder(shell: Shell, here: Path) -> None:
    line = f"animetag -m wd/model.onnx --captions in {here}/in/red.png"
    done = shell(f"{line} -o out")
    assert (done.returncode, done.stdout.count("\n")) == (0, 4), done.stderr
    paths = ["in/blue.txt", "in/red.txt", "in/sub/grey.txt"]
    for name in [*paths, f"{str(here)[1:]}/in/red.txt"]:
        assert (here / "out" / name).is_file()
    assert not list((here / "in").rglob("*.txt"))
    assert shell(line).returncode == 0
    before = {path: path.stat().st_ctime_ns for path in here.rglob("*.txt")}
    assert {str(path.relative_to(here / "in")) for path in (here / "in").rglob("*.txt")} == {
        name.removeprefix("in/") for name in paths
    }
    assert (here / "in/blue.txt").read_text() == BLUE
    assert (here / "out/in/blue.txt").read_text() == BLUE
    for again in (line, f"{line} -o out"):  # changes nothing
        assert shell(again).returncode == 0
    assert {path: path.stat().st_ctime_ns for path in here.rglob("*.txt")} == before


def test_captions_as_trainers_want_them(shell: Shell, here: Path) -> None:
    done = shell(
        "animetag -m wd/model.onnx --captions --prepend 'my waifu,' --replace-underscores --prune"
        " --order training in"
    )
    assert done.returncode == 0, done.stderr
    assert (here / "in/blue.txt").read_text() == (
        "my waifu, 1girl, solo, hatsune miku, blue theme, hair flower, >_<, general\n"
    )


def test_a_caption_that_exists_fails_its_image_alone(shell: Shell, here: Path) -> None:
    (here / "in/red.txt").write_text("by hand")
    line = "animetag -m wd/model.onnx --captions --no-general --no-rating in"
    done = shell(line)
    assert (done.returncode, done.stdout) == (1, "in/blue.png\nin/sub/grey.png\n")
    assert done.stderr.splitlines()[0] == (
        "animetag: in/red.png: in/red.txt exists: -f overwrites it, --append adds to it"
    )
    assert (here / "in/red.txt").read_text() == "by hand"
    for _ in range(2):
        assert shell(f"{line} --append").returncode == 0
        assert (here / "in/red.txt").read_text() == "by hand, hatsune_miku\n"
    assert shell(f"{line} -f").returncode == 0
    assert (here / "in/red.txt").read_text() == "hatsune_miku\n"


def test_a_dry_run_writes_nothing(shell: Shell, here: Path) -> None:
    (here / "in/red.txt").write_text("by hand")
    before = sorted(map(str, here.rglob("*")))
    done = shell("animetag -m wd/model.onnx --captions -n in")
    assert (done.returncode, done.stdout) == (1, "in/blue.png\nin/sub/grey.png\n")
    assert sorted(map(str, here.rglob("*"))) == before


def test_two_images_never_share_a_caption(shell: Shell, here: Path) -> None:
    (here / "in/red.jpg").write_bytes((here / "in/blue.png").read_bytes())
    done = shell("animetag -m wd/model.onnx --captions -f in/red.png in/red.jpg in/red.png")
    assert done.returncode == 1
    assert "in/red.txt was just written for another image: rename one of the two" in done.stderr
    tags = (here / "in/red.txt").read_text()
    assert done.stdout in ("in/red.png\nin/red.png\n", "in/red.jpg\n")
    assert tags.startswith("red_theme" if "png" in done.stdout else "blue_theme")


def test_a_tag_with_a_comma_fails_where_it_would_be_written(shell: Shell, here: Path) -> None:
    write_wd(here / "wd", WD | {"so": WD["solo"], "with_comma": WD["solo"]})
    csv = here / "wd/selected_tags.csv"
    csv.write_text(csv.read_text().replace("with_comma", '"a,b"'))
    assert "a,b" in names(records(shell("animetag -m wd/model.onnx --json in/red.png").stdout)[0])
    done = shell("animetag -m wd/model.onnx --captions in/red.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the tag 'a,b' does not fit in a caption" in done.stderr
    (here / "black").write_text("a,b\n")
    done = shell("animetag -m wd/model.onnx --captions --blacklist black in/red.png")
    assert done.returncode == 0, done.stderr


def test_bad_images_cost_one_line_each(shell: Shell, here: Path) -> None:
    (here / "in/cut.png").write_bytes((here / "in/red.png").read_bytes()[:60])
    (here / "in/notes.txt").write_text("text")
    done = shell("animetag -m wd/model.onnx --captions in gone.png")
    assert (done.returncode, done.stdout) == (1, "in/blue.png\nin/red.png\nin/sub/grey.png\n")
    assert done.stderr.count("\n") == 3
    assert "animetag: in/cut.png: " in done.stderr
    assert "animetag: gone.png: no such file or directory" in done.stderr
    assert not (here / "in/cut.txt").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_costs_one_line_with_the_cure(shell: Shell, here: Path) -> None:
    (here / "in/sub").chmod(0o555)
    done = shell("animetag -m wd/model.onnx --captions in")
    (here / "in/sub").chmod(0o755)
    assert (done.returncode, done.stdout) == (1, "in/blue.png\nin/red.png\n")
    assert "in/sub/grey.txt cannot be written: permission denied (-o puts captions" in done.stderr


def test_a_file_in_the_way_of_a_folder_is_one_line(shell: Shell, here: Path) -> None:
    (here / "out").write_text("")
    done = shell("animetag -m wd/model.onnx --captions -o out in/red.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "animetag: out: cannot make the output folder: File exists\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--captions -o ''", "--out is empty"),
        ("--prepend a", "--prepend belongs to --captions"),
        ("-o out", "--out belongs to --captions"),
        ("--tags a.csv", "--tags belongs to --model"),
        ("--implications a.csv", "--implications belongs to --prune"),
        ("--captions -f --append", "--append and --force exclude each other"),
        ("--captions --prepend 'a\nb'", "--prepend: 'a\\nb' has line breaks"),
        ("--threshold 35", "--threshold is at most 1: write 35% if you mean a percentage"),
        ("-m gone.onnx", "gone.onnx has no selected_tags.csv or tags.txt beside it"),
        ("-m wd/gone.onnx", "wd/gone.onnx cannot be read: No such file"),
        ("-m wd/model.onnx --blacklist gone", "gone cannot be read: No such file"),
        ("-m wd/model.onnx --prune --implications in/red.png", "in/red.png is not a text"),
        ("-m wd/model.onnx --tags dd/tags.txt", "has 14 outputs and dd/tags.txt 13 names"),
        ("-m wd/model.onnx --device cuda", "--device cuda: this onnxruntime computes on the CPU"),
        ("-m wd/model.onnx --device gpu", "--device is auto, cpu, cuda, cuda:1, all or mps"),
    ],
)
def test_wrong_usage_is_one_sentence(here: Path, options: str, reason: str) -> None:
    done = quick(f"animetag {options} in/red.png", here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert reason in done.stderr


def test_a_model_without_its_sigmoid_ends_the_run(shell: Shell, here: Path) -> None:
    write_wd(here / "wd", end="Identity")
    done = shell("animetag -m wd/model.onnx in")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "not a probability from 0 to 1: it lacks the sigmoid at its end" in done.stderr


def test_killed_halfway_it_leaves_whole_captions_and_continues(shell: Shell, here: Path) -> None:
    for n in range(200):
        (here / f"in/{n:03}.png").symlink_to("red.png")
    line = [str(ROOT / "bin/animetag"), "-m", "wd/model.onnx", "--captions", "-j", "2", "in"]
    process = subprocess.Popen(line, cwd=here, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    whole = len((here / "in/red.txt").read_text()) if (here / "in/red.txt").exists() else 0
    assert all(
        path.stat().st_size == (whole or path.stat().st_size) for path in here.glob("in/0*.txt")
    )
    done = shell("animetag -m wd/model.onnx --captions in")
    assert (done.returncode, done.stdout.count("\n")) == (0, 203)
    texts = {path.read_text() for path in here.glob("in/0*.txt")}
    assert len(texts) == 1
    assert not list(here.glob("in/.*.part"))

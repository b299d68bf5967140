"""animepack's labels and captions, through real pipes, read as trainers read them."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animetools.dataset.training_set import Images
from tests.commands.test_animecrop import needs_nvxs
from tests.commands.test_animepack import picture
from tests.conftest import Shell
from tests.dataset import readers
from tests.dataset.test_packing import contents

PACK = "animepack -q --size 16"
TAGGED = {
    "a.png": [["black_hair", "general", 1], ["smile", "general", 0.8], ["highres", "meta", 1]],
    "b.png": [["blonde_hair", "general", 1], ["black_hair", "general", 1], [">_<", "general", 1]],
    "c.png": [["smile", "general", 1]],
    "d.png": [],
}


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """Four pictures, and the list of their records."""
    for name in TAGGED:
        picture(tmp_path / "in" / name)
    records = [{"path": f"in/{name}", "id": name[0], "tags": tags} for name, tags in TAGGED.items()]
    (tmp_path / "list").write_text("".join(json.dumps(record) + "\n" for record in records))
    return tmp_path


def summary(folder: Path) -> dict[str, Any]:
    """A dataset's dataset.json."""
    found: dict[str, Any] = json.loads((folder / "dataset.json").read_text())
    return found


def test_vectors_of_tags(shell: Shell, tagged: Path) -> None:
    done = shell(f"{PACK} --labels tags -o set - < list")
    assert (done.returncode, done.stderr) == (0, "")
    made = summary(tagged / "set")
    assert made["label_names"] == ["black_hair", "smile", ">_<", "blonde_hair"]
    vectors = [[1, 1, 0, 0], [1, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert [label for _, label in made["labels"]] == vectors
    images = Images(str(tagged / "set"), conditional=True)
    assert (images.labels(range(4)) == np.array(vectors)).all()
    shell(f"{PACK} --labels tags --min-count 2 -o set.zip - < list")
    assert Images(str(tagged / "set.zip"), conditional=True).label_dim == 2
    done = shell("animepack --size 16 --labels 'smile,black hair,hat' -o chosen.zip - < list")
    assert "no image has the tag hat of --labels" in done.stderr
    images = Images(str(tagged / "chosen.zip"), conditional=True)
    assert images.label_names == ["smile", "black_hair", "hat"]
    assert images.labels(range(4)).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]]
    done = shell(f"{PACK} --labels tags --min-count 3 -o none - < list")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no tag is in 3 images or more: lower --min-count" in done.stderr
    assert sorted(os.listdir(tagged)) == ["chosen.zip", "in", "list", "set", "set.zip"]


def test_classes_by_tag(shell: Shell, tagged: Path) -> None:
    done = shell("animepack --size 16 --class-by 'black hair,blonde_hair,hat' -o set - < list")
    assert done.returncode == 0
    made = summary(tagged / "set")
    assert made["label_names"] == ["black_hair", "blonde_hair", "hat"]
    assert [label for _, label in made["labels"]] == [0, 0]
    lines = done.stderr.splitlines()
    assert lines[:2] == [
        f"animepack: no image has the tag {name} of --class-by" for name in ("blonde_hair", "hat")
    ]
    kept = "read 4 = kept 2 + rejected 2 (2 no tag of --class-by) + passed over 0 + failed 0"
    assert kept in lines[-1]
    again = shell("animepack --size 16 --class-by black_hair,blonde_hair,hat -o set - < list")
    assert (again.returncode, again.stderr.splitlines()[-1]) == (2, again.stderr.strip())
    assert "with --class-by black hair,blonde_hair,hat, this run is with" in again.stderr


def test_classes_by_folder(shell: Shell, tmp_path: Path) -> None:
    for name in ("reimu/1.png", "marisa/2.png", "reimu/3.png"):
        picture(tmp_path / "links" / name)
    done = shell(f"find links -type f | sort | {PACK} --class-by folder -o set")
    assert done.returncode == 0, done.stderr
    made = summary(tmp_path / "set")
    assert made["label_names"] == ["marisa", "reimu"]
    assert [label for _, label in made["labels"]] == [0, 1, 1]


def test_an_image_without_tags_is_left_out_and_other_files_are_passed_over(
    shell: Shell, tagged: Path
) -> None:
    (tagged / "in/a.txt").write_text("smile, hat")
    (tagged / "in/b.caption").write_text("smile")
    (tagged / "in/notes.md").write_text("x")
    (tagged / "in/c.txt").write_bytes(b"\xff\xff")
    done = shell("find in -type f | sort | animepack --size 16 --labels tags -o set")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert "animepack: in/c.png: in/c.txt is not UTF-8 text" in lines
    assert lines[-1] == (
        "animepack: read 8 = kept 2 + rejected 1 (1 no tags) + passed over 4"
        " (4 not an image by name or content) + failed 1"
    )
    assert summary(tagged / "set")["label_names"] == ["smile", "hat"]
    again = shell("find in -type f | sort | animepack --size 16 --labels tags -o set")
    assert (again.returncode, again.stderr.splitlines()[-1]) == (1, lines[-1])


def test_where_no_image_has_tags_that_is_the_reason(shell: Shell, tagged: Path) -> None:
    done = shell("ls in/* | animepack --labels tags")
    assert (done.returncode, done.stderr) == (
        2,
        "animepack: dataset.zip was not made, because no image can be packed: no tags\n",
    )
    done = shell("grep d.png list | animepack --labels tags")
    assert done.stderr == "animepack: no image has a tag to make labels of\n"
    assert not (tagged / "dataset.zip").exists()


def test_every_trainer_reads_the_captions(shell: Shell, tagged: Path) -> None:
    prose = 'Two girls, "smiling" — été\n\na second caption\n'
    picture(tagged / "in/e.png")
    (tagged / "in/e.txt").write_text(prose)
    with (tagged / "list").open("a") as file:
        file.write("in/e.png\n")
    done = shell(f"{PACK} --captions --labels tags -o lora - < list")
    assert (done.returncode, done.stderr) == (0, "")
    whole = {
        "img00000000.png": ["black hair, smile"],
        "img00000001.png": ["blonde hair, black hair, >_<"],
        "img00000002.png": ["smile"],
        "img00000003.png": [""],
        "img00000004.png": [prose.strip()],
    }
    lora = tagged / "lora"
    for reader in readers.WHOLE:
        assert reader(lora) == whole
    assert readers.one_trainer(lora) == {
        name: [line for line in text.splitlines() if line] for name, (text,) in whole.items()
    }
    assert readers.sd_scripts_folder(lora) == {
        name: text.splitlines()[:1] or [""] for name, (text,) in whole.items()
    }
    records = [json.loads(line) for line in (lora / "sources.jsonl").read_text().splitlines()]
    assert [record["path"] for record in records] == [f"in/{name}.png" for name in "abcde"]
    assert (records[0]["id"], records[0]["tags"]) == ("a", TAGGED["a.png"])
    assert len(Images(str(lora), conditional=True)) == 5


@pytest.mark.parametrize("file", ["metadata.jsonl", "captions.json", "captions.jsonl", "*.txt"])
def test_captions_are_read_as_they_are_written(shell: Shell, tagged: Path, file: str) -> None:
    shell(f"{PACK} --captions -o lora - < list")
    where = "" if "*" in file else f"--metadata lora/{file}"
    if where:
        for path in (tagged / "lora").glob("*.txt"):
            path.unlink()
    done = shell(f"ls lora/*.png | {PACK} --captions --labels tags {where} -o again")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("metadata.jsonl", "captions.json"):
        assert (tagged / "again" / name).read_text() == (tagged / "lora" / name).read_text()
    assert summary(tagged / "again")["label_names"] == ["black_hair", "smile", ">_<", "blonde_hair"]


def test_a_tag_that_does_not_fit_into_a_caption_fails_alone(shell: Shell, tagged: Path) -> None:
    with (tagged / "list").open("a") as file:
        for name, tag in (("a", "one,two"), ("b", "one\ntwo"), ("c", "")):
            record = {"path": f"in/{name}.png", "tags": [[tag, "general", 1]]}
            file.write(json.dumps(record) + "\n")
    done = shell(f"{PACK} --captions -o lora - < list")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "animepack: in/a.png: the tag 'one,two' does not fit in a caption, whose tags commas separate",
        "animepack: in/b.png: the tag 'one\\ntwo' does not fit in a caption, whose tags commas"
        " separate",
        "animepack: in/c.png: a tag in its record is not [name, category, probability]",
    ]
    assert len(list((tagged / "lora").glob("*.png"))) == 4


def test_a_caption_folder_is_never_overwritten(shell: Shell, tagged: Path) -> None:
    shell(f"{PACK} --captions -o lora - < list")
    before = contents(tagged / "lora")
    shell(f"{PACK} --captions -o lora - < list")
    for options, reason in (
        ("--captions --labels tags", "lora was made without --labels, this run is with --labels"),
        ("", "lora was made with --captions, this run is without --captions"),
        ("--captions -o lora.zip", "lora.zip: --captions makes a folder: name it with -o, without"),
        ("--captions -o in", "in is a folder, but not a dataset: choose another -o"),
        ("--captions --sidecars", "--captions and --sidecars exclude each other"),
        ("--labels tags --class-by a,b", "--labels and --class-by exclude each other"),
        ("--class-by smile", "--class-by takes two tags or more, or folder"),
        ("--min-count 2", "--min-count is for --labels tags"),
        ("--labels a,b --min-count 2", "--min-count is for --labels tags"),
        ("--labels ,", "--labels takes names of tags, or the word tags for all"),
        ("--metadata list", "--metadata is for --captions, --labels or --class-by"),
        ("--captions -o new --metadata in/a.png", "in/a.png: 'utf-8' codec can't decode"),
        ("--captions -o new --metadata none", "none: No such file or directory"),
    ):
        where = "" if "-o" in options else "-o lora"
        done = shell(f"{PACK} {options} {where} - < list")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert reason in done.stderr
    assert contents(tagged / "lora") == before
    (tagged / "list").write_text(json.dumps({"path": "in/a.png", "tags": TAGGED["b.png"]}))
    done = shell(f"{PACK} --captions -o lora - < list")
    assert "lora was made with other facts about in/a.png: " in done.stderr
    done = shell(f"{PACK} --captions -f -o lora - < list")
    assert (done.returncode, len(list((tagged / "lora").glob("*.txt")))) == (0, 1)
    (tagged / "lora/mine.md").write_text("")
    done = shell(f"{PACK} --captions -f -o lora - < list")
    assert "mine.md in it is not part of a dataset" in done.stderr


def test_a_folder_that_cannot_be_written_is_told(shell: Shell, tagged: Path) -> None:
    done = shell(f"{PACK} --captions -o /proc/none/lora - < list")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "/proc/none" in done.stderr


@needs_nvxs
def test_labels_of_a_drawn_booru_agree_with_what_was_drawn(shell: Shell, tmp_path: Path) -> None:
    drawn = shell("animedraw --count 24 --portraits 256 --json")
    done = shell(
        "booruselect --tag 1girl --rating s --json raw/metadata.jsonl"
        " | animecrop --detector nvxs --json | animeclean --json"
        f" | {PACK} --labels tags --min-count 2 -o set"
    )
    assert (drawn.returncode, done.returncode) == (0, 0), done.stderr
    truth = {record["id"]: record for record in map(json.loads, drawn.stdout.splitlines())}
    made = summary(tmp_path / "set")
    names = made["label_names"]
    records = list(map(json.loads, (tmp_path / "set/metadata.jsonl").read_text().splitlines()))
    assert 5 < len(records) < 24
    counts = dict.fromkeys(names, 0)
    for (name, vector), record in zip(made["labels"], records, strict=True):
        assert record["file_name"] == name
        drawn_tags = truth[record["id"]]["tags"]
        assert record["rating"] == "s"
        assert ["1girl", "general", 1] in drawn_tags
        label = {names[n] for n, number in enumerate(vector) if number}
        (face,) = truth[record["id"]]["faces"]
        assert label <= {tag for tag, *_ in drawn_tags}
        assert {tag for tag, *_ in face["tags"]} & set(names) <= label
        assert not label & {"1girl", "solo", "portrait", "highres"}
        for tag in label:
            counts[tag] += 1
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert min(counts.values()) >= 2
    assert {"blonde_hair", "bangs", "original"} <= set(names)

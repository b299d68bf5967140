"""animedraw at the shell."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from animetools.tags import tags_of
from tests.conftest import Shell

SMALL = "animedraw --portraits 64"


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_draws_a_booru_and_prints_its_files(shell: Shell, tmp_path: Path) -> None:
    run = shell("animedraw --count 5 --seed 2 --flaws 0.4 -o raw")
    assert run.returncode == 0, run.stderr
    paths = run.stdout.split()
    assert len(paths) == 7
    metadata = lines_of(tmp_path / "raw/metadata.jsonl")
    boxes = lines_of(tmp_path / "raw/boxes.jsonl")
    assert [f"raw/{line['path']}" for line in boxes] == paths
    assert [line["id"] for line in metadata] == [str(number) for number in range(1, 8)]
    for path in paths:
        assert (tmp_path / path).is_file()


def test_it_is_the_same_whatever_the_jobs_and_grows(shell: Shell, tmp_path: Path) -> None:
    shell("animedraw --count 1 -o a -j 1 && animedraw --count 3 -o a -j 2")
    run = shell("animedraw --count 3 -o b -j 3; diff -r -x .animetools.sqlite\\* a b")
    assert run.returncode == 0, run.stdout + run.stderr
    again = shell("animedraw --count 3 -o b")
    assert "written" not in again.stderr
    assert len(again.stdout.split()) == 3


def test_a_dry_run_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    run = shell("animedraw --count 2 -n")
    assert run.returncode == 0
    assert len(run.stdout.split()) == 2
    assert not (tmp_path / "raw").exists()


def test_it_goes_on_without_its_journal_and_by_force(shell: Shell, tmp_path: Path) -> None:
    shell(f"{SMALL} --count 3 -o a; cp -r a b; rm b/.animetools.sqlite*")
    run = shell(
        f"{SMALL} --count 3 -o b; {SMALL} --count 3 -f -o b; diff -r -x .animetools.sqlite\\* a b"
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_smaller_count_forgets_nothing(shell: Shell, tmp_path: Path) -> None:
    run = shell(
        f"{SMALL} --count 4 -o a; cp -r a b; {SMALL} --count 2 -o a; diff -r -x .animetools.sqlite\\* a b"
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_file_in_the_place_of_the_folder_is_named(shell: Shell, tmp_path: Path) -> None:
    run = shell("touch raw; animedraw --count 1")
    assert run.returncode == 2
    assert run.stderr == "animedraw: raw: cannot make the output folder: File exists\n"


def test_grey_pictures_have_no_tags_of_color(shell: Shell, tmp_path: Path) -> None:
    shell("animedraw --count 12 --seed 3 --flaws 30%")
    seen = set()
    for line in lines_of(tmp_path / "raw/metadata.jsonl"):
        names = {tag["name"] for tag in line["tags"]}
        seen |= names
        if "monochrome" in names:
            assert not {name for name in names if name.endswith("_hair")} & {
                "pink_hair",
                "blonde_hair",
                "blue_hair",
                "brown_hair",
                "black_hair",
                "red_hair",
                "green_hair",
                "purple_hair",
                "aqua_hair",
            }
        assert ("highres" in names) == (
            int(line["image_width"]) >= 1600 or int(line["image_height"]) >= 1200
        )
    assert {"monochrome", "highres"} <= seen


def test_portraits_are_what_each_picture_is(shell: Shell, tmp_path: Path) -> None:
    run = shell("animedraw --count 4 --portraits 80")
    assert run.returncode == 0, run.stderr
    for line in lines_of(tmp_path / "raw/boxes.jsonl"):
        assert (line["width"], line["height"], len(line["faces"])) == (80, 80, 1)
    run = shell("animedraw --portraits 8")
    assert run.returncode == 2
    assert "--portraits" in run.stderr


def test_records_have_the_tags_of_the_metadata_and_of_each_face(
    shell: Shell, tmp_path: Path
) -> None:
    make = "animedraw --count 4 --flaws 0.5 --seed 3 --json"
    run = shell(make)
    records = [json.loads(line) for line in run.stdout.splitlines()]
    metadata = lines_of(tmp_path / "raw/metadata.jsonl")
    assert [record["id"] for record in records] == [line["id"] for line in metadata]
    for record, line in zip(records, metadata, strict=True):
        assert [tag.name for tag in tags_of(record)] == [tag["name"] for tag in line["tags"]]
        shown = {tag.name for tag in tags_of(record) if tag.category == "general"}
        for face in record["faces"]:
            assert {tag.name for tag in tags_of(face)} <= shown
    assert any(tags_of(face) for record in records for face in record["faces"])
    assert {tag.category for tag in tags_of(records[0])} >= {"general", "artist", "copyright"}
    base = sqlite3.connect(tmp_path / "raw/.animetools.sqlite")
    base.execute("UPDATE done SET results = replace(results, '\"face_tags\"', '\"other\"')")
    base.commit()
    base.close()
    again = shell(make)  # in a folder that an earlier version made
    assert "written" not in again.stderr
    for text, record in zip(again.stdout.splitlines(), records, strict=True):
        for face in record["faces"]:
            del face["tags"]
        assert json.loads(text) == record

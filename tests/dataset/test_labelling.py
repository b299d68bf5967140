"""Labels are made of what records say, and read back as they were meant."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.dataset import labelling
from animetools.dataset.formats import reader
from animetools.dataset.labelling import Labelling, summary_lines
from animetools.dataset.packing import Packing
from animetools.errors import FatalError
from tests.dataset.pictures import SETTINGS, entry, packable, sources
from tests.dataset.test_packing import contents

NAMES = st.sampled_from(["smile", "hat", "long_hair", "touhou", "o_o", "été", "\ud800"])
TAGS = st.lists(st.tuples(NAMES, st.sampled_from(["general", "copyright", "meta", "rating"])))


def records(tagged: list[list[tuple[str, str]]]) -> list[dict[str, Any]]:
    return [
        {"file_name": f"{n}.png", "path": f"in/{n % 3}/x.png", "tags": [[*tag, 1] for tag in tags]}
        for n, tags in enumerate(tagged)
    ]


def summary(listed: list[dict[str, Any]], how: Labelling) -> dict[str, Any]:
    """dataset.json."""
    lines = [json.dumps(record).encode() for record in listed]
    names = how.names(how.count(listed), len(listed))
    text = b"".join(summary_lines({"animepack": {}}, lambda: lines, names, how))
    made: dict[str, Any] = json.loads(text)
    return made


@given(st.lists(TAGS, min_size=1), st.integers(1, 3))
def test_a_vector_says_which_tags_an_image_has(
    tagged: list[list[tuple[str, str]]], least: int
) -> None:
    has = [{name for name, kind in tags if kind not in ("meta", "rating")} for tags in tagged]
    counts = {name: sum(name in each for each in has) for name in set().union(*has)}
    often = {name for name, count in counts.items() if count >= least}
    if not often:
        with pytest.raises(FatalError, match=r"no tag is in|no image has a tag"):
            summary(records(tagged), Labelling(least=least))
        return
    made = summary(records(tagged), Labelling(least=least))
    names = made["label_names"]
    assert set(names) == often
    assert names == sorted(names, key=lambda name: (-counts[name], name))
    for each, (name, vector) in zip(enumerate(has), made["labels"], strict=True):
        assert name == f"{each[0]}.png"
        assert [names[n] for n, number in enumerate(vector) if number == 1] == [
            name for name in names if name in each[1]
        ]
        assert set(vector) <= {0, 1}


def test_a_class_is_the_first_that_an_image_has() -> None:
    tagged = [[("hat", "general"), ("smile", "general")], [("smile", "general")], [("hat", "meta")]]
    made = summary(records(tagged), Labelling(classes=("smile", "hat", "glasses")))
    assert made["label_names"] == ["smile", "hat", "glasses"]
    assert made["labels"] == [["0.png", 0], ["1.png", 0], ["2.png", 1]]


def test_a_class_is_a_folder() -> None:
    listed = records([[], [], [], []])
    listed[3]["path"] = "in/0/../b/x.png"
    made = summary(listed, Labelling(by_folder=True))
    assert made["label_names"] == ["0", "1", "2", "b"]
    assert [label for _, label in made["labels"]] == [0, 1, 2, 3]


def test_labels_that_could_not_be_read_again_are_not_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = records([[("a", "general"), ("b", "general")]] * 9)
    most = 9 * (labelling.ENTRY_BYTES + 4)
    monkeypatch.setattr(labelling, "LONGEST_SUMMARY", most)
    assert len(summary(listed, Labelling())["labels"]) == 9
    assert len(json.dumps(summary(listed, Labelling())["labels"])) < most
    monkeypatch.setattr(labelling, "LONGEST_SUMMARY", most - 1)
    with pytest.raises(FatalError, match="9 images cannot have 2 tags: raise --min-count"):
        summary(listed, Labelling())
    monkeypatch.setattr(labelling, "MOST_CLASSES", 2)
    with pytest.raises(FatalError, match="cannot have 3 folders"):
        summary(listed, Labelling(by_folder=True))


@pytest.mark.parametrize("label", [[0.0, 1.0, 0.0], {"a": 1.0, "b": 1.0, "c": 1.0}])
def test_kept_vectors_that_could_not_be_read_again_are_not_written(
    monkeypatch: pytest.MonkeyPatch, label: Any
) -> None:
    listed = [{"file_name": f"{n}.png", "label": label} for n in range(9)]
    how, most = Labelling(kept=True), 9 * (labelling.ENTRY_BYTES + 12)
    monkeypatch.setattr(labelling, "LONGEST_SUMMARY", most)
    assert len(json.dumps(summary(listed, how)["labels"])) < most
    monkeypatch.setattr(labelling, "LONGEST_SUMMARY", most - 1)
    with pytest.raises(FatalError, match="9 images cannot have 3 numbers: --format tfrecords"):
        summary(listed, how)
    assert len(how.names(how.count(listed), 9, apart=True)) == (3 if isinstance(label, dict) else 0)


@pytest.mark.parametrize(
    ("name", "captions", "files"), [("d.zip", False, 1), ("d", False, 14), ("d", True, 17)]
)
def test_labels_and_captions_are_the_same_after_a_kill(
    tmp_path: Path, name: str, captions: bool, files: int
) -> None:
    paths = sources(tmp_path / "in", 6)
    tags = [[["hat", "general", 1]] * (n % 2) + [["smile", "general", 1]] for n in range(6)]
    settings, how = SETTINGS.keyed(labels="tags", min_count=1, captions=captions), Labelling()

    def make(target: Path, limit: int) -> None:
        with Packing(str(target), settings, how) as packing:
            facts = ({"tags": each, "text": "a caption"} for each in tags)
            packing.enlist(entry(path, **each) for path, each in zip(paths, facts, strict=True))
            packing.settle(iter(()))
            assert packing.unused_names() == []
            for one in packing.todo():
                if packing.count == limit:
                    raise KeyboardInterrupt
                packing.add(one.position, packable(one.position))
            if not packing.made:
                packing.finish()

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / name, 3)
    make(tmp_path / name, 9)
    found = reader(str(tmp_path / name)).labels()
    assert found is not None
    assert found.dtype == np.float32
    assert found.tolist() == [[1, n % 2] for n in range(6)]
    make(tmp_path / name, 0)  # it is finished
    (tmp_path / name).rename(tmp_path / "killed")
    make(tmp_path / name, 9)
    same = [files_of(tmp_path / one) for one in ("killed", name)]
    assert same[0] == same[1]
    assert len(same[0]) == files


def files_of(path: Path) -> dict[str, bytes]:
    """A file, or all files of a folder."""
    return {"": path.read_bytes()} if path.is_file() else contents(path)

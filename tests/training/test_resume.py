"""Which snapshot a run goes on from."""

import json
from pathlib import Path
from typing import Any

import pytest

from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from animetools.runs.folder import following
from animetools.runs.snapshots import named
from animetools.training import resume
from tests.dataset.sets import picture, zipped


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Runs 9 on d.zip, 10 on d.zip, 11 on e.zip, and 12 on d.zip, which has saved nothing."""
    pictures = [picture(seed) for seed in range(8)]
    data = {"d": zipped(tmp_path / "d", pictures[:5]), "e": zipped(tmp_path / "e", pictures[5:])}
    for number, of, kimg in [(9, "d", 5), (10, "d", 3), (11, "e", 9), (12, "d", 0)]:
        images = Images(data[of])
        run = {"data": data[of], "dataset": of, "images": len(images)}
        made(tmp_path / "results", number, kimg, run | {"content": images.identity.plain()})
    return tmp_path / "results"


def made(results: Path, number: int, kimg: float, run: dict[str, Any]) -> str:
    """The last snapshot of a run, which is but a name."""
    folder = results / f"{number:05d}-x"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run))
    path = folder / named(kimg)
    if kimg:
        path.touch()
    return str(path)


def test_the_latest_is_of_the_newest_run_on_these_images(results: Path) -> None:
    data = results.parent / "d.zip"
    last = f"{results}/00010-x/snapshot-000003.000.pkl"
    assert resume.latest(str(results), Images(str(data))) == last
    (results.parent / "elsewhere").mkdir()
    moved = data.rename(results.parent / "elsewhere/faces.zip")
    assert resume.latest(str(results), Images(str(moved))) == last
    assert resume.latest(str(results / "none"), Images(str(moved))) is None
    assert following(str(results), "y") == str(results / "00013-y")


@pytest.mark.parametrize(
    ("name", "seeds", "what"),
    [
        ("d.zip", range(6), "5 images, .*/d.zip holds 6"),  # more
        ("d.zip", range(20, 25), "5 images, .*/d.zip holds others"),
        ("elsewhere/d.zip", range(20, 24), "5 images, .*/d.zip holds 4"),  # of this name
        ("elsewhere/faces.zip", range(5), None),  # but this is the very same
        ("elsewhere/faces.zip", range(4), "5 images, .*/faces.zip holds 4"),
    ],
)
def test_what_may_be_the_same_dataset_is_asked_about(
    results: Path, name: str, seeds: range, what: str | None
) -> None:
    path = results.parent / name
    path.parent.mkdir(exist_ok=True)
    images = Images(zipped(path.with_suffix(""), [picture(seed) for seed in seeds]))
    last = f"{results}/00010-x/snapshot-000003.000.pkl"
    if not what:
        assert resume.latest(str(results), images) == last
        return
    cure = f"pass --resume {last} to continue it, or --resume none to start a new run"
    with pytest.raises(FatalError, match=f"^{results}/00010-x was trained on {what}: {cure}$"):
        resume.latest(str(results), images)


def test_another_dataset_has_no_run(results: Path) -> None:
    images = Images(zipped(results.parent / "f", [picture(seed) for seed in range(20, 29)]))
    assert resume.latest(str(results), images) is None


@pytest.mark.parametrize("text", ["", '{"data": ', "[]", b"\xff\xfe", None])
def test_a_broken_record_of_a_run_is_named(results: Path, text: str | bytes | None) -> None:
    images = Images(str(results.parent / "d.zip"))
    for number in ("00009", "00012"):  # an older one is no matter, nor one that has saved nothing
        (results / f"{number}-x/run.json").unlink()
    assert resume.latest(str(results), images)
    record = results / "00011-x/run.json"
    if text is None:
        record.unlink()
    else:
        record.write_bytes(text if isinstance(text, bytes) else text.encode())
    reason = f"{results}/00011-x: its run.json cannot be read .*: pass --resume {results}/00011-x/"
    with pytest.raises(FatalError, match=reason):
        resume.latest(str(results), images)


def test_runs_of_before_images_were_remembered_go_on_where_they_were(tmp_path: Path) -> None:
    images = Images(zipped(tmp_path / "d", [picture(seed) for seed in range(5)]))
    run = {"data": images.path, "dataset": "d", "images": 10, "mirror": True}
    last = made(tmp_path / "results", 0, 7, run)
    old = str(Path(last).rename(Path(last).with_name("snapshot-000007.pkl")))
    assert resume.latest(str(tmp_path / "results"), images) == old
    (tmp_path / "elsewhere").mkdir()
    moved = Images(str(Path(images.path).rename(tmp_path / "elsewhere/d.zip")))
    with pytest.raises(FatalError, match=f"trained on {tmp_path}/d.zip, which may be {moved.path}"):
        resume.latest(str(tmp_path / "results"), moved)

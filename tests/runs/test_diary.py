"""What a run tells: its curves above all, which go on without doubled points."""

import json
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from animetools.runs.diary import Diary
from animetools.runs.folder import Folder
from animetools.runs.view import Status, Unit, View

KIMG = Unit("kimg", 1000)
SIZE = 24, 8
JPEG = b"the bytes of a JPEG"


def diary_of(path: Path, start: int = 0, note: Callable[[str], object] = len) -> Diary:
    """A diary in the folder `run`, as a process that begins there has it."""
    path.joinpath("run").mkdir(exist_ok=True)
    return Diary(Folder(str(path / "run")), note, View("run", KIMG, 10_000, start), start)


def status(seen: int, loss: float = 1.0) -> Status:
    return Status(KIMG, seen, 10_000, 90, 30, 1 << 30, [f"G {loss:.3f}"], {"loss/g": loss})


def curve(path: Path, name: str) -> list[tuple[int, float]]:
    """The points of a curve, as TensorBoard has them."""
    events = EventAccumulator(str(path / "run"))
    events.Reload()
    return [(point.step, point.value) for point in events.Scalars(name)]


def pictures(path: Path, name: str) -> list[tuple[int, int, int]]:
    """The step, width and height of each picture."""
    events = EventAccumulator(str(path / "run"), {"images": 0})  # all of them
    events.Reload()
    return [(one.step, one.width, one.height) for one in events.Images(name)]


def test_all_that_is_told_has_a_curve(tmp_path: Path) -> None:
    diary = diary_of(tmp_path)
    diary.tick(status(1000))
    diary.metrics({"fid": 32.0}, 1000)
    for name, value in [("loss/g", 1), ("run/seconds_per_kimg", 30), ("metrics/fid", 32)]:
        ((step, found),) = curve(tmp_path, name)
        assert step == 1000
        assert found == pytest.approx(value), name


def test_a_status_is_one_line() -> None:
    assert f"{status(1000)}" == (
        "kimg 1.0  0:01:30  about 4 minutes left  30.0 s/kimg  G 1.000  memory 1.1 GB"
    )
    steps = Status(Unit("step"), 3, 60, 1, 0.05, 1 << 20, [], {})
    assert f"{steps}" == "step 3  0:00:01  about 3 seconds left  0.05 s/step  memory 1.0 MB"


def test_a_run_that_goes_on_draws_no_point_twice(tmp_path: Path) -> None:
    killed = diary_of(tmp_path)
    killed.picture("fakes", "fakes000000.jpg", JPEG, SIZE, 0)
    for seen in (1000, 2000, 3000):
        killed.tick(status(seen))
        killed.picture("fakes", "fakes.jpg", JPEG, SIZE, seen)
    assert killed.board
    written = Path(killed.board.file.name)
    written.write_bytes(written.read_bytes()[:-5])  # in the middle of a point
    del killed
    again = diary_of(tmp_path, 2000)
    again.picture("fakes", "fakes.jpg", JPEG, SIZE, 2000)  # the first is of what was loaded
    again.tick(status(2500, 2.0))
    again.picture("fakes", "fakes.jpg", JPEG, SIZE, 2500)
    assert curve(tmp_path, "loss/g") == [(1000, 1), (2000, 1), (2500, 2)]
    assert pictures(tmp_path, "fakes") == [(step, 24, 8) for step in (0, 1000, 2000, 2500)]


def test_a_run_that_goes_back_draws_no_point_twice(tmp_path: Path) -> None:
    diary = diary_of(tmp_path)
    for seen in (1000, 2000, 3000):
        diary.tick(status(seen))
    diary.rewind(1000)
    diary.tick(status(2000, 2.0))
    assert curve(tmp_path, "loss/g") == [(1000, 1), (2000, 2)]


def test_without_tensorboard_it_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("tensorboard")]:
        monkeypatch.setitem(sys.modules, name, None)
    lines: list[str] = []
    diary = diary_of(tmp_path, note=lines.append)
    diary.tick(status(1000))
    diary.picture("fakes", "fakes.jpg", JPEG, SIZE, 1000)
    diary.metrics({"kid": 0.5}, 1000)
    assert [line for line in lines if "animetools[train]" in line] == lines[:1]
    assert (tmp_path / "run/fakes.jpg").read_bytes() == JPEG
    assert json.loads((tmp_path / "run/metrics.jsonl").read_text()) == {"kimg": 1.0, "kid": 0.5}
    assert (tmp_path / "run/log.txt").read_text().count("\n") == 2


def test_a_terminal_shows_the_last_status() -> None:
    view = View("run", KIMG, 10_000, 0)
    console = Console(width=100, record=True, file=StringIO())
    console.print(view)
    assert "kimg 0 of 10" in console.export_text()
    view.status, view.metrics, view.done = status(1000), {"fid": 33.25}, 1500
    console.print(view)
    shown = console.export_text()
    for part in ("kimg 1.5 of 10", "about 4 minutes left", "G 1.0", "memory 1.1 GB", "fid 33"):
        assert part in shown
    assert len(shown.splitlines()) == 2

"""Which snapshots there are, and which are kept."""

from pathlib import Path

from animetools.runs.pace import Pace
from animetools.runs.snapshots import listed, prune


def test_the_last_snapshots_are_kept_and_some_besides(tmp_path: Path) -> None:
    def left() -> list[str]:
        names = [Path(path).name for path in listed(str(tmp_path))]
        return [name.removeprefix("snapshot-").removesuffix(".pkl") for name in names]

    for kimg in (10, 40.004, 40.5, 79.996, 83, 84, 90, 90.004):
        (tmp_path / f"snapshot-{kimg:010.3f}.pkl").touch()
    (tmp_path / "snapshot-000005.pkl").touch()  # as they were once called
    (tmp_path / "other.pkl").touch()
    prune(str(tmp_path), Pace(1, keep=0))
    assert len(left()) == 9
    assert left() == sorted(left())
    prune(str(tmp_path), Pace(1, keep=2, keep_every=40))
    assert left() == ["000040.004", "000083.000", "000090.000", "000090.004"]
    prune(str(tmp_path), Pace(1, keep=2, keep_every=40))
    assert left() == ["000040.004", "000083.000", "000090.000", "000090.004"]
    assert (tmp_path / "other.pkl").exists()

"""The loop of a run, and the folders of runs."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from animetools.dataset.training_set import Images
from animetools.errors import Advice, FatalError
from animetools.training import snapshots
from animetools.training.config import TrainConfig, minibatch_group
from animetools.training.diary import Diary
from animetools.training.run import Run
from animetools.training.snapshots import Folder, Pace
from animetools.training.status import View
from animetools.training.step import Trainer, layers_from_image
from tests.dataset.sets import folder, picture
from tests.training.pairs import small_pair

CONFIG = TrainConfig(batch=4, kimg=0.04, g_lr="0.002,0.02:0.001")


def run_of(
    path: Path, config: TrainConfig = CONFIG, stopping: Callable[[Run], bool] = lambda run: False
) -> Run:
    """A run on six images of 16 x 16, that saves every 16 images."""
    data = folder(path / "d", [picture(seed) for seed in range(6)])
    lines: list[str] = []
    run = Run(
        Trainer(*small_pair(), config.rules(0), frozen=config.freeze_d),
        Images(data),
        config,
        Pace(kimg=0.016),
        Diary(Folder.new(str(path), "run"), lines.append, View("run", config.kimg, 0), 0),
        {"dataset": "d"},
        lambda: stopping(run),
        threads=1,
    )
    return run


def lines_of(run: Run) -> list[str]:
    return run.diary.note.__self__  # type: ignore[attr-defined,no-any-return]


def poison(run: Run) -> None:
    """What a division by zero leaves."""
    with torch.no_grad():
        next(run.trainer.generator.parameters()).fill_(torch.nan)


def sheets_of(run: Run) -> dict[int, bytes]:
    """The JPEG of the samples by the number of images seen."""
    events = EventAccumulator(run.diary.folder.path, {"images": 0})
    events.Reload()
    return {one.step: one.encoded_image_string for one in events.Images("fakes")}


def weights(run: Run) -> torch.Tensor:
    return torch.cat([value.flatten() for value in run.trainer.generator.parameters()]).detach()


def test_it_saves_at_multiples_wherever_it_was_resumed(tmp_path: Path) -> None:
    whole = run_of(tmp_path)
    seen = [whole.trainer.seen for _ in whole.train()]
    assert seen == [16, 32, 40]
    assert whole.trainer.rules.g_rate == 0.001
    with Image.open(tmp_path / "00000-run/fakes000000.000.jpg") as fakes:
        assert fakes.size == (8 * 16, 6 * 16)

    first = run_of(tmp_path, replace(CONFIG, kimg=0.02))
    *_, path = first.train()
    second = run_of(tmp_path)
    snapshots.restore(second.trainer, snapshots.read(path), CONFIG)
    assert [second.trainer.seen for _ in second.train()] == [32, 40]
    assert torch.equal(weights(whole), weights(second))
    assert sheets_of(first)[20] == sheets_of(second)[20]  # its first is of what it has loaded


def test_it_saves_by_the_clock_too(tmp_path: Path) -> None:
    run = run_of(tmp_path, replace(CONFIG, kimg=0.012))
    run.pace = Pace(kimg=1000, minutes=0)
    assert [run.trainer.seen for _ in run.train()] == [4, 8, 12]


def test_lost_numbers_send_it_back_and_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("animetools.training.run.FIRST_SECONDS", 0)  # a status every iteration
    monkeypatch.setattr("animetools.training.run.TICK_SECONDS", 0)
    poisoned: list[int] = []

    def once(run: Run) -> bool:
        if run.trainer.seen == 24 and not poisoned:
            poisoned.append(run.trainer.seen)
            poison(run)
        return False

    run = run_of(tmp_path, stopping=once)
    assert [run.trainer.seen for _ in run.train()] == [16, 32, 40]
    assert poisoned
    first = run.good.replace("0.040", "0.016")
    assert f"(NaN): back to {first}" in " ".join(lines_of(run))
    curve = EventAccumulator(run.diary.folder.path)
    curve.Reload()
    assert [point.step for point in curve.Scalars("loss/g")] == list(range(4, 41, 4))
    assert weights(run).isfinite().all()
    unharmed = run_of(tmp_path)
    assert len(list(unharmed.train())) == 3
    assert not torch.equal(weights(run), weights(unharmed))  # else it would be lost there again


def test_numbers_lost_thrice_in_the_same_place_end_it(tmp_path: Path) -> None:
    def always(run: Run) -> bool:
        if run.trainer.seen == 28:
            poison(run)
        return False

    run = run_of(tmp_path, stopping=always)
    made = run.train()
    good = next(made)
    before = Path(good).read_bytes()
    with pytest.raises(FatalError, match=f"NaN\\); {good} is good: try lower --g-lr"):
        next(made)
    assert sum("back to" in line for line in lines_of(run)) == 3
    assert Path(good).read_bytes() == before


def test_numbers_lost_in_the_last_step_are_never_saved(tmp_path: Path) -> None:
    def late(run: Run) -> bool:  # after the losses of this iteration are known
        if run.trainer.seen == 16:
            poison(run)
        return False

    with pytest.raises(FatalError, match=r"\(NaN\): try lower"):
        next(run_of(tmp_path, stopping=late).train())
    assert not list(tmp_path.glob("*/*.pkl"))


def test_it_ends_when_asked_and_saves(tmp_path: Path) -> None:
    run = run_of(tmp_path, stopping=lambda run: run.trainer.seen == 8)
    assert [snapshots.read(path).facts["kimg"] for path in run.train()] == [0.008]


def test_layers_freeze_and_thaw_between_two_runs(tmp_path: Path) -> None:
    *_, path = run_of(tmp_path).train()
    saved = snapshots.read(path)
    frozen = run_of(tmp_path, config := replace(CONFIG, freeze_d=2, kimg=0.05))
    snapshots.restore(frozen.trainer, saved, config)
    names = [name for name, _ in frozen.trainer.discriminator.named_parameters()]
    assert saved.training
    moments = [saved.training["D_adam"][number]["exp_avg_sq"] for number in range(len(names))]
    learning = {id(parameter) for parameter in frozen.trainer.d.parameters}
    kept = [
        moment
        for moment, parameter in zip(
            moments, frozen.trainer.discriminator.parameters(), strict=True
        )
        if id(parameter) in learning
    ]
    assert 0 < len(kept) < len(moments)
    state = frozen.trainer.d.state()
    assert all(torch.equal(state[i]["exp_avg_sq"], moment) for i, moment in enumerate(kept))

    *_, path = frozen.train()
    thawed = run_of(tmp_path, replace(CONFIG, kimg=0.06))
    snapshots.restore(thawed.trainer, snapshots.read(path), thawed.config)
    (first, *_) = layers_from_image(thawed.trainer.discriminator)[0].parameters()
    before = first.clone()
    assert len(list(thawed.train())) == 1
    assert not torch.equal(before, first)


def test_p_is_what_was_told_last(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    run.trainer.p.fill_(0.5)
    path = snapshots.write(str(tmp_path), run.trainer, replace(CONFIG, p=0.25), {})
    for aug, told, is_now in [("ada", 0.25, 0.5), ("ada", 0.125, 0.125), ("fixed", 0.25, 0.25)]:
        config = replace(CONFIG, aug=aug, p=told)  # type: ignore[arg-type]
        snapshots.restore(run.trainer, snapshots.read(path), config)
        assert run.trainer.p == is_now


def test_damaged_images_are_left_out(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    (tmp_path / "d/00001/img00000002.png").write_bytes(b"nothing")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert len(list(run.train())) == 3
    assert [warning.category for warning in said] == [Advice]
    assert (tmp_path / "00000-run/reals.jpg").exists()


def test_the_last_snapshots_are_kept_and_some_besides(tmp_path: Path) -> None:
    def left() -> list[str]:
        names = [Path(path).name for path in snapshots.snapshots(str(tmp_path))]
        return [name.removeprefix("snapshot-").removesuffix(".pkl") for name in names]

    for kimg in (10, 40.004, 40.5, 79.996, 83, 84, 90, 90.004):
        (tmp_path / snapshots.named(kimg)).touch()
    (tmp_path / "snapshot-000005.pkl").touch()  # as they were once called
    (tmp_path / "other.pkl").touch()
    snapshots.prune(str(tmp_path), Pace(keep=0))
    assert len(left()) == 9
    assert left() == sorted(left())
    snapshots.prune(str(tmp_path), Pace(keep=2, keep_every=40))
    assert left() == ["000040.004", "000083.000", "000090.000", "000090.004"]
    snapshots.prune(str(tmp_path), Pace(keep=2, keep_every=40))
    assert left() == ["000040.004", "000083.000", "000090.000", "000090.004"]
    assert (tmp_path / "other.pkl").exists()


@pytest.mark.parametrize(
    ("batch", "accumulate", "group"), [(8, 1, 4), (8, 4, 2), (6, 2, 3), (7, 1, 1), (1, 1, 1)]
)
def test_a_minibatch_group_divides_a_round(batch: int, accumulate: int, group: int) -> None:
    assert minibatch_group(TrainConfig(batch=batch, accumulate=accumulate)) == group

"""Training a StyleGAN in the loop of runs, and its snapshots."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from animetools.dataset.training_set import Images
from animetools.errors import Advice, FatalError
from animetools.runs.diary import Diary
from animetools.runs.folder import Folder
from animetools.runs.loop import train
from animetools.runs.pace import Pace
from animetools.runs.view import View
from animetools.training import snapshots
from animetools.training.architecture import minibatch_group
from animetools.training.config import TrainConfig
from animetools.training.gan import GAN
from animetools.training.learner import KIMG, StyleGANTraining
from animetools.training.networks import layers_from_image
from tests.dataset.sets import folder, picture
from tests.training.pairs import small_pair

PACE = Pace(0.016, 30.0)
CONFIG = TrainConfig(batch="4", kimg=0.04, g_lr="0.002,0.02:0.001")


class Run:
    """A run on six images of 16 x 16, that saves every 16 images; yields how far it is."""

    def __init__(
        self,
        path: Path,
        config: TrainConfig = CONFIG,
        stopping: Callable[["Run"], bool] = lambda run: False,
        pace: Pace = PACE,
    ) -> None:
        data = folder(path / "d", [picture(seed) for seed in range(6)])
        self.lines: list[str] = []
        self.gan = GAN(*small_pair(), config)
        self.training = StyleGANTraining(self.gan, Images(data), config, {"dataset": "d"}, 1)
        view = View("run", KIMG, config.kimg * 1000, 0)
        self.diary = Diary(Folder.new(str(path), "run"), self.lines.append, view, 0)
        self.pace, self.stopping = pace, stopping

    def train(self) -> Iterator[str]:
        """Train; yields the paths of snapshots."""
        with self.training:
            yield from train(self.training, self.pace, self.diary, lambda: self.stopping(self))


def poison(run: Run) -> None:
    """What a division by zero leaves."""
    with torch.no_grad():
        next(run.gan.generator.parameters()).fill_(torch.nan)


def sheets_of(run: Run) -> dict[int, bytes]:
    """The JPEG of the samples by the number of images seen."""
    events = EventAccumulator(run.diary.folder.path, {"images": 0})
    events.Reload()
    return {one.step: one.encoded_image_string for one in events.Images("fakes")}


def weights(run: Run) -> torch.Tensor:
    return torch.cat([value.flatten() for value in run.gan.generator.parameters()]).detach()


def test_it_saves_at_multiples_wherever_it_was_resumed(tmp_path: Path) -> None:
    whole = Run(tmp_path)
    seen = [whole.gan.seen for _ in whole.train()]
    assert seen == [16, 32, 40]
    assert whole.gan.rates[0] == 0.001
    with Image.open(tmp_path / "00000-run/fakes000000.000.jpg") as fakes:
        assert fakes.size == (8 * 16, 6 * 16)

    first = Run(tmp_path, replace(CONFIG, kimg=0.02))
    *_, path = first.train()
    second = Run(tmp_path)
    snapshots.restore(second.gan, snapshots.read(path), CONFIG)
    assert [second.gan.seen for _ in second.train()] == [32, 40]
    assert torch.equal(weights(whole), weights(second))
    assert sheets_of(first)[20] == sheets_of(second)[20]  # its first is of what it has loaded


def test_it_saves_by_the_clock_too(tmp_path: Path) -> None:
    run = Run(tmp_path, replace(CONFIG, kimg=0.012), pace=Pace(1000, minutes=0))
    assert [run.gan.seen for _ in run.train()] == [4, 8, 12]


def test_lost_numbers_send_it_back_and_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("animetools.runs.loop.FIRST_SECONDS", 0)  # a status every iteration
    monkeypatch.setattr("animetools.runs.loop.TICK_SECONDS", 0)
    poisoned: list[int] = []

    def once(run: Run) -> bool:
        if run.gan.seen == 24 and not poisoned:
            poisoned.append(run.gan.seen)
            poison(run)
        return False

    run = Run(tmp_path, stopping=once)
    found = [(run.gan.seen, path) for path in run.train()]
    assert [seen for seen, _ in found] == [16, 32, 40]
    assert poisoned
    assert f"diverged to NaN: back to {found[0][1]}" in " ".join(run.lines)
    curve = EventAccumulator(run.diary.folder.path)
    curve.Reload()
    assert [point.step for point in curve.Scalars("loss/g")] == list(range(4, 41, 4))
    assert weights(run).isfinite().all()
    unharmed = Run(tmp_path)
    assert len(list(unharmed.train())) == 3
    assert not torch.equal(weights(run), weights(unharmed))  # else it would be lost there again


def test_numbers_lost_thrice_in_the_same_place_end_it(tmp_path: Path) -> None:
    def always(run: Run) -> bool:
        if run.gan.seen == 28:
            poison(run)
        return False

    run = Run(tmp_path, stopping=always)
    made = run.train()
    good = next(made)
    before = Path(good).read_bytes()
    with pytest.raises(FatalError, match=f"NaN; the last good snapshot is {good}: try lower"):
        next(made)
    assert sum("back to" in line for line in run.lines) == 3
    assert Path(good).read_bytes() == before


def test_numbers_lost_in_the_last_step_are_never_saved(tmp_path: Path) -> None:
    def late(run: Run) -> bool:  # after the losses of this iteration are known
        if run.gan.seen == 16:
            poison(run)
        return False

    with pytest.raises(FatalError, match="diverged to NaN: try lower"):
        next(Run(tmp_path, stopping=late).train())
    assert not list(tmp_path.glob("*/*.pkl"))


def test_it_ends_when_asked_and_saves(tmp_path: Path) -> None:
    run = Run(tmp_path, stopping=lambda run: run.gan.seen == 8)
    assert [snapshots.read(path).facts["kimg"] for path in run.train()] == [0.008]


def test_layers_freeze_and_thaw_between_two_runs(tmp_path: Path) -> None:
    *_, path = Run(tmp_path).train()
    saved = snapshots.read(path)
    frozen = Run(tmp_path, config := replace(CONFIG, freeze_d=2, kimg=0.05))
    snapshots.restore(frozen.gan, saved, config)
    names = [name for name, _ in frozen.gan.discriminator.named_parameters()]
    assert saved.training
    moments = [saved.training["D_adam"][number]["exp_avg_sq"] for number in range(len(names))]
    learning = {id(parameter) for parameter in frozen.gan.d.parameters}
    kept = [
        moment
        for moment, parameter in zip(moments, frozen.gan.discriminator.parameters(), strict=True)
        if id(parameter) in learning
    ]
    assert 0 < len(kept) < len(moments)
    state = frozen.gan.d.state()
    assert all(torch.equal(state[i]["exp_avg_sq"], moment) for i, moment in enumerate(kept))

    *_, path = frozen.train()
    thawed = Run(tmp_path, replace(CONFIG, kimg=0.06))
    snapshots.restore(thawed.gan, snapshots.read(path), thawed.training.config)
    (first, *_) = layers_from_image(thawed.gan.discriminator)[0].parameters()
    before = first.clone()
    assert len(list(thawed.train())) == 1
    assert not torch.equal(before, first)


def test_p_is_what_was_told_last(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.gan.p.fill_(0.5)
    path = snapshots.write(str(tmp_path), run.gan, replace(CONFIG, p=0.25), {})
    for aug, told, is_now in [("ada", 0.25, 0.5), ("ada", 0.125, 0.125), ("fixed", 0.25, 0.25)]:
        config = replace(CONFIG, aug=aug, p=told)  # type: ignore[arg-type]
        snapshots.restore(run.gan, snapshots.read(path), config)
        assert run.gan.p == is_now


def test_damaged_images_are_left_out(tmp_path: Path) -> None:
    run = Run(tmp_path)
    (tmp_path / "d/00001/img00000002.png").write_bytes(b"nothing")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert len(list(run.train())) == 3
    assert [warning.category for warning in said] == [Advice]
    assert (tmp_path / "00000-run/reals.jpg").exists()


@pytest.mark.parametrize(
    ("batch", "accumulate", "group"), [(8, 1, 4), (8, 4, 2), (6, 2, 3), (7, 1, 1), (1, 1, 1)]
)
def test_a_minibatch_group_divides_a_round(batch: int, accumulate: int, group: int) -> None:
    assert minibatch_group(TrainConfig(batch=f"{batch}", accumulate=accumulate), 16) == group


def test_all_terms_are_told_and_plotted(tmp_path: Path) -> None:
    terms = {"loss_g": 1.0, "loss_fake": 0.5, "loss_real": 0.25, "sign_real": 0.5}
    terms |= {"sign_fake": -0.5, "p": 0.125, "path_mean": 2.0}
    training = Run(tmp_path).training
    training.gan.rates = 0.002, 0.001
    assert training.numbers(terms) == ["G 1.000", "D 0.750", "signs +0.50 -0.50", "p 0.125"]
    curves = training.curves(terms)
    for name, value in [("loss/g", 1), ("sign/real", 0.5), ("p", 0.125), ("path/mean", 2)]:
        assert curves[name] == value
    assert curves["rate/d"] == 0.001

"""A run of gpttrain in the loop, and the replacement of its snapshots."""

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from animetools.errors import FatalError
from animetools.runs.diary import Diary
from animetools.runs.folder import Folder
from animetools.runs.loop import train
from animetools.runs.pace import Pace
from animetools.runs.snapshots import listed
from animetools.runs.view import View
from animetools.text.corpus import Document
from animetools.text.learning import snapshots
from animetools.text.learning.config import TextConfig
from animetools.text.learning.learner import Learner
from animetools.text.learning.run import STEP, TextTraining
from animetools.text.learning.tokens import encoded
from tests.quick import SERVER
from tests.text.small_models import TEXTS, TOKENIZER, small

CPU = torch.device("cpu")
DATA, HELD = encoded((Document(text, True) for text in TEXTS), TOKENIZER, 0.1, pairs=True)
CONFIG = TextConfig(steps=10, batch=4, context=16, patience=0)


@dataclass
class Run:
    """A run that saves every four steps."""

    path: Path
    stopping: Callable[["Run"], bool] = lambda run: False
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        learner = Learner(small(dropout=0.1), CONFIG, CPU)
        self.training = TextTraining(learner, TOKENIZER, DATA, HELD, {})

    def train(self, good: str = "") -> Generator[str, None, None]:
        view = View("m", STEP, CONFIG.steps, 0)
        diary = Diary(Folder(str(self.path)), self.lines.append, view, 0)
        yield from train(self.training, Pace(4, keep=0), diary, lambda: self.stopping(self), good)

    def resumed(self) -> "Run":
        """Another process, which goes on from the last snapshot."""
        other = Run(self.path, self.stopping)
        path = listed(str(self.path))[-1]
        other.training.restore(path)
        return other

    def weights(self) -> torch.Tensor:
        model = self.training.learner.model
        return torch.cat([value.detach().flatten() for value in model.parameters()])


def poison(run: Run) -> None:
    with torch.no_grad():
        next(iter(run.training.learner.model.parameters())).fill_(torch.nan)


def once_at(step: int) -> Callable[[Run], bool]:
    """What spoils a run the first time that it has done so many steps."""
    spoilt: list[int] = []

    def stopping(run: Run) -> bool:
        if run.training.done == step and not spoilt:
            spoilt.append(step)
            poison(run)
        return False

    return stopping


def test_a_run_that_diverges_goes_back_and_elsewhere(tmp_path: Path) -> None:
    run = Run(tmp_path / "m", once_at(6))
    paths = [f"{tmp_path}/m/snapshot-{step:06d}" for step in (4, 8, 10)]
    assert list(run.train()) == paths
    assert sum("diverged to NaN: back to" in line for line in run.lines) == 1
    assert run.weights().isfinite().all()
    assert [snapshots.read(path).facts["divergences"] for path in paths] == [0, 1, 1]
    unharmed = Run(tmp_path / "n")
    assert len(list(unharmed.train())) == 3
    assert not torch.equal(run.weights(), unharmed.weights())  # else it would be lost there again


def test_a_run_that_has_diverged_is_resumed_to_the_bit(tmp_path: Path) -> None:
    whole = Run(tmp_path / "m", once_at(6))
    list(whole.train())
    killed = Run(tmp_path / "n", once_at(6))
    made = killed.train()
    assert [next(made), next(made)] == [f"{tmp_path}/n/snapshot-{step:06d}" for step in (4, 8)]
    made.close()
    del killed, made  # and the lock
    resumed = Run(tmp_path / "n").resumed()
    list(resumed.train())
    assert torch.equal(whole.weights(), resumed.weights())


def test_a_run_that_diverges_thrice_in_the_same_place_ends(tmp_path: Path) -> None:
    def always(run: Run) -> bool:
        if run.training.done == 6:
            poison(run)
        return False

    run = Run(tmp_path / "m", always)
    made = run.train()
    good = next(made)
    with pytest.raises(FatalError, match=f"NaN; the last good snapshot is {good}: try a lower"):
        next(made)
    assert sum("back to" in line for line in run.lines) == 3
    assert listed(str(tmp_path / "m")) == [good]


def test_nothing_that_is_not_finite_is_saved(tmp_path: Path) -> None:
    run = Run(tmp_path / "m", once_at(4))
    with pytest.raises(FatalError, match="diverged to NaN: try a lower --lr"):
        next(run.train())
    assert not listed(str(tmp_path / "m"))


def replace_again_and_again(out: str) -> None:
    """Write the same step until killed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the bars of transformers
    learner = Learner(small(), CONFIG, CPU)
    learner.step(DATA)
    for number in itertools.count():
        facts = {"number": number}
        snapshots.write(out, 1, learner.model, TOKENIZER, learner.state(), facts)


def test_a_killed_replacement_of_a_snapshot_loses_nothing(tmp_path: Path) -> None:
    chance, out = random.Random(3), str(tmp_path)
    last = -1
    for _ in range(6):
        process = SERVER.Process(target=replace_again_and_again, args=(out,))
        process.start()
        while not listed(out) and process.is_alive():
            time.sleep(0.01)
        time.sleep(chance.uniform(0.05, 0.3))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        (path,) = listed(out)
        number = snapshots.read(path).facts["number"]
        assert (tmp_path / Path(path).name / "model.safetensors").exists()
        last = max(last, number)
    assert last > 0


def test_a_replacement_killed_between_its_renames_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, learner = str(tmp_path), Learner(small(), CONFIG, CPU)
    learner.step(DATA)

    def write(number: int) -> str:
        facts = {"number": number}
        return snapshots.write(out, 1, learner.model, TOKENIZER, learner.state(), facts)

    write(1)
    rename = os.rename

    def killed(old: str, new: str) -> None:
        if old.endswith(".part"):
            raise KeyboardInterrupt
        rename(old, new)

    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        write(2)
    monkeypatch.undo()
    (path,) = listed(out)
    assert path == f"{out}/snapshot-000001~"
    assert snapshots.read(path).facts["number"] == 1
    assert write(3) == f"{out}/snapshot-000001"
    assert listed(out) == [f"{out}/snapshot-000001"]
    assert not list(tmp_path.glob("*~"))


def test_a_snapshot_that_does_not_say_how_far_its_run_was_is_refused(tmp_path: Path) -> None:
    sound = {"step": 4, "best": 3.5, "worse": 0}
    training = Run(tmp_path).training
    others: list[dict[str, Any]] = [
        {},
        sound | {"step": "4"},
        sound | {"best": []},
        {"step": 4, "worse": 0},
    ]
    for facts in others:
        with pytest.raises(FatalError, match="does not say how far its run was"):
            training.resume(snapshots.State(facts, {}))
    data = save({"a": torch.zeros(1)}, {"run": "[" * 100_000})
    (tmp_path / snapshots.STATE).write_bytes(data)
    with pytest.raises(FatalError, match="holds no state of a run to resume"):
        snapshots.read(str(tmp_path))

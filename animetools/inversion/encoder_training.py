"""A run that trains an encoder: what it does at each step and each snapshot."""

import copy
import math
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import torch

from animetools import atomic
from animetools.errors import FatalError
from animetools.inversion import encoder_file, start
from animetools.inversion.encoder import Encoder, config_for
from animetools.inversion.learning import Learner
from animetools.inversion.network import ProjectingNetwork
from animetools.inversion.options import ENCODER
from animetools.networks.normalization import normalized, plain
from animetools.runs.diary import Diary
from animetools.runs.folder import Folder
from animetools.runs.loop import train
from animetools.runs.pace import Pace
from animetools.runs.snapshots import listed, named, remove
from animetools.runs.view import Unit, View

KIMG = Unit("kimg", 1000)
BATCH = 16  # samples a step
PACE = Pace(every=1, keep=1)
DAMAGE = (  # what torch.load raises, and what is missing in another file
    OSError,
    EOFError,
    RuntimeError,
    KeyError,
    AttributeError,
    TypeError,
    ValueError,
    OverflowError,
    pickle.UnpicklingError,
)


@dataclass
class EncoderTraining:
    """An encoder that learns, a `runs.loop.Training`; `facts` say of what, and how.

    The run's folder holds the encoder as it is at the last snapshot.
    """

    learner: Learner
    facts: dict[str, Any]
    unit = KIMG
    cure = "try another --seed"

    @property
    def device(self) -> torch.device:
        """Where the encoder is."""
        return self.learner.device

    @property
    def done(self) -> int:
        """Samples so far."""
        return self.learner.done * BATCH

    @property
    def total(self) -> float:
        """Samples in all."""
        return self.learner.steps * BATCH

    def step(self) -> Mapping[str, Any]:
        """Learn from one batch."""
        return self.learner.step()

    def validate(self) -> dict[str, float]:
        """How near the encoder comes to samples that it does not learn from."""
        return self.learner.validate()

    def is_sound(self) -> bool:
        """Whether all weights are finite."""
        return all(bool(each.isfinite().all()) for each in self.learner.encoder.parameters())

    def numbers(self, terms: Mapping[str, float]) -> list[str]:
        """The error of w, in units of its spread, and how near the pictures are."""
        return [f"{name.replace('_', ' ')} {value:.4g}" for name, value in terms.items()]

    def curves(self, terms: Mapping[str, float]) -> dict[str, float]:
        """The same, and the learning rate of the next step."""
        found = {f"encoder/{name}": value for name, value in terms.items()}
        return found | {"rate": self.learner.rate}

    def save(self, folder: str) -> str:
        """Write the snapshot from which the run continues, then the encoder."""
        learner = self.learner
        path = os.path.join(folder, named(self.done / KIMG.size))
        state = {"facts": self.facts, "done": learner.done, "divergences": learner.divergences}
        state |= {"encoder": learner.encoder.state_dict(), "adam": learner.adam.state_dict()}
        with atomic.writing(path) as file:
            torch.save(state, file)
        self.write(os.path.join(folder, ENCODER))
        return path

    def write(self, path: str) -> None:
        """Write the encoder as it is now, unless the file holds it already."""
        file = BytesIO()
        encoder_file.write(plain(self.learner.encoder), self.facts["network"], file)
        if not os.path.lexists(path) or not atomic.holds(path, file.getvalue()):
            atomic.write(path, file.getvalue())

    def restore(self, path: str) -> None:
        """Go back to a snapshot.

        Raises FatalError for a damaged one, and one of another run.
        """
        try:
            saved = dict(torch.load(path, map_location=self.device, weights_only=True))
            facts, learner = dict(saved["facts"]), self.learner
            for name, value in self.facts.items():
                if facts.get(name) != value:
                    raise FatalError(
                        f"{path} is of a run with {name} {facts.get(name)}, not {value}: --force"
                        " starts over, -o names another folder"
                    )
            learner.encoder.load_state_dict(saved["encoder"])
            learner.adam.load_state_dict(saved["adam"])
            learner.done, learner.divergences = int(saved["done"]), int(saved["divergences"])
        except DAMAGE:
            raise FatalError(
                f"{path} is not the snapshot of an encoder: --force starts over"
            ) from None

    def diverge(self, number: int) -> None:
        """Seed all that follows by what the snapshot was seeded by, and a number."""
        self.learner.divergences += number

    def begin(self, diary: Diary) -> None:
        """Nothing to show."""

    def show(self, diary: Diary) -> None:
        """Nothing to show."""

    def finished(self) -> str:
        """It ends where it was to end."""
        return ""


def training_of(network: ProjectingNetwork, kimg: float, device: torch.device) -> EncoderTraining:
    """The training of an encoder of a network, with so many thousands of samples, at its start."""
    options, own, labels = network.options, network.network.generator, network.labels()
    space = start.measured(own, labels, options.seed)
    own.requires_grad_(False)
    generator = own if device.type == "cpu" else copy.deepcopy(own).to(device)
    torch.manual_seed(options.seed)
    encoder = normalized(Encoder(config_for(own.config, own.num_ws)))
    encoder.mean.copy_(space.mean)
    encoder.deviation.fill_(space.deviation)
    learner = Learner(
        encoder.to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        own.mapping,
        generator,
        network.features(device),
        labels,
        steps=max(math.ceil(kimg * KIMG.size / BATCH), 1),
        batch=BATCH,
        seed=options.seed,
    )
    facts = {
        "network": network.network.sha256,
        "seed": options.seed,
        "features": options.features,
        "classes": " ".join((options.class_, *options.tags)),
    }
    return EncoderTraining(learner, facts)


def trained(
    training: EncoderTraining,
    out: str,
    note: Callable[[str], object],
    watch: Callable[[Any], object],
    stopping: Callable[[], bool],
    *,
    force: bool,
) -> Iterator[str]:
    """Train in the folder `out`, from its last snapshot on; yields the path of the encoder at the end.

    Raises FatalError if the folder holds another run or encoder, unless `force` replaces it.
    """
    path, old = os.path.join(out, ENCODER), listed(out)
    if os.path.lexists(path) and not old and not force:
        raise FatalError(f"{path} exists and is of another run: --force overwrites it")
    if old and not force:
        training.restore(old[-1])
        if training.done >= training.total:
            training.write(path)  # it may be missing: it is written after the snapshot
            kimg = KIMG.words(training.done)
            note(f"{path} has learned from {kimg} kimg: raise --kimg to continue")
    if training.done < training.total:
        folder = Folder(out)
        folder.record(training.facts)
        view = View(out, KIMG, training.total, training.done)
        watch(view)
        diary = Diary(folder, note, view, training.done)
        if training.done:
            diary.say(f"continuing from {old[-1]}")
        for each in old if force else []:
            remove(each)
        for _ in train(training, PACE, diary, stopping, "" if force or not old else old[-1]):
            pass
    if training.done >= training.total:
        yield path

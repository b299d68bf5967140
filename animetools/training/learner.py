"""What a run of sgtrain does at each step and each snapshot."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import torch

from animetools.dataset.pictures import Pixels
from animetools.dataset.training_set import Images
from animetools.images.files import encode_jpeg
from animetools.runs.diary import Diary
from animetools.runs.view import Unit
from animetools.training import sheets, snapshots
from animetools.training.config import TrainConfig
from animetools.training.gan import GAN
from animetools.training.loader import Batch, Loader, signed
from animetools.training.metrics import Metrics
from animetools.training.sampler import Sampler

KIMG = Unit("kimg", 1000, between=4.0)
QUALITY = 92  # of the sheets


@dataclass
class StyleGANTraining:
    """A GAN that learns from images: a `runs.loop.Training`, to be used in a `with`.

    Where several ranks train, the loop drives that of rank 0, which the others follow.
    `facts` go into every snapshot; `metrics` are computed after each.
    """

    gan: GAN
    images: Images
    config: TrainConfig
    facts: dict[str, Any]
    threads: int = 2
    metrics: Metrics | None = None
    unit = KIMG
    cure = "try lower --g-lr and --d-lr, or another --gamma"

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._loader: Loader | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.gan.device

    @property
    def done(self) -> int:
        """Images so far."""
        return self.gan.seen

    @property
    def total(self) -> float:
        """Images in all."""
        return self.config.kimg * 1000

    def step(self) -> Mapping[str, torch.Tensor]:
        """Learn from one batch."""
        self.gan.ranks.tell("step")
        if self._loader is None or self._loader.batch != self._batch:
            self._stack.close()
            sampler = Sampler(len(self.images), self.config.seed, start=self.gan.seen)
            places = self.gan.ranks.places(self._batch, self.config.accumulate).tolist()
            loader = Loader(self.images, sampler, self._batch, threads=self.threads, places=places)
            self._loader = self._stack.enter_context(loader)
        batch: Batch = next(self._loader)
        reals = signed(batch.images.to(self.gan.device)).to(self.gan.dtype)
        return self.gan.step(reals, batch.labels if self.config.cond else None)

    @property
    def _batch(self) -> int:
        """Images of the next step."""
        return int(self.gan.now(self.config.batch))

    def validate(self) -> dict[str, float]:
        """Nothing: samples are judged after the snapshot."""
        return {}

    def is_sound(self) -> bool:
        """Whether all weights and averages are finite."""
        networks = self.gan.generator, self.gan.discriminator, self.gan.ema
        values = [value.sum() for network in networks for value in network.state_dict().values()]
        return bool(torch.stack(values).isfinite().all())

    def numbers(self, terms: Mapping[str, float]) -> list[str]:
        """The size if it grows, losses, mean signs of the scores of reals and fakes, and ADA's p."""
        return [
            *([f"{self.gan.size} px"] if self.config.grows else []),
            *([f"G {terms['loss_g']:.3f}"] if "loss_g" in terms else []),  # not due in every step
            f"D {terms['loss_fake'] + terms['loss_real']:.3f}",
            f"signs {terms['sign_real']:+.2f} {terms['sign_fake']:+.2f}",
            f"p {terms['p']:.3f}",
        ]

    def curves(self, terms: Mapping[str, float]) -> dict[str, float]:
        """All terms, loss_g as loss/g, the learning rates, and the level of detail if it grows."""
        curves = {name.replace("_", "/", 1): value for name, value in terms.items()}
        g_rate, d_rate = self.gan.rates
        curves |= {"lod": self.gan.lod} if self.config.grows else {}
        return curves | {"rate/g": g_rate, "rate/d": d_rate}

    def save(self, folder: str) -> str:
        """Write a snapshot that other commands read as a network."""
        return snapshots.write(folder, self.gan, self.config, self.facts)

    def restore(self, path: str) -> None:
        """Go back to a snapshot, and to its place in the order of the images."""
        self.gan.ranks.tell("restore", path)
        snapshots.restore(self.gan, snapshots.read(path), self.config)
        self._stack.close()
        self._loader = None

    def diverge(self, number: int) -> None:
        """Seed all that follows by the snapshot's random state and a number."""
        self.gan.ranks.tell("diverge", number)
        seed = int(torch.randint(1 << 62, (), generator=self.gan.chance))
        self.gan.chance.manual_seed(seed + number)

    def begin(self, diary: Diary) -> None:
        """Show images of the dataset and the first samples."""
        reals = list(sheets.chosen(self.images, sheets.ON_SHEET, 1))
        if reals:
            self._show(diary, "reals", "reals.jpg", sheets.sheet(reals))
        self._show_samples(diary)

    def show(self, diary: Diary) -> None:
        """Show samples and compute metrics."""
        self._show_samples(diary)
        if self.metrics:
            diary.metrics(self.metrics(self.gan.ema), self.done)

    def finished(self) -> str:
        """Never before the end."""
        return ""

    def _show_samples(self, diary: Diary) -> None:
        """Show what the average generator makes of the same latents every time.

        A conditional one makes each like the image in its place on the sheet of reals.
        """
        ema = self.gan.ema
        z = sheets.latents(sheets.ON_SHEET, ema.config.mapping.z_dim, self.config.seed)
        c = sheets.labels(self.images, sheets.ON_SHEET)
        share = self._batch // self.gan.ranks.count
        fakes = sheets.samples(ema, z, c, share, self.threads)
        self._show(diary, "fakes", f"fakes{self.done / 1000:010.3f}.jpg", sheets.sheet(fakes))

    def _show(self, diary: Diary, name: str, file: str, pixels: Pixels) -> None:
        height, width, channels = pixels.shape
        jpeg = encode_jpeg(pixels if channels > 1 else pixels[:, :, 0], QUALITY)
        diary.picture(name, file, jpeg, (width, height), self.done)

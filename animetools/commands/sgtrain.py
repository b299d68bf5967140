"""sgtrain: train a StyleGAN."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from animetools.cli import Item, OneDevice, Opt, Stream, command
from animetools.cli.aside import until_interrupted
from animetools.cli.cores import cores
from animetools.errors import FatalError
from animetools.options import options_of
from animetools.training.config import PRESETS, rate_at

if TYPE_CHECKING:
    from animetools.dataset.training_set import Images
    from animetools.training.metrics import Judge

METRICS = ("fid", "kid")
METRIC_IMAGES = 5000


@dataclass(frozen=True)
class TrainOptions:
    """What sgtrain can be told; what is not told is the preset's."""

    preset: Annotated[
        str,
        Opt(
            f"{', '.join(PRESETS)}; without it ada, or as before where a run is resumed.",
            unit="NAME",
        ),
    ] = ""
    resume: Annotated[
        str,
        Opt(
            "Go on from a snapshot, with its settings where no others are given; latest is that of the"
            " newest run on these images, wherever they lie, and begins one where there is none.",
            unit="latest|none|FILE|URL",
        ),
    ] = ""
    transfer: Annotated[
        str, Opt("Begin with the weights of any StyleGAN 2 file.", unit="FILE|URL")
    ] = ""
    kimg: Annotated[float | None, Opt("Thousands of images to learn from in all.", min=0.001)] = (
        None
    )
    batch: Annotated[int | None, Opt("Images in an iteration.", "b", min=1, max=4096)] = None
    accumulate: Annotated[
        int | None, Opt("Parts that a batch is cut into, to need less memory.", min=1)
    ] = None
    g_lr: Annotated[
        str | None,
        Opt("Learning rate of the generator; 0.002,1000:0.001 changes it.", unit="RATES"),
    ] = None
    d_lr: Annotated[str | None, Opt("The same of the discriminator, on its own.", unit="RATES")] = (
        None
    )
    gamma: Annotated[float | None, Opt("Weight of R1.", min=0)] = None
    pl_weight: Annotated[float | None, Opt("Weight of path lengths.", min=0)] = None
    mixing: Annotated[float | None, Opt("Probability of style mixing.", min=0, max=1)] = None
    top_k: Annotated[
        float | None,
        Opt(
            "Share of the fakes, the best, that teach the generator; one of each group at least.",
            min=0,
            max=1,
        ),
    ] = None
    ema_kimg: Annotated[float | None, Opt("Half-life of the average generator.", min=0)] = None
    aug: Annotated[
        Literal["ada", "diffaug", "fixed", "none"] | None, Opt("How images are augmented.")
    ] = None
    target: Annotated[float | None, Opt("What ADA aims at.", min=-1, max=1)] = None
    p: Annotated[float | None, Opt("Probability of --aug fixed, or where ada begins.", min=0)] = (
        None
    )
    freeze_d: Annotated[
        int | None, Opt("Layers of the discriminator, from the image side, that stay.", min=0)
    ] = None
    mirror: Annotated[bool, Opt("Learn from mirror images too.")] = False
    channel_base: Annotated[
        int | None, Opt("Channels of a block times its resolution.", min=16)
    ] = None
    channel_max: Annotated[int | None, Opt("Most channels of a block.", min=1)] = None
    map_layers: Annotated[int | None, Opt("Layers of the mapping network.", min=1, max=64)] = None
    dtype: Annotated[
        Literal["fp32", "bf16", "fp16"] | None,
        Opt("Precision of the four highest resolutions; where it is not told, fp16 on a card."),
    ] = None
    snap: Annotated[float, Opt("Kimg between two snapshots.", min=0.001)] = 200.0
    snap_minutes: Annotated[float, Opt("Minutes between two snapshots, at most.", min=0.01)] = 30.0
    keep: Annotated[int, Opt("Snapshots that are kept, the last ones; 0 is all.", min=0)] = 5
    keep_every: Annotated[
        int, Opt("Besides, the first at or after each multiple of so many kimg; 0 is none.", min=0)
    ] = 0
    metrics: Annotated[
        str, Opt("fid, kid or both, computed at each snapshot by --embedding.", unit="fid,kid")
    ] = ""
    embedding: Annotated[
        str,
        Opt(
            "Network from images [n, 3, h, w] in -1..1 to features; without it there are no metrics.",
            unit="FILE.onnx",
        ),
    ] = ""
    metric_images: Annotated[
        int | None,
        Opt(
            f"Samples, and images at most, that metrics compare; {METRIC_IMAGES} where not given.",
            min=2,
            max=10**6,
        ),
    ] = None
    seed: Annotated[int | None, Opt("What all chance comes from.", min=0, max=2**32 - 1)] = None
    device: OneDevice = "auto"

    def __post_init__(self) -> None:
        """Refuse what makes no sense, before anything heavy is loaded."""
        if self.resume not in ("", "none") and self.transfer:
            raise ValueError("--resume and --transfer exclude each other")
        if self.device == "all":
            raise ValueError("--device all: a run trains on one device")
        wrong = [name for name in self.metrics.split(",") if name not in ("", *METRICS)]
        if wrong:
            raise ValueError(f"--metrics is fid, kid or fid,kid, not '{self.metrics}'")
        if bool(self.metrics) != bool(self.embedding):
            raise ValueError("--metrics and --embedding FILE.onnx need each other")
        if self.metric_images is not None and not self.metrics:
            raise ValueError("--metric-images is for --metrics: leave it out")
        if self.preset and self.preset not in PRESETS:
            raise ValueError(f"--preset is one of {', '.join(PRESETS)}, not '{self.preset}'")
        for flag, schedule in (("--g-lr", self.g_lr), ("--d-lr", self.d_lr)):
            if schedule is not None:
                rate_at(flag, schedule, 0)


@command(
    out="results",
    reads=False,
    arguments=("DATA", "A dataset of animepack's, or any folder of images of one size."),
    examples=[
        "sgtrain --dry-run --preset s2 --gamma 5 dataset.zip",
        "until sgtrain --preset tiny --kimg 0.01 --resume latest dataset.zip; do [ $? = 2 ] && break; done",
    ],
)
def sgtrain(options: TrainOptions, stream: Stream) -> int:
    """Train a StyleGAN.

    Writes the path of each snapshot when it is whole, in a new folder below results/ or in that of
    the run it resumes: any other command reads its networks, and --resume goes on from it. Ctrl-C or
    SIGTERM has it write one and end; a second one ends it at once. First it says what memory, disk
    and time it will need.

    In the folder are sheets of samples, log.txt, run.json with all settings, and the curves of
    TensorBoard. A run that has crashed goes on with the loop below; status 2 says that it cannot.
    """
    if len(stream.files) != 1:
        raise FatalError("name one dataset: sgtrain DATA")
    cure = "a larger --accumulate, or a smaller --batch or --channel-base, needs less"
    for path in until_interrupted(partial(_train, options, stream), stream, cure):
        stream.print(Item(path))
    return 0


def _train(options: TrainOptions, stream: Stream, stopping: Callable[[], bool]) -> Iterator[str]:
    """Train; gives the path of each snapshot."""
    import torch

    from animetools.dataset.annotations import annotations
    from animetools.dataset.training_set import Images
    from animetools.netfiles.fetch import locate
    from animetools.networks.devices import devices
    from animetools.training import forecast, resume, snapshots, transfer
    from animetools.training.diary import Diary
    from animetools.training.run import Run
    from animetools.training.settings import changes, refuse_architecture, settings
    from animetools.training.snapshots import Pace
    from animetools.training.status import View, kimg_of

    report, jobs = stream.report, stream.options.jobs or cores()
    torch.set_num_threads(min(jobs, cores()))  # more would wait for each other
    process = forecast.resident()

    # What it learns from, and what it goes on from.
    device = devices(options.device)[0]
    images = Images(stream.files[0])
    if unused := list(annotations(images.pictures)):
        report.note(f"{images.path} has {' and '.join(unused)}: sgtrain does not use them yet")
    path = "" if options.resume == "none" else options.resume
    if path == "latest":
        path = resume.latest(stream.out, images) or ""
        if not path:
            report.note(f"no run on {images.path} is in {stream.out}: a new one begins")
    elif path:
        path = locate(path)
    saved = resume.read(path) if path else None
    side = max(images.height, images.width)
    given = asdict(options)
    if device.type == "cuda" and not saved:
        given["dtype"] = options.dtype or "fp16"
    config = settings(given, options_of(TrainOptions), side, saved, path)
    images.mirror = config.mirror

    # The networks.
    pair, source = transfer.anew(config, images), None
    if saved:
        pair = transfer.resumed(pair, saved, path)
    elif options.transfer:
        source = transfer.source_of(locate(options.transfer))
        made = transfer.like(pair, source)
        refuse_architecture(given, pair[0], source.generator.config, options.transfer)
        if options.preset and made != pair:
            report.note(f"the networks are those of {options.transfer}, not of {options.preset}")
        pair = made
    transfer.refuse_too_frozen(config, pair)
    if config.dtype != "fp32" and not transfer.precision_of(config.dtype, device):
        report.note(f"--dtype {config.dtype} is slow on this device: it is fp32")
    judge = _judge(options, images, jobs)

    # What it will need.
    pace = Pace(options.snap, options.snap_minutes, options.keep, options.keep_every)
    seconds = 0.0
    if not saved:
        spoilt, _ = transfer.trainer_of(config, pair, device)
        seconds = forecast.seconds_per_kimg(spoilt, config.batch)
        del spoilt
    needs = forecast.told(config, pair, pace, stream.out, device, process=process, seconds=seconds)
    for line in needs:
        report.note(line)
    name, home = f"{images.name}-{config.preset}", snapshots.home(path) if path else None
    if stream.options.dry_run:
        for key, value in asdict(config).items():
            report.note(f"{key} {value}")
        place = home or snapshots.following(stream.out, name)
        yield os.path.join(place, snapshots.named(config.kimg))
        return

    # The run.
    trainer, fresh = transfer.trainer_of(config, pair, device, source)
    facts: dict[str, Any] = {"dataset": images.name, "images": len(images)}
    facts |= {"transfer": options.transfer} if options.transfer else {}
    news = [fresh] if fresh else []
    if saved:
        facts |= {"transfer": saved.facts["transfer"]} if "transfer" in saved.facts else {}
        snapshots.restore(trainer, saved, config)
        if trainer.seen >= config.kimg * 1000:
            report.note(f"{path} has its {config.kimg:g} kimg: a larger --kimg goes on")
            yield path
            return
        news = [f"goes on from {path} at {kimg_of(trainer.seen)} kimg"]
        news += changes(saved, facts | asdict(config))
        news += resume.moves(home, images) if home else []
    folder = snapshots.Folder(home) if home else snapshots.Folder.new(stream.out, name)
    told: dict[str, Any] = {
        "data": os.path.realpath(images.path),
        "content": images.identity.plain(),
    }
    told |= {"resumed": path, "device": str(device), "jobs": jobs}
    folder.tell(asdict(options) | asdict(config) | facts | told)
    view = View(folder.path, config.kimg, trainer.seen)
    report.watch(view)
    diary = Diary(folder, report.note, view, trainer.seen)
    for line in news:
        diary.say(line)
    run = Run(trainer, images, config, pace, diary, facts, stopping, jobs, judge, path)
    yield from run.train()


def _judge(options: TrainOptions, images: "Images", jobs: int) -> "Judge | None":
    """What tells the worth of samples, where that is asked for."""
    if not options.metrics:
        return None
    from animetools.netfiles.fetch import locate
    from animetools.training.metrics import Embedding, Judge

    cure = "--embedding takes an .onnx file, or its address"
    embedding = Embedding(locate(options.embedding, cure=cure), min(jobs, cores()))
    count = options.metric_images or METRIC_IMAGES
    return Judge(embedding, options.metrics.split(","), images, count, jobs)

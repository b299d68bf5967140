"""sgtrain: train a StyleGAN."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from animetools.cli import Item, OneDevice, Opt, Stream, command
from animetools.cli.aside import until_interrupted
from animetools.cli.cores import cores
from animetools.cli.exit import give_up
from animetools.errors import FatalError
from animetools.runs.settings import changes, given, settings_of
from animetools.training.config import TrainConfig

if TYPE_CHECKING:
    from animetools.training.ranks import Ranks

METRICS = ("fid", "kid")
METRIC_IMAGES = 5000
LESS_MEMORY = "a larger --accumulate, or a smaller --batch or --channel-base, needs less"


@dataclass(frozen=True)
@settings_of(TrainConfig, after="transfer", defaults=False)
class TrainOptions:
    """The options of sgtrain, beside those of TrainConfig, which are the preset's by default."""

    resume: Annotated[
        str,
        Opt(
            "Continue from a snapshot, with its settings where no others are given; latest is the"
            " last one of the newest run on these images, wherever they lie, and starts a new run"
            " if there is none.",
            unit="latest|none|FILE|URL",
        ),
    ] = ""
    transfer: Annotated[
        str,
        Opt(
            "Start from the weights of any StyleGAN 2 file, of a StyleGAN 1 with --preset s1, or of a"
            " StyleGAN 3 with s3t or s3r; --transfer default from those of the network that ships. Layers"
            " of a higher resolution fade in, but for another size most layers of a StyleGAN 3 start"
            " from random weights. A network of tags goes on without them where --cond is not given:"
            " z then varies what tags did.",
            unit="FILE|URL",
        ),
    ] = ""
    resume_kimg: Annotated[
        float | None,
        Opt(
            "Kimg at which --preset s1 begins with --transfer [where its schedule has grown the"
            " networks as far as they are].",
            min=0,
        ),
    ] = None
    snap: Annotated[float, Opt("Kimg between two snapshots.", min=0.001)] = 200.0
    snap_minutes: Annotated[float, Opt("Minutes between two snapshots, at most.", min=0.01)] = 30.0
    keep: Annotated[int, Opt("Snapshots to keep, the last ones; 0 keeps all.", min=0)] = 5
    keep_every: Annotated[
        int,
        Opt(
            "Keep also the first snapshot at or after each multiple of this; 0 keeps none.",
            unit="KIMG",
            min=0,
        ),
    ] = 0
    metrics: Annotated[str, Opt("fid, kid or both, computed at each snapshot.", unit="fid,kid")] = (
        ""
    )
    embedding: Annotated[
        str,
        Opt(
            "Network from images [n, 3, h, w] in -1..1 to the features that --metrics compares"
            " [those of the tagger that ships].",
            unit="FILE.onnx",
        ),
    ] = ""
    metric_images: Annotated[
        int | None,
        Opt(
            f"Samples, and images at most, to compute --metrics from [{METRIC_IMAGES}].",
            min=2,
            max=10**6,
        ),
    ] = None
    device: OneDevice = "auto"

    def __post_init__(self) -> None:
        """Refuse contradictions before anything heavy is loaded."""
        if self.resume not in ("", "none") and self.transfer:
            raise ValueError("--resume and --transfer exclude each other")
        if self.resume_kimg is not None and not self.transfer:
            raise ValueError("--resume-kimg is for --transfer: leave it out")
        if self.device == "all":
            raise ValueError("--device all: a run trains on one device")
        wrong = [name for name in self.metrics.split(",") if name not in ("", *METRICS)]
        if wrong:
            raise ValueError(f"--metrics is fid, kid or fid,kid, not '{self.metrics}'")
        if self.embedding and not self.metrics:
            raise ValueError("--embedding is for --metrics: leave it out")
        if self.metric_images is not None and not self.metrics:
            raise ValueError("--metric-images is for --metrics: leave it out")


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

    Writes the path of each snapshot when it is complete, in a new folder below results/ or in that
    of the run it resumes: any other command reads its networks, and --resume continues from it.
    Ctrl-C or SIGTERM writes one more snapshot and ends; a second one ends at once. The run first
    says how much memory, disk and time it will need.

    A StyleGAN 1 (--preset s1) begins with images of 8 pixels; higher resolutions fade in. What a
    StyleGAN 3 draws can be moved (s3t, s3r) and turned (s3r) without a change of texture.

    Several processes, as torchrun starts them on GPUs and machines, share each batch, and learn
    what one would: torchrun --nproc-per-node 2 $(which sgtrain) dataset.zip

    The folder also holds sheets of samples, log.txt, run.json with all settings, and curves for
    TensorBoard. The loop below restarts a run that has crashed; status 2 means that it cannot
    continue.
    """
    if len(stream.files) != 1:
        raise FatalError("name one dataset: sgtrain DATA")
    for path in until_interrupted(partial(_train, options, stream), stream, LESS_MEMORY):
        stream.print(Item(path))
    return 0


def _train(options: TrainOptions, stream: Stream, stopping: Callable[[], bool]) -> Iterator[str]:
    """Train, alone or with others that torchrun has started; yields the path of each snapshot."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")  # or it logs what we say
    from animetools.networks.cpu import keep_freed_memory
    from animetools.training.ranks import joined

    keep_freed_memory()
    with joined(os.environ, partial(give_up, stream.report)) as ranks:
        if ranks.leads:
            yield from _lead(options, stream, stopping, ranks)
        else:
            stream.report.quiet = True
            stream.report.name += f": rank {ranks.rank} of {ranks.count}"
            _follow(options, stream, stopping, ranks)


def _lead(
    options: TrainOptions, stream: Stream, stopping: Callable[[], bool], ranks: "Ranks"
) -> Iterator[str]:
    """Train, tell other ranks what to do, write and print."""
    from animetools.dataset.training_set import Images
    from animetools.runs.diary import Diary
    from animetools.runs.folder import Folder, following
    from animetools.runs.forecast import resident
    from animetools.runs.loop import train
    from animetools.runs.pace import Pace
    from animetools.runs.snapshots import named
    from animetools.runs.view import View
    from animetools.training import doc2vec, resume, snapshots
    from animetools.training.forecast import outlook
    from animetools.training.learner import KIMG, StyleGANTraining
    from animetools.training.metrics import metrics_of
    from animetools.training.ranks import device_of
    from animetools.training.start import start

    jobs, process = _jobs(stream, ranks), resident()

    # The dataset, and what the run begins with.
    device, images = device_of(options.device, ranks), Images(stream.files[0])
    path, chosen = resume.chosen(options.resume, stream.out, images), given(options, TrainConfig)
    if options.resume == "latest" and not path:
        stream.note(f"{stream.out} holds no run on {images.path}: starting a new one")
    begin = start(chosen, images, device, path, options.transfer, options.resume_kimg, stream.note)
    config, saved = begin.config, begin.saved
    count, threads = options.metric_images or METRIC_IMAGES, min(jobs, cores())
    metrics = metrics_of(options.metrics, options.embedding, images, count, str(device), threads)

    # The forecast.
    pace = Pace(options.snap, options.snap_minutes, options.keep, options.keep_every)
    for line in outlook(begin, pace, stream.out, process, LESS_MEMORY, ranks):
        stream.note(line)
    name, home = f"{images.name}-{config.preset}", snapshots.home(path) if path else None
    if stream.options.dry_run:
        for key, value in asdict(config).items():
            stream.note(f"{key} {value}")
        yield os.path.join(home or following(stream.out, name), named(config.kimg))
        return

    # The run.
    gan, said = begin.gan(ranks)
    facts, news = begin.facts, [said] if said else []
    if saved:
        if gan.seen >= config.kimg * 1000:
            stream.note(f"{path} has its {config.kimg:g} kimg: raise --kimg to continue")
            yield path
            return
        news = [f"continuing from {path} at {KIMG.words(gan.seen)} kimg"]
        news += changes(saved.facts | saved.facts["config"], facts | asdict(config))
        news += resume.moves(home, images) if home else []
    elif config.tag_embedding == "doc2vec":
        doc2vec.fit(gan, images, begin.source)  # other ranks get it from this one
    ranks.tell(path, *begin.fingerprint)
    ranks.align(gan.generator, gan.discriminator, gan.ema)
    folder = Folder(home) if home else Folder.new(stream.out, name)
    folder.record(
        asdict(options)
        | asdict(config)
        | facts
        | {"data": os.path.realpath(images.path), "content": images.identity.plain()}
        | {"resumed": path, "device": str(device), "jobs": jobs, "ranks": ranks.count}
    )
    training = StyleGANTraining(gan, images, config, facts, jobs, metrics)
    view = View(folder.path, training.unit, training.total, training.done)
    stream.watch(view)
    diary = Diary(folder, stream.note, view, training.done)
    for line in news:
        diary.say(line)
    with training:
        yield from train(training, pace, diary, partial(ranks.stopping, stopping), path)


def _follow(
    options: TrainOptions, stream: Stream, stopping: Callable[[], bool], ranks: "Ranks"
) -> None:
    """Train as rank 0 says, once it has found everything right."""
    from animetools.dataset.training_set import Images
    from animetools.training.learner import StyleGANTraining
    from animetools.training.ranks import device_of
    from animetools.training.start import start

    if not (told := ranks.hear()):
        return
    path, *fingerprint = told
    jobs, device = _jobs(stream, ranks), device_of(options.device, ranks)
    images = Images(stream.files[0])
    chosen = given(options, TrainConfig)
    begin = start(chosen, images, device, path, options.transfer, options.resume_kimg, stream.note)
    begin.refuse_others(fingerprint)
    gan, _ = begin.gan(ranks)
    ranks.align(gan.generator, gan.discriminator, gan.ema)
    with StyleGANTraining(gan, images, begin.config, {}, jobs) as training:
        ranks.follow(training, stopping)


def _jobs(stream: Stream, ranks: "Ranks") -> int:
    """The threads of this process, of several on its machine; torch has no more."""
    import torch

    jobs = stream.options.jobs or max(1, cores() // ranks.here)
    torch.set_num_threads(min(jobs, cores()))  # more would wait for each other
    return jobs

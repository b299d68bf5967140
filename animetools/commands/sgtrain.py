"""sgtrain: train a StyleGAN."""

import os
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from animetools.cli import Item, Opt, Stream, command
from animetools.cli.stream import cores, die_of
from animetools.errors import FatalError, ItemError
from animetools.options import options_of
from animetools.training.config import PRESETS, TrainConfig, networks, preset, rate_at

if TYPE_CHECKING:
    import torch

    from animetools.dataset.training_set import Images
    from animetools.networks.snapshot import Snapshot
    from animetools.training.step import Augment, Trainer
    from animetools.training.transfer import Pair

SETTINGS = {field.name for field in fields(TrainConfig)}
ARCHITECTURE = ("channel_base", "channel_max", "map_layers")


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
            " newest run on this dataset, and begins one where there is none.",
            unit="latest|FILE|URL",
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
        float | None, Opt("Share of the fakes, the best, that teach the generator.", min=0, max=1)
    ] = None
    ema_kimg: Annotated[float | None, Opt("Half-life of the average generator.", min=0)] = None
    aug: Annotated[
        Literal["ada", "diffaug", "fixed", "none"] | None, Opt("How images are augmented.")
    ] = None
    target: Annotated[float | None, Opt("What ADA aims at.", min=-1, max=1)] = None
    p: Annotated[float | None, Opt("Probability of --aug fixed.", min=0)] = None
    freeze_d: Annotated[
        int | None, Opt("Layers of the discriminator, from the image side, that stay.", min=0)
    ] = None
    mirror: Annotated[bool, Opt("Learn from mirror images too.")] = False
    channel_base: Annotated[
        int | None, Opt("Channels of a block times its resolution.", min=16)
    ] = None
    channel_max: Annotated[int | None, Opt("Most channels of a block.", min=1)] = None
    map_layers: Annotated[int | None, Opt("Layers of the mapping network.", min=1, max=64)] = None
    snap: Annotated[float, Opt("Kimg between two snapshots.", min=0.001)] = 200.0
    snap_minutes: Annotated[float, Opt("Minutes between two snapshots, at most.", min=0.01)] = 30.0
    keep: Annotated[int, Opt("Snapshots that are kept, the last ones; 0 is all.", min=0)] = 5
    keep_every: Annotated[int, Opt("Besides, those at multiples of so many kimg.", min=0)] = 0
    seed: Annotated[int | None, Opt("What all chance comes from.", min=0, max=2**32 - 1)] = None
    device: Annotated[str, Opt("auto, cpu, cuda, cuda:1 or mps.", unit="DEVICE")] = "auto"

    def __post_init__(self) -> None:
        """Refuse what makes no sense, before anything heavy is loaded."""
        if self.resume and self.transfer:
            raise ValueError("--resume and --transfer exclude each other")
        if self.device == "all":
            raise ValueError("--device all: a run trains on one device")
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
        "sgtrain --preset tiny --kimg 0.01 --resume latest dataset.zip",
    ],
)
def sgtrain(options: TrainOptions, stream: Stream) -> int:
    """Train a StyleGAN.

    Writes the path of each snapshot when it is whole, in a new folder below results/ or in that of
    the run it resumes: any other command reads its networks, and --resume goes on from it. SIGTERM
    has it write one and end. First it says what memory and disk it will need.
    """
    if len(stream.files) != 1:
        raise FatalError("name one dataset: sgtrain DATA")
    from animetools.dataset.training_set import Images
    from animetools.networks.devices import devices
    from animetools.networks.fetch import locate
    from animetools.training import snapshots

    device = devices(options.device)[0]
    images = Images(stream.files[0])
    path = options.resume
    if path == "latest":
        path = snapshots.latest(stream.out, images.path) or ""
        if not path:
            stream.report.note(f"no run on {images.path} is in {stream.out}: a new one begins")
    elif path:
        path = locate(path)
    saved = snapshots.read(path) if path else None
    config = settings(options, images, saved, path)
    images.mirror = config.mirror
    try:
        return _train(options, stream, images, config, saved, path, device)
    except RuntimeError as why:  # so torch says it, of a card and of the machine
        if not re.search("out of memory|can't allocate memory", str(why)):
            raise
        raise FatalError(
            "out of memory: a larger --accumulate, or a smaller --batch or --channel-base, needs less"
        ) from why


def settings(
    options: TrainOptions, images: "Images", saved: "Snapshot | None", path: str
) -> TrainConfig:
    """What was told; for the rest what the resumed run had, else the preset's.

    Raises FatalError for another architecture than the run had.
    """
    before = _settings_of(saved, path) if saved else {}
    name = options.preset or before.get("preset", "ada")
    config = preset(name, max(images.height, images.width))
    given = {key: value for key, value in asdict(options).items() if key in SETTINGS}
    told = {key: value for key, value in given.items() if value != "" and value is not None}
    told["mirror"] = options.mirror or before.get("mirror", False)
    for key in ARCHITECTURE:
        if key in before and told.get(key, before[key]) != before[key]:
            flag = f"--{key.replace('_', '-')}"
            raise FatalError(
                f"{flag} is {before[key]} in {path}, not {told[key]}: leave it out, or begin anew"
            )
    if name != before.get("preset"):
        before = {key: before[key] for key in ARCHITECTURE if key in before}
    return replace(config, **before | told)


def _settings_of(saved: "Snapshot", path: str) -> dict[str, Any]:
    """The settings in a snapshot, which are held to what options may be."""
    found: dict[str, Any] = {}
    known = saved.facts["config"]
    try:
        for option in options_of(TrainOptions):
            if option.name in SETTINGS & known.keys():
                value = known[option.name]
                is_switch = option.kind is bool
                found[option.name] = value is True if is_switch else option.parse(f"{value}")
        TrainOptions(**found)
    except ValueError as why:
        raise FatalError(f"{path}: its settings are broken: {why}") from None
    return found


def _train(
    options: TrainOptions,
    stream: Stream,
    images: "Images",
    config: TrainConfig,
    saved: "Snapshot | None",
    path: str,
    device: "torch.device",
) -> int:
    """Build, foretell, train."""
    import torch

    from animetools.training import snapshots
    from animetools.training.run import Pace, Run

    name, home = f"{images.name}-{config.preset}", snapshots.home(path) if path else None
    pair, source = _networks(options, config, images, saved, path)
    _foretell(options, stream, config, pair, device)
    if stream.options.dry_run:
        for key, value in asdict(config).items():
            stream.report.note(f"{key} {value}")
        place = home or snapshots.following(stream.out, name)
        stream.print(Item(os.path.join(place, snapshots.named(config.kimg))))
        return 0
    stopping = _stopping()
    jobs = stream.options.jobs or cores()
    torch.set_num_threads(jobs)
    trainer, news = _trainer(config, pair, source, device)
    facts: dict[str, Any] = {"dataset": images.name, "images": len(images)}
    if saved:
        snapshots.restore(trainer, saved, config)
        if trainer.seen >= config.kimg * 1000:
            stream.report.note(f"{path} has its {config.kimg:g} kimg: a larger --kimg goes on")
            stream.print(Item(path))
            return 0
        news = [f"goes on from {path} at {trainer.seen / 1000:.1f} kimg"]
        old, new = saved.facts | saved.facts["config"], facts | asdict(config)
        for key in new:
            if key in old and old[key] != new[key]:
                news.append(f"{key} was {old[key]}, is {new[key]} from here on")

    folder = snapshots.Folder(home) if home else snapshots.Folder.new(stream.out, name)

    def say(line: str) -> None:
        stream.report.note(line)
        folder.say(line)

    told = {"data": os.path.realpath(images.path), "resumed": path, "device": str(device)}
    folder.tell(asdict(options) | asdict(config) | facts | told)
    for line in news:
        say(line)
    pace = Pace(options.snap, options.snap_minutes, options.keep, options.keep_every)
    run = Run(trainer, images, config, pace, folder.path, facts, say, stopping, jobs, path)
    for snapshot in run.train():
        stream.print(Item(snapshot))
    if stopping():
        die_of(signal.SIGTERM)
    return 0


def _networks(
    options: TrainOptions,
    config: TrainConfig,
    images: "Images",
    saved: "Snapshot | None",
    path: str,
) -> "tuple[Pair, Snapshot | None]":
    """What networks to train, and whose weights they begin with."""
    from animetools.networks import checkpoints
    from animetools.networks.fetch import locate
    from animetools.training import transfer

    wanted = networks(config, images.height, images.width, images.channels, images.label_dim)
    if saved:
        return transfer.resumed(wanted, saved, path), None
    if not options.transfer:
        return wanted, None
    try:
        source = checkpoints.read(locate(options.transfer))
        for network in source.networks.values():
            network.build()
    except ItemError as why:
        raise FatalError(f"{options.transfer}: {why}") from None
    return transfer.like(wanted, source), source


def _trainer(
    config: TrainConfig, pair: "Pair", source: "Snapshot | None", device: "torch.device"
) -> "tuple[Trainer, list[str]]":
    """The networks of the run, on their device, and what is to be said of them."""
    from animetools.training.augment import Ada
    from animetools.training.diffaugment import diffaugment
    from animetools.training.step import Trainer, new_networks
    from animetools.training.transfer import take

    built, news = new_networks(*pair, config.seed), []
    if source:
        theirs = source.networks.get("D")
        left = [f"G.{name}" for name in take(built[0], source.generator.state)]
        left += [f"D.{name}" for name in take(built[1], theirs.state if theirs else {})]
        parts = dict.fromkeys(".".join(name.split(".")[:3]) for name in left)
        news = [f"fresh, for want of weights that fit: {', '.join(parts) or 'nothing'}"]
    augments: dict[str, Augment | None] = {
        "ada": Ada(),
        "fixed": Ada(),
        "diffaug": diffaugment,
        "none": None,
    }
    trainer = Trainer(
        built[0].to(device),
        built[1].to(device),
        config.rules(0),
        seed=config.seed,
        frozen=config.freeze_d,
        augment=augments[config.aug],
        p=config.p,
    )
    return trainer, news


def _foretell(
    options: TrainOptions,
    stream: Stream,
    config: TrainConfig,
    pair: "Pair",
    device: "torch.device",
) -> None:
    """Say what the run will need, and what to change where that is not there."""
    from animetools.training.forecast import forecast, free_disk, free_memory, size

    note, group = stream.report.note, pair[1].mbstd_group
    size_of_round = config.batch // config.accumulate
    if group != min(config.mbstd, size_of_round):
        note(f"the discriminator compares {group} images at a time: so {size_of_round} divide")
    seen = forecast(*pair, size_of_round)
    count = options.keep + 1 if options.keep else int(config.kimg / options.snap) + 1
    if options.keep_every:
        count += int(config.kimg / options.keep_every)
    memory, disk = free_memory(device), free_disk(stream.out)
    note(
        f"{seen.parameters / 1e6:.1f} M parameters, about {size(seen.memory)} of memory"
        f"{f' ({size(memory)} are free)' if memory is not None else ''}; "
        f"snapshots of {size(seen.snapshot)}, up to {count} of them ({size(disk)} are free)"
    )
    if memory is not None and seen.memory > memory:
        note("that may not fit into memory: --accumulate, or a smaller --channel-base, needs less")
    if seen.snapshot > disk:
        raise FatalError(
            f"{stream.out}: there is no room for a snapshot: make room, or choose another -o"
        )
    if seen.snapshot * count > disk:
        note(
            f"there is room for {disk // seen.snapshot} snapshots only: make room, or lower --keep"
        )


def _stopping() -> Callable[[], bool]:
    """Whether somebody has asked the run to end, by SIGTERM."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    return asked.is_set

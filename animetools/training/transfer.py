"""The networks that a run starts from: new ones, perhaps with the weights of another network."""

from functools import partial

import torch
from torch import Tensor, nn

from animetools.dataset.training_set import Images
from animetools.errors import FatalError, ItemError
from animetools.netfiles import checkpoints
from animetools.netfiles.classes import examples_of, names_of
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.devices import DTYPES
from animetools.networks.fast import native
from animetools.networks.generator import Generator
from animetools.training import growth
from animetools.training.architecture import Configs, GConfig, networks
from animetools.training.augment import FILTER, PIPES, SIDE, Ada
from animetools.training.config import Dtype, TrainConfig
from animetools.training.diffaugment import diffaugment
from animetools.training.doubling import draw_enlarged, score_reduced
from animetools.training.gan import GAN, Augment
from animetools.training.labels import unknown_tags, with_labels, with_tags
from animetools.training.loader import LabelTable
from animetools.training.networks import layers_from_image, new_networks
from animetools.training.ranks import ALONE, Ranks


def new_configs(config: TrainConfig, images: Images) -> Configs:
    """The configs of new networks for these images.

    Raises FatalError if their size is unsuitable, or their labels.
    """
    if config.tag_embedding != "none" and not images.has_tags:
        raise FatalError(
            f"--tag-embedding {config.tag_embedding} is for tags, and the labels of {images.path} are"
            " classes: leave it out"
        )
    if min(images.height, images.width) <= SIDE and {*FILTER} & {*PIPES[config.augpipe]}:
        raise FatalError(f"--augpipe {config.augpipe} is for images of at least {SIDE + 1} px")
    return networks(config, images.height, images.width, images.channels, images.label_dim)


def source_of(path: str) -> NetworkFile:
    """A file whose weights are to be copied.

    Raises FatalError if its networks cannot be built.
    """
    try:
        source = checkpoints.read(path)
        for network in source.networks.values():
            network.build()
    except ItemError as why:
        raise FatalError(f"{path}: {why}") from None
    return source


def gan_of(
    config: TrainConfig,
    configs: Configs,
    device: torch.device,
    source: NetworkFile | None = None,
    labels: LabelTable | None = None,
    seen: int = 0,
    ranks: Ranks = ALONE,
) -> tuple[GAN, str]:
    """Networks to train, with random weights where a source has none; the run begins at `seen` images.

    What a source knows of tags goes to the tags of the same names.

    Says too which layers of the source do not fit.
    """
    (generator, discriminator), said = new_networks(*configs, config.seed), ""
    if source:
        names = names_of(source.facts), labels.images.label_names if labels else ()
        config_of_source = source.generator.config
        assert isinstance(config_of_source, GConfig)
        examples = examples_of(source.facts, config_of_source.mapping.c_dim) or ()
        ours = with_labels(with_tags(source.generator, generator, *names), generator, examples)
        if source.generator.config.image_size != generator.config.image_size:
            ours |= _filters(generator)
        left = [f"G.{name}" for name in take(generator, ours)]
        theirs = source.networks.get("D")
        other = with_tags(theirs, discriminator, *names) if theirs else {}
        left += [f"D.{name}" for name in take(discriminator, other)]
        left += unknown_tags(*names)
        said = f"layers that start from random weights: {', '.join(left) or 'none'}"
        known = len(source.generator.config.channels)
        if len(generator.config.channels) > known:
            said += "; what the higher resolutions add fades in"
        draw_enlarged(generator, known)
        if theirs:
            score_reduced(discriminator, len(theirs.config.channels), theirs.state)
    augments: dict[str, Augment | None] = {
        "ada": Ada(PIPES[config.augpipe], ranks),
        "fixed": Ada(PIPES[config.augpipe], ranks),
        "diffaug": partial(diffaugment, ranks=ranks),
        "none": None,
    }
    gan = GAN(
        generator.to(device),
        discriminator.to(device),
        config,
        augment=augments[config.aug],
        labels=labels,
        precision=precision_of(config.dtype, device),
        seen=seen,
        ranks=ranks,
    )
    return gan, said


def precision_of(dtype: Dtype, device: torch.device) -> torch.dtype | None:
    """The half precision of the upper blocks; None for fp32, or where it is slow."""
    asked = native(DTYPES[dtype]) if device.type == "cpu" else DTYPES[dtype]
    return None if asked == torch.float32 else asked


def seen_before(
    config: TrainConfig, configs: Configs, source: NetworkFile, path: str, told: float | None
) -> tuple[int, str]:
    """At how many images a run begins that takes a source's weights, and what is lost by that.

    Networks that grow begin where the schedule has them as they are, or at the kimg they are told.

    Raises FatalError for a beginning that the run cannot have.
    """
    if not config.grows:
        if told is not None:
            raise FatalError("--resume-kimg is for --preset s1: leave it out")
        return 0, ""
    theirs, ours = (len(each.channels) for each in (source.generator.config, configs[0]))
    lod = max(0.0, float(source.generator.state["synthesis.lod"]) + ours - theirs)
    resolution = min(configs[0].image_size)
    kimg = growth.kimg_at(config, resolution, lod) if told is None else told
    if kimg >= config.kimg:
        raise FatalError(
            f"{path} would continue at {kimg:g} kimg, where the run ends: raise --kimg, or lower"
            " --resume-kimg, --stable-kimg or --fade-kimg"
        )
    return round(1000 * kimg), growth.setback(config, resolution, kimg, lod)


def refuse_too_frozen(config: TrainConfig, configs: Configs) -> None:
    """Raise FatalError if more layers are to be frozen than there are."""
    with torch.device("meta"):
        count = len(layers_from_image(new_networks(*configs, 0)[1]))
    if config.freeze_d > count:
        raise FatalError(
            f"--freeze-d {config.freeze_d}: the discriminator has {count} layers that can be frozen"
        )


def take(module: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """Copy all tensors to a network that fit it by name and shape.

    Returns the names of the others; a layer's name where none of its tensors fits.
    """
    own = module.state_dict()
    fits = {name: state[name] for name, value in own.items() if _fits(state.get(name), value)}
    module.load_state_dict(own | fits)
    # A filter alone does not count: those of another size are put in their place (`_filters`).
    known = {_layer(name) for name in fits if not name.endswith("_filter")}
    left = (name if _layer(name) in known else _layer(name) for name in own if name not in fits)
    return list(dict.fromkeys(left))


def _filters(generator: Generator) -> dict[str, Tensor]:
    """The filters of a StyleGAN 3, which belong to the size of its images and are not learned."""
    state = generator.state_dict()
    return {name: value for name, value in state.items() if name.endswith("_filter")}


def _layer(name: str) -> str:
    """synthesis.b8 of synthesis.b8.conv0.weight, b8.conv0 of b8.conv0.bias."""
    return ".".join(name.split(".")[:2])


def _fits(theirs: Tensor | None, ours: Tensor) -> bool:
    return theirs is not None and theirs.shape == ours.shape

"""The configs of a run's networks that match those of a file: a snapshot, or a source of weights."""

from dataclasses import replace

from animetools.errors import FatalError
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.config import Config
from animetools.networks.families import kind_of
from animetools.networks.lucidrains.config import LucidrainsGeneratorConfig
from animetools.networks.stylegan1.config import StyleGAN1GeneratorConfig
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig
from animetools.training.architecture import Configs, DConfig, GConfig

NEEDED = ("progressive", "styles")  # of a StyleGAN 1
NOT_THEIRS = ("base", "image_channels", "c_dim", "labels", "mapping", "mbstd_group")


def resumed_configs(wanted: Configs, saved: NetworkFile, path: str) -> Configs:
    """The configs of a snapshot's networks, for images and minibatch groups as in `wanted`.

    Raises FatalError, naming what differs, if its images or labels have another shape.
    """
    generator, discriminator = _same_family(
        wanted, (saved.networks["G"].config, saved.networks["D"].config), path
    )
    for what, theirs, ours in zip(
        ("pixels high", "pixels wide", "channels", "numbers in a label"),
        (*generator.image_size, generator.image_channels, generator.mapping.c_dim),
        (*wanted[0].image_size, wanted[0].image_channels, wanted[0].mapping.c_dim),
        strict=True,
    ):
        if theirs != ours:
            raise FatalError(
                f"{path} was trained on images of {theirs} {what}, the dataset has {ours}: "
                "start a new run from its weights with --transfer"
            )
    return generator, replace(discriminator, mbstd_group=wanted[1].mbstd_group)


def configs_like(wanted: Configs, source: NetworkFile, path: str) -> Configs:
    """The configs of new networks, as similar to the source's as the size of the images allows.

    Raises FatalError if the source is of another family, or a StyleGAN 1 that cannot grow.
    """
    generator, discriminator = wanted
    has_other = "D" in source.networks
    theirs, other = _same_family(
        wanted,
        (source.generator.config, source.discriminator.config if has_other else discriminator),
        path,
    )
    if not all(getattr(each, name, True) for each in (theirs, other) for name in NEEDED):
        raise FatalError(
            f"{path}: a StyleGAN 1 without styles or without growing: sgtrain trains no such"
        )
    generator = _like(theirs, generator)
    if has_other:
        kept = {
            name: getattr(discriminator, name)
            for name in NOT_THEIRS
            if hasattr(discriminator, name)
        }
        channels = _grown(other.channels, discriminator.channels)
        discriminator = replace(other, channels=channels, **kept)
    elif not isinstance(generator, StyleGAN3GeneratorConfig):
        discriminator = replace(discriminator, channels=generator.channels)
    assert generator.image_size == discriminator.image_size
    return generator, discriminator


def _like(theirs: GConfig, ours: GConfig) -> GConfig:
    """The config of a new generator, as similar to theirs as the size of the images allows.

    The layers of a StyleGAN 3 belong to one size: for another they are ours.
    """
    mapping = replace(
        theirs.mapping,
        c_dim=ours.mapping.c_dim,
        bag=ours.mapping.bag,
        bag_learns=ours.mapping.bag_learns,
    )
    if isinstance(ours, StyleGAN3GeneratorConfig):
        if theirs.image_size != ours.image_size:
            return replace(ours, mapping=mapping)
        channels = (*theirs.channels[:-1], ours.image_channels)
        return replace(theirs, mapping=mapping, channels=channels, image_channels=channels[-1])
    assert not isinstance(theirs, StyleGAN3GeneratorConfig)
    return replace(
        theirs,
        mapping=mapping,
        channels=_grown(theirs.channels, ours.channels),
        base=ours.base,
        image_channels=ours.image_channels,
    )


def _same_family(wanted: Configs, theirs: tuple[Config, Config], path: str) -> Configs:
    """The configs of a file's networks, of the family that is wanted.

    Raises FatalError if they are not.
    """
    for their, our in zip(theirs, wanted, strict=True):
        if type(their) is not type(our):
            family, cure = kind_of(their).family, "pass another --preset"
            if isinstance(their, StyleGAN1GeneratorConfig):
                cure = "pass --preset s1"
            elif isinstance(their, StyleGAN3GeneratorConfig):
                cure = "pass --preset s3t or s3r"
            elif isinstance(their, LucidrainsGeneratorConfig):
                cure = f"no --preset trains a {family}"
            raise FatalError(
                f"{path}: a {family}, while the networks of this run are"
                f" {kind_of(our).family}: {cure}"
            )
    generator, discriminator = theirs
    assert isinstance(generator, GConfig)
    assert isinstance(discriminator, DConfig)
    return generator, discriminator


def _grown(theirs: tuple[int, ...], ours: tuple[int, ...]) -> tuple[int, ...]:
    """Channels from the lowest block upwards: theirs as far as they go, then ours, never more."""
    known = theirs[: len(ours)]
    return known + tuple(min(each, known[-1]) for each in ours[len(known) :])

"""The settings of a run of sgtrain: those given, else those of the run resumed, else the preset's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from animetools.errors import FatalError
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.config import Config, GeneratorConfig
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig
from animetools.runs.settings import held
from animetools.training.architecture import Configs
from animetools.training.config import TrainConfig, preset

ARCHITECTURE = ("channel_base", "channel_max", "map_layers", "d_map_layers")
TAGS = ("tag_embedding", "tag_width")
ADA_KIMG = 100.0  # trained weights let the discriminator overfit sooner


def settings(
    given: Mapping[str, Any],
    resolution: int,
    saved: NetworkFile | None,
    path: str,
    *,
    transfer: bool,
) -> TrainConfig:
    """The settings of a run on images of this resolution, which resumes the snapshot `saved`.

    Raises FatalError for another architecture than the run has, and for what would have no effect.
    """
    before = held(TrainConfig, saved.facts["config"], path) if saved else {}
    if saved:
        before.setdefault("tag_embedding", "none")
        before.setdefault("d_map_layers", 8)
    name = given.get("preset") or before.get("preset", "ada")
    config = preset(name, resolution, given.get("batch", ""))
    for key in (*ARCHITECTURE, *TAGS):
        if key in before and given.get(key, before[key]) != before[key]:
            raise FatalError(
                f"{_flag(key)} is {before[key]} in {path}, not {given[key]}: leave it out, or start"
                " a new run"
            )
    if name != before.get("preset"):  # another preset replaces all but the networks
        kept = (*ARCHITECTURE, *TAGS, "cond", "mirror")
        before = {key: before[key] for key in kept if key in before}
    # Source: StyleGAN2-ADA's settings for transfer learning, and StyleGAN3's.
    if transfer or (saved and saved.facts.get("transfer")):
        config = replace(
            config, ema_ramp=None, ada_kimg=min(ADA_KIMG, config.ada_kimg), blur_kimg=0.0
        )
    made = replace(config, **before | dict(given))
    _refuse_unused(made, given)
    return made


def refuse_architecture(
    given: Mapping[str, Any], wanted: GeneratorConfig, theirs: Config, source: str
) -> None:
    """Raise FatalError for options of the architecture that the networks of a `source` overrule."""
    if not isinstance(theirs, GeneratorConfig):
        return
    count = len(wanted.channels)
    grows = len(theirs.channels) < count  # and new blocks are as they were asked for
    if isinstance(wanted, StyleGAN3GeneratorConfig):  # and the layers are those of the size
        grows = theirs.image_size != wanted.image_size
    agree = {
        "map_layers": wanted.mapping.layers == theirs.mapping.layers,
        "d_map_layers": True,  # the mapping of labels is never theirs
        "channel_base": grows or wanted.channels == theirs.channels[:count],
        "channel_max": grows or wanted.channels == theirs.channels[:count],
    }
    for key in ARCHITECTURE:
        if key in given and not agree[key]:
            raise FatalError(
                f"{_flag(key)} {given[key]}: the networks are those of {source}: leave it out"
            )


def as_networks(config: TrainConfig, wanted: Configs, found: Configs) -> TrainConfig:
    """The settings that give `wanted` networks as those of what a file holds instead.

    What has no option follows the networks. The rest stays as it was given.
    """
    ours, theirs = _unnamed(wanted), _unnamed(found)
    return replace(config, **{key: theirs[key] for key in theirs if theirs[key] != ours[key]})


def _unnamed(configs: Configs) -> dict[str, Any]:
    """The settings without an option that networks tell."""
    generator, discriminator = configs
    return {
        "radial": isinstance(generator, StyleGAN3GeneratorConfig)
        and generator.architecture == "config R",
        "latent": generator.mapping.z_dim,
        "normalize": generator.mapping.normalize,
        "mbstd_features": discriminator.mbstd_features,
        "d_channels": discriminator.channels[0] / generator.channels[0],
    }


def _refuse_unused(config: TrainConfig, given: Mapping[str, Any]) -> None:
    """Raise FatalError for settings that were given and have no effect."""
    if "target" in given and config.aug != "ada":
        raise FatalError(f"--target is for --aug ada, not {config.aug}: leave it out")
    if "p" in given and config.aug not in ("ada", "fixed"):
        raise FatalError(f"--p is for --aug fixed or ada, not {config.aug}: leave it out")
    if "augpipe" in given and config.aug not in ("ada", "fixed"):
        raise FatalError(f"--augpipe is for --aug ada or fixed, not {config.aug}: leave it out")
    for name in ("stable_kimg", "fade_kimg"):
        if name in given and not config.grows:
            raise FatalError(f"{_flag(name)} is for --preset s1: leave it out")
    if "d_map_layers" in given and (config.grows or not config.cond):
        raise FatalError("--d-map-layers is for --cond, without --preset s1: leave it out")
    for name in ("label_dropout", "label_noise", "mismatch", "classify", *TAGS):
        if name in given and not config.cond:
            raise FatalError(f"{_flag(name)} is for --cond: leave it out")
    if config.grows and config.label_dropout:
        raise FatalError(
            "--label-dropout is not for --preset s1, whose discriminator judges by the labels alone"
        )
    if config.grows and config.tag_embedding != "none":
        raise FatalError(
            "--tag-embedding is not for --preset s1, whose discriminator has an output for each tag"
        )
    if "tag_width" in given and config.tag_embedding == "none":
        raise FatalError("--tag-width is for --tag-embedding bag or doc2vec: leave it out")
    if given.get("blur_kimg") and not config.alias_free:
        raise FatalError("--blur-kimg is for --preset s3t and s3r: leave it out")
    if config.grows and config.dtype != "fp32":
        raise FatalError(f"--dtype {config.dtype}: a StyleGAN 1 trains in fp32: leave it out")
    if given.get("aug") == "fixed" and "p" not in given and not config.p:
        raise FatalError("--aug fixed needs a probability: --p")


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"

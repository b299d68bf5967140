"""What settings a run has: those told, else those of the run it resumes, else its preset's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from animetools.errors import FatalError
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.config import Config
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from animetools.options import Option
from animetools.training.config import TrainConfig, preset

NAMES = {field.name for field in fields(TrainConfig)}
ARCHITECTURE = ("channel_base", "channel_max", "map_layers")
ADA_KIMG = 100.0  # weights that know images already let the discriminator overfit sooner


def settings(
    given: Mapping[str, Any],
    options: Sequence[Option],
    resolution: int,
    saved: NetworkFile | None,
    path: str,
) -> TrainConfig:
    """The settings of a run on images of this resolution, which resumes the snapshot `saved`.

    `given` are values of `options` by name; what is empty or None was not told.
    Raises FatalError for another architecture than the run had, and for what would do nothing.
    """
    before = _settings_of(saved, options, path) if saved else {}
    told = {name: given[name] for name in NAMES & given.keys() if given[name] not in (None, "")}
    name = told.get("preset") or before.get("preset", "ada")
    config = preset(name, resolution)
    told["mirror"] = given["mirror"] or before.get("mirror", False)
    for key in ARCHITECTURE:
        if key in before and told.get(key, before[key]) != before[key]:
            flag = f"--{key.replace('_', '-')}"
            raise FatalError(
                f"{flag} is {before[key]} in {path}, not {told[key]}: leave it out, or begin anew"
            )
    if name != before.get("preset"):
        before = {key: before[key] for key in ARCHITECTURE if key in before}
    # Source: StyleGAN2-ADA's settings for transfer learning.
    if given["transfer"] or (saved and saved.facts.get("transfer")):
        config = replace(config, ema_ramp=None, ada_kimg=min(ADA_KIMG, config.ada_kimg))
    made = replace(config, **before | told)
    _refuse_unused(made, given)
    return made


def refuse_architecture(
    given: Mapping[str, Any], wanted: StyleGAN2GeneratorConfig, theirs: Config, source: str
) -> None:
    """Raise FatalError for options of the architecture that the networks of a `source` overrule."""
    if not isinstance(theirs, StyleGAN2GeneratorConfig):
        return
    count = len(wanted.channels)
    grows = len(theirs.channels) < count  # and new blocks are as they were asked for
    agree = {
        "map_layers": wanted.mapping.layers == theirs.mapping.layers,
        "channel_base": grows or wanted.channels == theirs.channels[:count],
        "channel_max": grows or wanted.channels == theirs.channels[:count],
    }
    for key in ARCHITECTURE:
        if given[key] is not None and not agree[key]:
            flag = f"--{key.replace('_', '-')}"
            raise FatalError(
                f"{flag} {given[key]}: the networks are those of {source}: leave it out"
            )


def changes(saved: NetworkFile, facts: Mapping[str, Any]) -> Iterator[str]:
    """What is otherwise now than in the run that is resumed, of all settings and facts."""
    before = saved.facts | saved.facts["config"]
    for name, value in facts.items():
        if name in before and before[name] != value:
            yield f"{name} was {before[name]}, is {value} from here on"


def _refuse_unused(config: TrainConfig, given: Mapping[str, Any]) -> None:
    """Raise FatalError for what was given and would do nothing."""
    if given["target"] is not None and config.aug != "ada":
        raise FatalError(f"--target is for --aug ada, not {config.aug}: leave it out")
    if given["p"] is not None and config.aug not in ("ada", "fixed"):
        raise FatalError(f"--p is for --aug fixed or ada, not {config.aug}: leave it out")
    if given["aug"] == "fixed" and given["p"] is None and not config.p:
        raise FatalError("--aug fixed needs a probability: --p")


def _settings_of(saved: NetworkFile, options: Sequence[Option], path: str) -> dict[str, Any]:
    """The settings in a snapshot, which are held to what options may be."""
    found: dict[str, Any] = {}
    known = saved.facts["config"]
    try:
        for option in options:
            if option.name in NAMES & known.keys():
                value = known[option.name]
                is_switch = option.kind is bool
                found[option.name] = value is True if is_switch else option.parse(f"{value}")
        replace(TrainConfig(), **found).rules(0)
    except ValueError as why:
        raise FatalError(f"{path}: its settings are broken: {why}") from None
    return found

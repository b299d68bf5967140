"""Examples to learn from: the w of pictures, and what is in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from animetools.errors import ItemError
from animetools.images.described import description_of, facts_in
from animetools.sampling.latents import Floats
from animetools.sampling.naming import Naming
from animetools.sampling.requests import LATENTS, Source, requests
from animetools.sampling.sampler import Sampler
from animetools.sampling.seeds import Psis, is_seeds
from animetools.tags import tags_of


@dataclass(frozen=True)
class Pictured:
    """A picture, or latents: its path, and what is known of it; see `requests.Source`."""

    path: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    stamp: str = ""
    trouble: str = ""


def w_of_picture(sampler: Sampler, source: Source) -> Floats:
    """The w [w_dim] that a picture was drawn from, the mean of its rows.

    Its record, or else the description in its file, has the seed and psi, or names a file of latents:
    a record may outlive its picture.

    Raises ItemError where neither is known, and for pictures of another network.
    """
    facts = dict(source.facts)
    if source.trouble and not facts.keys() & {"seed", "w"}:
        raise ItemError(source.trouble)
    is_file = source.path.endswith(LATENTS)
    if not is_file and not facts.keys() & {"seed", "w"} and not is_seeds(source.path):
        facts |= _described(source.path)
    other = facts.get("sha256")
    if isinstance(other, str) and other != sampler.network.sha256:
        raise ItemError(f"it was drawn by another network, {facts.get('network')}")
    latents = source.path if is_file else facts.get("w")
    if isinstance(latents, str):
        source = Pictured(latents, {}, "latents")
    elif "seed" in facts or is_seeds(source.path):
        source = Pictured(source.path, facts)
    else:
        raise ItemError("nothing says which latents it was drawn from: find them with sgproject")
    found = list(requests(sampler, Naming(_psis(facts)), [source]))
    if found[0].trouble:
        raise ItemError(found[0].trouble)
    if len(found) > 1:
        raise ItemError(f"{len(found)} latents of one picture")
    w: Floats = sampler.input(found[0].pictures[0]).ws[0].mean(0).numpy()
    return w


def _psis(facts: Mapping[str, Any]) -> Psis | None:
    psi = facts.get("psi")
    if "w" in facts or isinstance(psi, bool) or not isinstance(psi, int | float):
        return None
    return Psis([float(psi)])


def _described(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return facts_in(description_of(file.read()))
    except OSError as why:
        raise ItemError(f"cannot be read: {why.strerror}") from None


def probabilities_of(records: Sequence[Mapping[str, Any]]) -> tuple[list[str], Floats]:
    """The names of all tags in records, and how probable each is in each: float32 [records, tags].

    Raises ItemError as `tags_of`.
    """
    listed = [tags_of(record) for record in records]
    names = list(dict.fromkeys(tag.name for tags in listed for tag in tags))
    column = {name: n for n, name in enumerate(names)}
    made = np.zeros((len(records), len(names)), np.float32)
    for row, tags in enumerate(listed):
        for tag in tags:
            made[row, column[tag.name]] = tag.probability
    return names, made

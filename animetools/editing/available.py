"""The directions that edits may name: those of files, and those of the network that ships."""

import os
from collections.abc import Sequence

from animetools.editing.directions import Directions, joined, read
from animetools.errors import FatalError, ItemError
from animetools.sampling.sampler import OpenNetwork

SHIPPED = os.path.join(os.path.dirname(__file__), "default.npz")  # see docs/editing.md
NAME = "default"  # of that file, among those of --directions


def available(paths: Sequence[str], network: OpenNetwork) -> Directions:
    """The directions of files for a network, and those that ship if they were learned on it.

    One in a file replaces one of the same name that ships. There may be none at all.

    Raises as `read_all`.
    """
    is_own = NAME not in paths and read(SHIPPED).facts.get("sha256") == network.sha256
    return read_all([*paths, NAME] if is_own else paths, network)


def read_all(paths: Sequence[str], network: OpenNetwork) -> Directions:
    """The directions of several files, which fit a network; of `default` those with other names.

    Raises FatalError for a file that does not fit, and as `joined`.
    """
    files = joined((path, _fitting(path, network)) for path in paths if path != NAME)
    return merged(files, _fitting(NAME, network)) if NAME in paths else files


def _fitting(path: str, network: OpenNetwork) -> Directions:
    """Those of a file. Raises FatalError for one that does not fit, or cannot be read."""
    try:
        directions = read(SHIPPED if path == NAME else path)
        directions.check(network)
    except ItemError as why:
        raise FatalError(f"{path}: {why}") from None
    except OSError as why:
        raise FatalError(f"{path} cannot be read: {why.strerror}") from None
    return directions


def merged(first: Directions, second: Directions) -> Directions:
    """All directions of the first, and those of the second that have other names."""
    names = {each.name for each in first.found}
    added = tuple(each for each in second.found if each.name not in names)
    return Directions(first.found + added, first.facts or second.facts)

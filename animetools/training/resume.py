"""Which snapshot a run resumes: a dataset is known by its images, wherever it lies."""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from typing import Any

from animetools.dataset.identity import Identity
from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from animetools.netfiles.fetch import locate
from animetools.netfiles.networkfile import NetworkFile
from animetools.runs.folder import numbered, recorded
from animetools.runs.snapshots import NAME, listed
from animetools.training import snapshots

RELATED = 0.1  # the share of common images from which on one dataset may have become the other
NEW_RUN = "--resume none to start a new run"


def chosen(wanted: str, results: str, images: Images) -> str:
    """The snapshot that `wanted` means: latest, none, a path or a URL; empty for none.

    Raises FatalError as `latest`, or if there is no file.
    """
    if wanted == "latest":
        return latest(results, images) or ""
    return "" if wanted in ("", "none") else locate(wanted)


def latest(results: str, images: Images) -> str | None:
    """The last snapshot of the newest run on these images; None if no run was on them.

    Raises FatalError, which names a snapshot, if the run.json of a newer run cannot be read, or if
    there is only a run on what may be an earlier state of this dataset.
    """
    doubts: list[tuple[float, str]] = []
    for _, folder in sorted(numbered(results), reverse=True):
        if not os.path.isdir(folder) or not (found := listed(folder)):
            continue
        cure = f"pass --resume {found[-1]} to continue it, or {NEW_RUN}"
        try:
            run = recorded(folder)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise FatalError(f"{folder}: its run.json cannot be read ({why}): {cure}") from None
        if _is_on(run, images):
            return found[-1]
        if earlier := _resemblance(run, images):
            doubts.append((_shared(run, images), f"{folder} was trained on {earlier}: {cure}"))
    if doubts:
        raise FatalError(max(doubts, key=lambda doubt: doubt[0])[1])
    return None


def moves(folder: str, images: Images) -> Iterator[str]:
    """What has changed since a run was last on its dataset."""
    with suppress(OSError, ValueError):
        run = recorded(folder)
        if run.get("data") and not _is_here(run, images):
            yield f"the dataset was {run['data']}, is {os.path.realpath(images.path)} from here on"
        if (before := Identity.from_plain(run.get("content"))) and before != images.identity:
            yield "the images are not the same as before"


def read(path: str) -> NetworkFile:
    """A snapshot to resume.

    Raises FatalError for another file, or a damaged one; it names the last whole one beside it.
    """
    try:
        return snapshots.read(path)
    except FatalError as why:
        if not NAME.fullmatch(os.path.basename(path)):
            raise
        others = listed(os.path.dirname(path) or ".")
        if whole := next(filter(_is_whole, reversed(others)), ""):
            cure = f"the last whole one is {whole}: pass --resume {whole}"
        else:
            cure = f"there is no whole one beside it: pass {NEW_RUN}"
        raise FatalError(f"{why}; {cure}") from None


def refuse_other_labels(saved: NetworkFile, names: list[str], path: str) -> None:
    """Raise FatalError if a snapshot's labels have other names than those of the dataset."""
    before = saved.facts.get("labels") or []
    if before != names:
        pairs = zip_longest(before, names, fillvalue="no name")
        odd = next(pair for pair in pairs if pair[0] != pair[1])
        raise FatalError(
            f"{path} was trained with other labels: '{odd[0]}' where the dataset has '{odd[1]}': "
            "start a new run from its weights with --transfer, which keeps those of the same names"
        )


def _is_whole(path: str) -> bool:
    with suppress(FatalError):
        return bool(snapshots.read(path))
    return False


def _is_on(run: dict[str, Any], images: Images) -> bool:
    """Whether a run was on exactly these images."""
    if before := Identity.from_plain(run.get("content")):
        return before == images.identity
    return _is_here(run, images) and _count(run) == len(images.chosen)


def _resemblance(run: dict[str, Any], images: Images) -> str:
    """What a run was on, if that may be an earlier state of this dataset; else empty."""
    is_named_so = _is_here(run, images) or run.get("dataset") == images.name
    if not is_named_so and _shared(run, images) < RELATED:
        return ""
    if _count(run) != len(images.chosen):
        return f"{_count(run)} images, {images.path} holds {len(images.chosen)}"
    if "content" in run:
        return f"{_count(run)} images, {images.path} holds others"
    return f"{run.get('data')}, which may be {images.path}"


def _shared(run: dict[str, Any], images: Images) -> float:
    """About which share of both datasets' images is common; 0 where the run does not record it."""
    before = Identity.from_plain(run.get("content"))
    return before.shared(images.identity) if before else 0.0


def _is_here(run: dict[str, Any], images: Images) -> bool:
    return bool(run.get("data") == os.path.realpath(images.path))


def _count(run: dict[str, Any]) -> int:
    """How many images a run was on, without mirrored ones."""
    count = run.get("images")
    return count // (1 + (run.get("mirror") is True)) if isinstance(count, int) else 0

"""The place where a dataset is to be written: what is there already, and may it be replaced?"""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from animetools.dataset.folders import FolderReader
from animetools.dataset.formats import Format
from animetools.dataset.labels import summary_of
from animetools.dataset.members import FILES_OF_MANY, OURS, SUMMARY, TEXTS, is_member_name
from animetools.dataset.pictures import Reader
from animetools.errors import FatalError
from animetools.settings import Settings

REPLACE = "choose another -o, or -f to replace it"


def finished(
    path: str, kind: Format, settings: Settings, *, force: bool, grows: bool = False
) -> Reader | None:
    """The finished dataset at a path; None where one can be written, as `force` allows.

    One that `grows` takes no images of other settings.

    Raises FatalError if something else is there, or a dataset of other settings.
    """
    is_folder = os.path.isdir(path)
    if is_folder and (os.path.ismount(path) or path in (os.curdir, os.pardir)):
        raise FatalError(f"{path} cannot be replaced as a whole: name a folder inside it")
    if not os.path.lexists(path) or (is_folder and not os.listdir(path)):
        return None
    if not is_folder and not os.path.isfile(path):
        raise FatalError(f"{path} is neither a file nor a folder: choose another -o")
    if kind.writes_folder and not is_folder:
        raise FatalError(f"{path} is a file: end the name of an archive in .zip")
    if is_folder and not os.path.exists(os.path.join(path, SUMMARY)):
        raise FatalError(f"{path} is a folder, but not a dataset: choose another -o")
    if force:
        stranger = next(_strangers(path, _files_of_many(path)), None) if is_folder else None
        if stranger:
            raise FatalError(
                f"{path} is not replaced: {stranger} in it is not part of a dataset: move it away,"
                " or choose another -o"
            )
        return None
    made = kind.read(path)
    ours = summary_of(made).get(OURS)
    if not isinstance(ours, dict) or not isinstance(ours.get("settings"), dict):
        raise FatalError(f"{path} exists and was not made by {OURS}: {REPLACE}")
    cure = "--append takes the options that it was made with" if grows else REPLACE
    refuse_difference(settings, ours["settings"], f"{path} was made", cure)
    if len(made) != ours.get("images"):
        found = f"{len(made)} of {ours.get('images')} images"
        raise FatalError(f"{path} is damaged: it holds {found}: {REPLACE}")
    return made


def stamp(path: str) -> tuple[int, ...]:
    """What changes with the dataset at a path."""
    for place in (os.path.join(path, SUMMARY), path):
        with suppress(OSError):
            found = os.stat(place)
            return found.st_ino, found.st_size, found.st_mtime_ns
    return ()


def written(settings: Settings) -> dict[str, Any]:
    """The settings as dataset.json keeps them.

    An option that is off by default is among them only where it is on: older versions lack it.
    """
    return {
        name: value
        for name, value in settings.values.items()
        if value not in (None, False, "")
        or (option := settings.options.get(name)) is None
        or option.default
    }


def refuse_difference(settings: Settings, then: dict[str, Any], what: str, cure: str) -> None:
    """Raise FatalError if settings differ from those that were written down."""
    if difference := settings.difference(then):
        was, now = difference
        raise FatalError(f"{what} {was}, this run is {now}: {cure}")


def _files_of_many(path: str) -> set[str]:
    """The names of the TFRecords or tars of the dataset that a folder is.

    They begin with its name, or, as it may have another name now, all with the same one.
    """
    with suppress(FatalError):
        match summary_of(FolderReader(path)):
            case {"animepack": {"settings": {"format": str(kind)}}} if kind in FILES_OF_MANY:
                found = map(FILES_OF_MANY[kind].fullmatch, os.listdir(path))
                stems = {one[0]: one[1] for one in found if one}
                own = os.path.basename(path) if len(set(stems.values())) > 1 else None
                return {name for name, stem in stems.items() if own in (None, stem)}
    return set()


def _strangers(path: str, own: set[str]) -> Iterator[str]:
    """The files in a folder that are not part of a dataset, which has its `own` beside images."""
    for folder, _, names in os.walk(path):
        for name in names:
            inside = os.path.relpath(os.path.join(folder, name), path)
            if not is_member_name(inside) and inside not in own.union(TEXTS):
                yield inside

"""The place where a dataset is to be written: what is there already, and may it be replaced?"""

import os
from collections.abc import Iterator
from typing import Any

from animetools.dataset.formats import Format
from animetools.dataset.labels import summary_of
from animetools.dataset.members import OURS, SUMMARY, TEXTS, is_member_name
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
        stranger = next(_strangers(path), None) if is_folder else None
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


def _strangers(path: str) -> Iterator[str]:
    """The files in a folder that are not part of a dataset."""
    for folder, _, names in os.walk(path):
        for name in names:
            inside = os.path.relpath(os.path.join(folder, name), path)
            if not is_member_name(inside) and inside not in TEXTS:
                yield inside

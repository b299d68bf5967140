"""The characters with the most images, and a folder of images for each."""

import json
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Self

from animetools.atomic import cannot_link
from animetools.booru.images import folder_name
from animetools.errors import Advice, ItemError


def ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """Names and counts, the largest count first, equal ones by name."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


class Cast:
    """Images and their characters, kept on disk until all are counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the file."""
        self.file.close()

    def add(self, path: str, facts: dict[str, Any], characters: Iterable[str]) -> None:
        """An image, what is known of it, and who is in it."""
        names = list(dict.fromkeys(characters))
        self.counts.update(names)
        self.file.write(json.dumps([path, facts, names]).encode() + b"\n")

    def top(self, count: int) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Each image with those of its characters that are among so many with the most images."""
        chosen = {name for name, _ in ranked(self.counts)[:count]}
        self.file.seek(0)
        for line in self.file:
            path, facts, names = json.loads(line)
            yield path, facts, [name for name in names if name in chosen]


def link_path(folder: str, character: str, image: str) -> str:
    """Where the link to a character's image is."""
    return os.path.join(folder, folder_name(character), os.path.basename(image))


def link(image: str, path: str) -> None:
    """Make `path` a hard link to the image, or a symbolic one, with a warning, where that cannot be.

    A link that is there already stays. Raises ItemError if the path is another file, OSError.
    """
    image = os.path.realpath(image)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        os.link(image, path)
    except FileExistsError:
        if not (os.path.exists(path) and os.path.samefile(image, path)):
            raise ItemError(f"{path} exists and is another file") from None
    except OSError as why:
        if not cannot_link(why):
            raise OSError(why.errno, why.strerror, path) from None
        try:
            os.symlink(image, path)
        except FileExistsError:
            if os.path.realpath(path) != image:
                raise ItemError(f"{path} exists and is another file") from None
        warnings.warn(
            f"{os.path.dirname(os.path.dirname(path))} cannot have hard links to the images, "
            "for example because it is on another disk: made symbolic links",
            Advice,
            stacklevel=1,
        )

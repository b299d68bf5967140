"""Galleries in a temporary index, filled by hand."""

from animetools.images.gallery import Gallery
from animetools.images.hashes import Fingerprint
from animetools.images.index_file import Index
from animetools.images.likeness import Likeness
from animetools.images.listed import Listed
from animetools.images.measure import Measured


def empty(near: float, *, mirrored: bool = False, cropped: bool = False) -> Gallery:
    """A gallery without pictures."""
    return Gallery(Index.temporary(keeps_views=cropped), Likeness(near, mirrored, cropped))


def put(gallery: Gallery, path: str, picture: Fingerprint) -> None:
    """Keep a picture."""
    listed = Listed(path, -1, Measured(1, 1, 1, 1, picture))
    gallery.index.keep(gallery.index.remember(listed, 0))
    gallery.catch_up()


def first(gallery: Gallery, picture: Fingerprint) -> tuple[str, str] | None:
    """The path of the first that a picture duplicates, and what it is to it."""
    for match in gallery.matches(picture):
        return match.stored.path, match.kind
    return None


def kind(
    one: Fingerprint,
    other: Fingerprint,
    near: float,
    *,
    mirrored: bool = False,
    cropped: bool = False,
) -> str | None:
    """What the other is to the one."""
    gallery = empty(near, mirrored=mirrored, cropped=cropped)
    put(gallery, "one", one)
    found = first(gallery, other)
    return found[1] if found else None

"""Which posts are wanted: the options that say so."""

import re
from dataclasses import dataclass
from typing import Annotated, Self

from animetools.booru.post import Post, PostError
from animetools.options import ALIASES, Opt

Names = tuple[str, ...]

RATINGS = {
    "general": "g",
    "sensitive": "s",
    "questionable": "q",
    "explicit": "e",
    "safe": "gs",
    "sfw": "gs",
} | {letter: letter for letter in "gsqe"}


def ratings_of(words: str) -> str:
    """The letters of ratings, such as `gs` of `sfw` or of `g,sensitive`.

    Raises ValueError, in one sentence, for a word that is not a rating.
    """
    letters = ""
    for word in words.lower().split(","):
        if word.strip() not in RATINGS:
            raise ValueError(f"a rating is one of {', '.join(RATINGS)}, not '{word}'")
        letters += RATINGS[word.strip()]
    return letters


@dataclass(frozen=True)
class Bound:
    """A post's id, or the beginning of a date."""

    id: int = -1
    day: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """An id, or a date YYYY-MM or YYYY-MM-DD.

        Raises ValueError, in one sentence, for anything else.
        """
        if re.fullmatch(r"\d{1,15}", text, re.ASCII):
            return cls(id=int(text))
        if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?", text, re.ASCII):
            return cls(day=text)
        raise ValueError(f"takes an id, or a date as 2018-01-31 or 2018-01, not '{text}'")

    def __str__(self) -> str:
        """As it is typed."""
        return self.day or str(self.id)

    def order(self, post: Post) -> int:
        """-1 for a post before the bound, 0 for one at it, 1 for one after it.

        Raises PostError if the post has no date to compare.
        """
        if not self.day:
            return (post.id > self.id) - (post.id < self.id)
        day = (post.created_at or "")[: len(self.day)]
        if not day:
            raise PostError("it has no created_at")
        return (day > self.day) - (day < self.day)


def listed(flag: str, values: Names) -> Names:
    """The names in comma-separated lists.

    Raises ValueError, in one sentence, for one that no tag can be.
    """
    names = [name.strip().lower() for value in values for name in value.split(",")]
    for name in filter(None, names):
        if any(c.isspace() for c in name):
            raise ValueError(f"{flag} '{name}': a tag has _ for spaces; separate tags by commas")
        if "*" in name:
            raise ValueError(f"{flag} '{name}': a tag has no *; see --where for patterns")
    return tuple(filter(None, names))


@dataclass(frozen=True)
class Filters:
    """What a post must be."""

    tag: Annotated[
        Names, Opt("Tags that a post must have, all of them: 1boy,solo.", unit="TAGS")
    ] = ()
    any_tag: Annotated[Names, Opt("Tags of which a post must have one.", unit="TAGS")] = ()
    no_tag: Annotated[Names, Opt("Tags that a post must not have.", unit="TAGS")] = ()
    character: Annotated[Names, Opt("Characters, one of whom is in the image.", unit="TAGS")] = ()
    artist: Annotated[Names, Opt("Artists, one of whom made the image.", unit="TAGS")] = ()
    copyright: Annotated[Names, Opt("Series, one of which the image belongs to.", unit="TAGS")] = ()
    rating: Annotated[
        Names,
        Opt(
            "Ratings: g, s, q, e or their names; sfw is g,s.",
            unit="RATINGS",
        ),
    ] = ()
    min_score: Annotated[int | None, Opt("Lowest score.")] = None
    min_width: Annotated[int | None, Opt("Smallest width of the image.", unit="PIXELS")] = None
    min_height: Annotated[int | None, Opt("Smallest height of the image.", unit="PIXELS")] = None
    ext: Annotated[Names, Opt("Extensions of the file: jpg,png.", unit="EXTENSIONS")] = ()
    since: Annotated[
        Bound | None,
        Opt("First id, or first date: 2018-01-31 or 2018-01.", unit="ID|DATE", parse=Bound.parse),
    ] = None
    until: Annotated[
        Bound | None,
        Opt("Last id, or last date: 2018-12-31 or 2018-12.", unit="ID|DATE", parse=Bound.parse),
    ] = None
    where: Annotated[
        str,
        Opt(
            "A condition in SQL on id, score, rating, image_width, fav_count ... and tags, for the"
            " rest: \"score >= 2 * fav_count or tags like '% smile %'\".",
            unit="EXPRESSION",
        ),
    ] = ""
    inactive: Annotated[bool, Opt("Include posts that are deleted, banned or pending.")] = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        _ = self.tags, self.any_tags, self.no_tags, self.kinds, self.ratings, self.extensions
        if self.where:
            from animetools.booru.where import Where

            Where(self.where)

    @property
    def tags(self) -> Names:
        """The tags that a post must have."""
        return listed("--tag", self.tag)

    @property
    def any_tags(self) -> Names:
        """The tags of which it must have one, if there are any."""
        return listed("--any-tag", self.any_tag)

    @property
    def no_tags(self) -> Names:
        """The tags that it must not have."""
        return listed("--no-tag", self.no_tag)

    @property
    def kinds(self) -> dict[str, Names]:
        """Category -> the tags of which a post must have one; categories without any are left out."""
        found = {
            "character": listed("--character", self.character),
            "artist": listed("--artist", self.artist),
            "copyright": listed("--copyright", self.copyright),
        }
        return {kind: names for kind, names in found.items() if names}

    @property
    def ratings(self) -> str:
        """Their letters; empty for any."""
        return ratings_of(",".join(self.rating)) if self.rating else ""

    @property
    def extensions(self) -> Names:
        """The extensions; empty for any."""
        return tuple(ALIASES.get(ext, ext) for ext in listed("--ext", self.ext))

    @property
    def columns(self) -> set[str]:
        """The names of a record that the decision depends on, without its tags."""
        found = set(self.least)
        if any(bound and bound.day for bound in (self.since, self.until)):
            found.add("created_at")
        if self.rating:
            found.add("rating")
        if self.ext:
            found.add("file_ext")
        if self.where:
            from animetools.booru.where import Where

            found.update(Where(self.where).used)
        return found - {"tags"}

    @property
    def least(self) -> dict[str, int]:
        """The name of a number of a record -> its minimum."""
        found = {
            "score": self.min_score,
            "image_width": self.min_width,
            "image_height": self.min_height,
        }
        return {name: value for name, value in found.items() if value is not None}

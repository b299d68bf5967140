"""A post of a booru, as its metadata tells it in any year's form."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from animetools.tags import CATEGORIES, GENERAL

T = TypeVar("T")

KINDS = ("artist", "copyright", "character", GENERAL, "meta")
FACTS = ("md5", "rating", "created_at")  # that go on along a pipe
_NO_LIST = msgspec.Raw(b"[]")


class PostError(Exception):
    """Why an entry is not a post, in a few words."""


class Name(msgspec.Struct, gc=False):
    """What is used of a tag in the form of 2017 to 2020, where its category does not matter."""

    name: str


class Listed(Name, gc=False):
    """The same where it does."""

    category: int = 0


class Post(msgspec.Struct, gc=False, kw_only=True):
    """One post: what is used of a record with Danbooru's names, of any year.

    From 2017 to 2020 `tags` lists them; the site's API and dumps since have `tag_string`, and mostly
    one of each category. What a record does not say is None.
    """

    id: Annotated[int, msgspec.Meta(ge=0)]
    md5: str | None = None
    created_at: str | None = None
    rating: str | None = None
    score: int | None = None
    image_width: int | None = None
    image_height: int | None = None
    file_ext: str | None = None
    is_deleted: bool | None = None
    is_banned: bool | None = None
    is_pending: bool | None = None
    tags: msgspec.Raw = _NO_LIST  # read only if it is asked for: half of the work
    tag_string: str | None = None
    tag_string_artist: str | None = None
    tag_string_copyright: str | None = None
    tag_string_character: str | None = None
    tag_string_general: str | None = None
    tag_string_meta: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether it is neither deleted nor banned nor pending, as far as its record says."""
        return not (self.is_deleted or self.is_banned or self.is_pending)

    @property
    def lists_tags(self) -> bool:
        """Whether its tags are a list, which takes longer to read than all the rest."""
        return self.tags is not _NO_LIST

    def names(self, kind: str = "") -> str:
        """The names of its tags, or of those of one category, each between two spaces.

        Where categories are not known these are all tags: in a booru, a name has one category.

        Raises PostError if it says nothing of tags.
        """
        if self.lists_tags:
            if kind:
                names = [name for name, category in self._listed() if category == kind]
            else:
                names = [tag.name for tag in _checked(_read_names, self.tags)]
            return f" {' '.join(names)} "
        own = self._of(kind) if kind else None
        if own is None:
            own = self.tag_string
        if own is None:
            strings = [found for one in KINDS if (found := self._of(one)) is not None]
            if not strings:
                raise PostError("it has neither tags nor tag_string")
            own = " ".join(strings)
        return f" {own} "

    def names_of(self, kind: str) -> list[str]:
        """The names of its tags of one category, or of all for the empty string.

        Raises PostError if its tags have no categories.
        """
        if kind and not self.lists_tags and self._of(kind) is None:
            raise PostError(f"it has no tag_string_{kind}")
        return self.names(kind).split()

    def facts(self) -> dict[str, Any]:
        """What is known of it, as a record along a pipe has it."""
        known = {name: found for name in FACTS if (found := getattr(self, name))}
        return {"id": str(self.id)} | known | {"tags": [[*tag, 1] for tag in self._tags()]}

    def _tags(self) -> list[tuple[str, str]]:
        """The name and the category of each tag; general where the category is not known."""
        if self.lists_tags:
            return self._listed()
        found = {name: kind for kind in KINDS for name in (self._of(kind) or "").split()}
        return [*(dict.fromkeys((self.tag_string or "").split(), GENERAL) | found).items()]

    def _of(self, kind: str) -> str | None:
        found: str | None = getattr(self, f"tag_string_{kind}")
        return found

    def _listed(self) -> list[tuple[str, str]]:
        tags = _checked(_read_tags, self.tags)
        return [(tag.name, CATEGORIES.get(tag.category, GENERAL)) for tag in tags]


_read_names = msgspec.json.Decoder(list[Name], strict=False).decode
_read_tags = msgspec.json.Decoder(list[Listed], strict=False).decode
_read = msgspec.json.Decoder(Post, strict=False).decode


def _checked(read: Callable[[msgspec.Raw], list[T]], tags: msgspec.Raw) -> list[T]:
    try:
        return read(tags)
    except (ValueError, RecursionError):
        raise PostError("its tags are not a list of names and categories") from None


def post_of(entry: bytes | dict[str, Any]) -> Post:
    """The post of a line of JSON, or of a row of a table with the same names.

    Older dumps write numbers as strings. Raises PostError if it is malformed.
    """
    try:
        return (
            _read(entry) if isinstance(entry, bytes) else msgspec.convert(entry, Post, strict=False)
        )
    except (ValueError, RecursionError) as why:
        text = str(why).removesuffix(" - at `$`")
        raise PostError(text if text.startswith("JSON") else text[:1].lower() + text[1:]) from None


def record_of(entry: bytes | dict[str, Any]) -> dict[str, Any]:
    """All that an entry, of which there is a post, says.

    Raises PostError if something that `post_of` passes over is malformed.
    """
    if isinstance(entry, dict):
        return entry
    try:
        found: dict[str, Any] = msgspec.json.decode(entry)
    except ValueError as why:
        raise PostError(str(why)) from None
    return found

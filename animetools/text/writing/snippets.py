"""A snippet: the text that a source writes for a prompt, cleaned and long enough."""

import re
from dataclasses import dataclass
from typing import Annotated, Protocol

from animetools.errors import ItemError
from animetools.options import Opt
from animetools.text.writing.sentences import whole_sentences

_END = r"<\|[\w ]{1,32}\|>|</s>|<eos>|<pad>"  # what models put at the end of a text
_MARKED = re.compile(rf"\s*((?:(?:{_END}|<s>|<bos>)\s*)*)(.*?)({_END}|\Z)", re.DOTALL)
MAX_TOKENS = 300  # of a text, by default
BROKEN = "\ufffd"  # the last character of a text that was cut inside it


class TextSource(Protocol):
    """What writes texts: a model on this machine, or a service."""

    @property
    def at_once(self) -> int:
        """The best number of texts to ask for at the same time, each from a thread."""

    @property
    def trouble(self) -> str:
        """Why no more texts can be asked for, while those already asked for still come; or ""."""

    def write(self, prompt: str, seed: int, attempt: int) -> str:
        """The text that continues `prompt`, without it.

        It depends on these three alone, where the source can promise that; `attempt` counts from 0.

        Raises ItemError if this text failed, FatalError if all will, PassedOver after trouble.
        """

    def close(self) -> None:
        """End the source: no more texts are asked for.

        Raises FatalError if there was trouble.
        """


@dataclass(frozen=True)
class Cleaning:
    """What is cut from a text, and the fewest characters that must remain."""

    min_chars: Annotated[
        int, Opt("Fewest characters of a text; a shorter one is written again.", min=1)
    ] = 1
    strip_after: Annotated[
        str, Opt("Cut each text at this string, such as Source:.", unit="TEXT")
    ] = ""
    title_format: Annotated[bool, Opt("Turn TITLE|PLOT into _TITLE_: PLOT.")] = False
    whole: Annotated[
        bool,
        Opt("Cut each text after its last complete sentence; one without any is written again."),
    ] = False
    keep_markers: Annotated[
        bool, Opt("Keep markers such as <|endoftext|>, to train a model on the texts.")
    ] = False

    def clean(self, text: str) -> str:
        """The text up to its end or to `strip_after`, without surrounding whitespace.

        With `keep_markers` the markers around it, such as <|endoftext|>, stay: the one at the end if
        nothing before it was cut.
        """
        found = _MARKED.match(text)
        assert found
        start, text, end = found.groups()
        if self.strip_after and self.strip_after in text:
            text, end = text.partition(self.strip_after)[0], ""
        text = text.replace("\0", "").strip().rstrip(BROKEN).rstrip()
        if self.whole and (cut := whole_sentences(text)) != text:
            text, end = cut, ""
        text = titled(text) if self.title_format else text
        return f"{start}{text}{end}" if text and self.keep_markers else text


@dataclass(frozen=True)
class Snippet:
    """A finished text, and the number of attempts that it took."""

    text: str
    tries: int


def snippet(source: TextSource, prompt: str, seed: int, cleaning: Cleaning, tries: int) -> Snippet:
    """The first of at most `tries` texts that is long enough after cleaning.

    Raises ItemError if none is, and what the source raises.
    """
    longest = 0
    for attempt in range(tries):
        text = cleaning.clean(source.write(prompt, seed, attempt))
        if len(text) >= cleaning.min_chars:
            return Snippet(text, attempt + 1)
        longest = max(longest, len(text))
    if not longest:
        raise ItemError(f"no {'whole sentence' if cleaning.whole else 'text'} in {tries} tries")
    raise ItemError(
        f"no text of {cleaning.min_chars} characters in {tries} tries; the longest had {longest}"
    )


def titled(text: str) -> str:
    """`TITLE|PLOT` as `_TITLE_: PLOT`; a text without a title is unchanged."""
    title, bar, plot = text.partition("|")
    title = title.strip()
    return f"_{title}_: {plot.strip()}".rstrip() if bar and title and "\n" not in title else text

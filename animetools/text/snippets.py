"""A snippet: the text that a source writes for a prompt, cut, cleaned and long enough."""

from dataclasses import dataclass
from typing import Protocol

from animetools.errors import ItemError

END = "<|endoftext|>"  # between the texts that GPT-2 and its kin were trained on
BROKEN = "\ufffd"  # what is left of a character when a text stops inside it


class Source(Protocol):
    """What writes texts: a model on this machine, or a service."""

    @property
    def at_once(self) -> int:
        """How many texts it likes to be asked for at the same time, each from a thread."""

    @property
    def trouble(self) -> str:
        """Why no more can be had, where those that are on their way still come; usually empty."""

    def write(self, prompt: str, seed: int, attempt: int) -> str:
        """The text that goes on from `prompt`, without it.

        It depends on these three alone, where the source can promise that; `attempt` counts from 0.

        Raises ItemError if this text cannot be had, FatalError if none can, PassedOver where there
        is trouble.
        """

    def close(self) -> None:
        """No more texts are asked for.

        Raises FatalError if there was trouble.
        """


@dataclass(frozen=True)
class Cleaning:
    """What is done to a text, and how long it must then be, in characters."""

    strip_after: str = ""
    title_format: bool = False
    min_chars: int = 1

    def __call__(self, text: str) -> str:
        """The text up to its end, or to where a source or a note begins, without blank edges."""
        text = text.partition(END)[0]
        if self.strip_after:
            text = text.partition(self.strip_after)[0]
        text = text.replace("\0", "").strip().rstrip(BROKEN).rstrip()
        return titled(text) if self.title_format else text


@dataclass(frozen=True)
class Snippet:
    """A finished text, and which attempt gave it, counted from 1."""

    text: str
    tries: int


def snippet(source: Source, prompt: str, seed: int, cleaning: Cleaning, tries: int) -> Snippet:
    """The first text of at most `tries` that is long enough once it is clean.

    Raises ItemError where none is; whatever the source raises.
    """
    longest = 0
    for attempt in range(tries):
        text = cleaning(source.write(prompt, seed, attempt))
        if len(text) >= cleaning.min_chars:
            return Snippet(text, attempt + 1)
        longest = max(longest, len(text))
    raise ItemError(
        f"no text of {cleaning.min_chars} characters in {tries} tries; the longest had {longest}"
    )


def titled(text: str) -> str:
    """`TITLE|PLOT` as `_TITLE_: PLOT`; a text without title as it is."""
    title, bar, plot = text.partition("|")
    title = title.strip()
    return f"_{title}_: {plot.strip()}".rstrip() if bar and title and "\n" not in title else text

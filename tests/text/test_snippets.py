"""Texts cut, cleaned, and asked for again."""

import pytest

from animetools.errors import ItemError
from animetools.text.snippets import Cleaning, snippet, titled


class Scripted:
    """A source with texts of its own."""

    at_once = 1
    trouble = ""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.asked: list[tuple[str, int, int]] = []

    def write(self, prompt: str, seed: int, attempt: int) -> str:
        self.asked.append((prompt, seed, attempt))
        return self.texts[attempt]

    def close(self) -> None:
        """Nothing to do."""


@pytest.mark.parametrize(
    ("told", "text", "clean"),
    [
        (Cleaning(), " A cat.\n\n", "A cat."),
        (Cleaning(), "A cat.<|endoftext|>A dog.", "A cat."),
        (Cleaning(), "A cat\0 sleeps \ufffd", "A cat sleeps"),
        (Cleaning(strip_after="Source:"), "A cat.\n(Source: ANN) Source: x", "A cat.\n("),
        (Cleaning(strip_after="Source:"), "A cat.", "A cat."),
        (Cleaning(title_format=True), "Cat|It sleeps.<|endoftext|>", "_Cat_: It sleeps."),
        (Cleaning(title_format=True, strip_after="Source:"), "Cat | Source: x", "_Cat_:"),
    ],
)
def test_a_text_is_cut_and_cleaned(told: Cleaning, text: str, clean: str) -> None:
    assert told(text) == clean


@pytest.mark.parametrize("text", ["A cat.", "|A cat.", "Two\nlines|A cat.", ""])
def test_what_has_no_title_stays(text: str) -> None:
    assert titled(text) == text


def test_a_short_text_is_asked_for_again_with_the_next_attempt() -> None:
    source = Scripted("", "  short ", "long enough", "never asked for")
    made = snippet(source, "prompt", 7, Cleaning(min_chars=6), 4)
    assert (made.text, made.tries) == ("long enough", 3)
    assert source.asked == [("prompt", 7, attempt) for attempt in range(3)]


def test_a_seed_that_gives_nothing_long_enough_fails() -> None:
    with pytest.raises(ItemError, match="no text of 6 characters in 2 tries; the longest had 5"):
        snippet(Scripted("short", "", "long enough"), "", 0, Cleaning(min_chars=6), 2)

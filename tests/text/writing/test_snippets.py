"""Texts cut, cleaned, and asked for again."""
# ruff: noqa: RUF001  Japanese marks look like ASCII ones, and are not

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.errors import ItemError
from animetools.text.writing.sentences import whole_sentences
from animetools.text.writing.snippets import Cleaning, snippet, titled


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
    assert told.clean(text) == clean


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
    for cleaning, said in (Cleaning(), "no text in 1"), (Cleaning(whole=True), "no whole sentence"):
        with pytest.raises(ItemError, match=said):
            snippet(Scripted("" if cleaning == Cleaning() else "cut"), "", 0, cleaning, 1)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("A cat sleeps. A dog runs af", "A cat sleeps."),
        ("A cat sleeps! Where?", "A cat sleeps! Where?"),
        ('"A cat," she said. "It sle', '"A cat," she said.'),
        ('She said: "It sleeps." Then', 'She said: "It sleeps."'),
        ('It sleeps. "Wake up! Wake', "It sleeps."),
        ("It costs 3.5 and more", ""),
        ("It sleeps. Then Dr. Gray", "It sleeps."),
        ("It sleeps. Then J. K. Gray", "It sleeps."),
        ("It sleeps. At 5 p.m. the", "It sleeps."),
        ("It eats fish, e.g. tuna", ""),
        ("This is plan B.", "This is plan B."),
        ("It sleeps... and", "It sleeps..."),
        ("Cat|It sleeps. And it", "Cat|It sleeps."),
        ("猫は眠る。犬は走", "猫は眠る。"),
        ("「猫だ！」と言った。それ", "「猫だ！」と言った。"),
        ("猫は眠る。「起きろ！早く", "猫は眠る。"),
        ("猫は眠る。\n「おやすみ」\nそれ", "猫は眠る。\n「おやすみ」"),
        ("猫は眠", ""),
        ("no end", ""),
        ("", ""),
    ],
)
def test_a_text_can_end_at_its_last_whole_sentence(text: str, whole: str) -> None:
    assert Cleaning(whole=True).clean(text) == whole


@given(st.text(st.sampled_from("Aa .!?\"'「」。\n3…")))
def test_whole_sentences_are_a_beginning_and_stay_as_they_are(text: str) -> None:
    cut = whole_sentences(text)
    assert text.startswith(cut)
    assert whole_sentences(cut) == cut


@pytest.mark.parametrize(
    ("told", "text", "clean"),
    [
        (Cleaning(), "<|startoftext|>A cat.<|endoftext|>", "A cat."),
        (Cleaning(), "<s> A cat.</s>", "A cat."),
        (Cleaning(keep_markers=True), "A cat. <|endoftext|>A dog.", "A cat.<|endoftext|>"),
        (Cleaning(keep_markers=True), "A cat. And", "A cat. And"),
        (
            Cleaning(keep_markers=True, whole=True),
            "<|startoftext|>A cat.<|endoftext|>",
            "<|startoftext|>A cat.<|endoftext|>",
        ),
        (Cleaning(keep_markers=True, whole=True), "A cat. And<|endoftext|>", "A cat."),
        (Cleaning(keep_markers=True), "<|endoftext|>", ""),
    ],
)
def test_markers_go_unless_they_are_kept(told: Cleaning, text: str, clean: str) -> None:
    assert told.clean(text) == clean

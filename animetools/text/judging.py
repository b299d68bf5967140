"""Snippets that are there: which of them are passed on, and in what order."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from animetools.cli import Item, Output
from animetools.cli.item import Result
from animetools.errors import ItemError
from animetools.text.prompts import read_prompt

if TYPE_CHECKING:
    from animetools.text.copies import Corpus


def read(item: Item, output: Output) -> Iterator[Item]:
    """A snippet with its text."""
    text = read_prompt(item.path)
    if not text:
        raise ItemError("it is empty")
    yield replace(item, load=text)


def without_twins(results: Iterator[Result]) -> Iterator[Result]:
    """Turn down each snippet that is nearly the same as an earlier one."""
    from animetools.text.twins import Twins

    twins = Twins()
    for item in results:
        assert isinstance(item, Item)
        twin = twins.twin(item.path, item.load)
        yield item if twin is None else item.rejected("nearly the same", f"as {twin}")


def without_copies(corpus: "Corpus", results: Iterator[Result]) -> Iterator[Result]:
    """Turn down each snippet that copies."""
    for item in results:
        if isinstance(item, Item) and (copied := corpus.copied(item.load)):
            yield item.rejected("copied", f"{copied} words")
        else:
            yield item


def ranked(score: Callable[[str], float], results: Iterator[Result]) -> Iterator[Result]:
    """All snippets once the last is scored, the best first, with their ranks."""
    scored: list[Item] = []
    for item in results:
        if not isinstance(item, Item):
            yield item
            continue
        try:
            scored.append(replace(item.noted(score=score(item.load)), load=None))
        except ItemError as why:
            yield item.rejected("not ranked", str(why))
    scored.sort(key=lambda item: -item.facts["score"])
    yield from (item.noted(rank=number) for number, item in enumerate(scored, 1))

"""gptclean: pass on the texts that are worth keeping."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from animetools.cli import Item, OneDevice, Opt, Output, Result, Stream, command
from animetools.cli.rejects import RejectsFile, recorded
from animetools.errors import FatalError, ItemError

if TYPE_CHECKING:
    from animetools.text.judging.copies import Corpus
    from animetools.text.judging.duplicates import Duplicates


@dataclass(frozen=True)
class CleanOptions:
    """Options of gptclean."""

    near: Annotated[
        float,
        Opt(
            "Share of equal runs of three words that makes a near-duplicate; 0 keeps"
            " near-duplicates.",
            min=0,
            max=1,
        ),
    ] = 0.7
    overlap: Annotated[
        str,
        Opt(
            "Reject texts that copy 30 or more words in a row from this text file, such as the"
            " corpus that the model was trained on.",
            unit="CORPUS",
        ),
    ] = ""
    rank: Annotated[
        str,
        Opt(
            "Print the best texts first, when the list has ended: by their likelihood under a"
            " language model, a folder or a name as for gptsnip --model; repetition: those that"
            " repeat themselves least.",
            unit="MODEL|repetition",
        ),
    ] = ""
    rejects: RejectsFile = ""
    device: OneDevice = "auto"


@command(
    arguments=("FILE ...", "Texts, or folders of them; none or -: a list on standard input."),
    examples=[
        "gptsnip --seeds 0-9 | gptclean > kept.txt",
        "gptclean snippets --rank repetition --rejects rejects.tsv | head -3",
    ],
)
def gptclean(options: CleanOptions, stream: Stream) -> int:
    """Pass on the texts that are worth keeping.

    Reads paths of text files, such as snippets by gptsnip, and writes the paths of those that are
    neither empty nor duplicates nor copies of the corpus of --overlap: in input order or, with
    --rank, the best first. No file is changed. Texts are UTF-8 files of at most 1 MiB.

    Of several duplicates the first is kept. Words are compared without case and punctuation: two
    texts of 60 words that differ in one word share 90% of their runs of three words, in four
    separate words 66%. --json adds score and rank; -v says why a text was rejected.
    """
    keep = partial(kept, *judges(options))
    rejects = "" if stream.options.dry_run else options.rejects
    _refuse_other_file(rejects)
    return stream.fold(read, lambda results: recorded(rejects, keep(results)))


def read(item: Item, output: Output) -> Iterator[Result]:
    """A text that is not empty."""
    from animetools.text.writing.prompts import read_text

    try:
        text = read_text(item.path)
    except ItemError as why:
        yield item.rejected("broken", str(why))
        return
    yield item.carrying(text) if text else item.rejected("empty")


Score = Callable[[str], float]


def judges(options: CleanOptions) -> "tuple[Duplicates, Corpus | None, Score | None]":
    """What texts are checked with: an index of duplicates, a corpus, a score.

    Raises FatalError if the corpus or the model cannot be read.
    """
    from animetools.text.judging.copies import Corpus
    from animetools.text.judging.duplicates import Duplicates

    return (
        Duplicates(options.near),
        Corpus(options.overlap) if options.overlap else None,
        scorer(options) if options.rank else None,
    )


def scorer(options: CleanOptions) -> Score:
    """The score that texts are ranked by.

    Raises FatalError if the model cannot be loaded.
    """
    if options.rank == "repetition":
        from animetools.text.judging.words import novelty

        return novelty
    from animetools.networks.devices import devices
    from animetools.text.judging.likelihood import Likelihood
    from animetools.text.models.inference import load_for_inference
    from animetools.text.models.loading import locate

    try:
        device = devices(options.device)[0]
        return Likelihood(load_for_inference(locate(options.rank), device, "fp32"))
    except FatalError as why:
        raise FatalError(str(why).replace("--model", "--rank", 1)) from why


def kept(
    duplicates: "Duplicates | None",
    corpus: "Corpus | None",
    score: Score | None,
    results: Iterator[Result],
) -> Iterator[Result]:
    """The texts to keep, and rejects with their reasons; with a score all are ranked at the end."""
    ranked: list[Item] = []
    for item in results:
        if not isinstance(item, Item):
            yield item
        elif duplicates and (duplicate := duplicates.find_or_add(item.path, item.load)):
            yield item.rejected(*duplicate)
        elif corpus and (copied := corpus.copied(item.load)):
            yield item.rejected("copied", f"{copied} words")
        elif score:
            try:
                ranked.append(item.noted(score=score(item.load)).carrying(None))
            except ItemError as why:
                yield item.rejected("not ranked", str(why))
        else:
            yield item
    ranked.sort(key=lambda item: -item.facts["score"])
    yield from (item.noted(rank=number) for number, item in enumerate(ranked, 1))


def _refuse_other_file(path: str) -> None:
    """Raise FatalError if --rejects would overwrite a file that is not a list of rejects."""
    if not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        line = file.readline(1 << 16)
    if line and line.count(b"\t") != 2:
        raise FatalError(f"--rejects {path} is not a list of rejects, and would be overwritten")


def for_gptsnip(stream: Stream, dedupe: bool, overlap: str, rank: str, device: str) -> int:
    """What gptsnip --dedupe, --overlap and --rank did; goes when they go."""
    duplicates, corpus, score = judges(CleanOptions(overlap=overlap, rank=rank, device=device))
    keep = partial(kept, duplicates if dedupe else None, corpus, score)
    return stream.fold(read_or_fail, keep)


def read_or_fail(item: Item, output: Output) -> Iterator[Item]:
    """A text; an empty one fails."""
    from animetools.text.writing.prompts import read_text

    text = read_text(item.path)
    if not text:
        raise ItemError("it is empty")
    yield item.carrying(text)

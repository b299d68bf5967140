"""gptsnip: write short texts with a language model."""

import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any, Literal

from animetools.cli import Item, Opt, Output, Stream, command
from animetools.cli.item import Result, reason_of
from animetools.cli.shared import OneDevice
from animetools.errors import Advice, FatalError, ItemError
from animetools.options import given, names_of
from animetools.sampling.seeds import Seeds
from animetools.text.writing.api import ApiOptions
from animetools.text.writing.prompts import check_template, decoded, filled, read_list, read_prompt
from animetools.text.writing.snippets import MOST, Cleaning, Source, snippet

if TYPE_CHECKING:
    from animetools.text.judging.copies import Corpus
    from animetools.text.writing.writer import Writer

OUT = "snippets"
LOCAL = "model", "top_k", "dtype", "device"  # what is for a model on this machine alone


@dataclass(frozen=True)
class WriteOptions:
    """Options for the texts that are written."""

    model: Annotated[
        str,
        Opt(
            "A folder with a causal language model of Hugging Face's kind, or its name there;"
            " default is the small one that ships with animetools.",
            unit="FOLDER|NAME",
        ),
    ] = "default"
    seeds: Annotated[
        str,
        Opt(
            "Which snippets to write, such as 0-50000,60000; both ends count.",
            "s",
            unit="SEEDS",
            affects=False,
        ),
    ] = ""
    prompt: Annotated[str, Opt("What every text goes on from.", unit="TEXT")] = ""
    prompt_file: Annotated[
        str,
        Opt(
            "A prompt a line: seed N goes on from line N, counted from 0, and begins again after"
            " the last; without --seeds a snippet for each line.",
            unit="FILE",
            affects=False,
        ),
    ] = ""
    template: Annotated[str, Opt("What each prompt is put into, at {}.", unit="TEXT")] = "{}"
    temperature: Annotated[
        float, Opt("Below 1 likely words become likelier; 0 takes the likeliest.", min=0, max=100)
    ] = 0.7
    top_k: Annotated[int, Opt("Draw among so many words; 0 is all.", min=0)] = 30
    top_p: Annotated[
        float, Opt("Draw among the likeliest words that make up this share.", min=0, max=1)
    ] = 1.0
    max_tokens: Annotated[
        int | None,
        Opt(
            "Where a text ends at the latest, in tokens; 300 by default, or what the model's window"
            " holds.",
            min=1,
            max=1 << 20,
        ),
    ] = None
    min_chars: Annotated[int, Opt("Write a shorter text again, by another chance.", min=1)] = 1
    tries: Annotated[int, Opt("How often a text is written at the most.", min=1, affects=False)] = (
        10
    )
    strip_after: Annotated[
        str, Opt("Cut a text where this stands, such as Source:.", unit="TEXT")
    ] = ""
    title_format: Annotated[bool, Opt("Turn TITLE|PLOT into _TITLE_: PLOT.")] = False
    device: OneDevice = "auto"
    dtype: Annotated[Literal["fp32", "bf16", "int8"], Opt("Precision of the model.")] = "fp32"
    whole: Annotated[
        bool, Opt("Cut each text after its last whole sentence; one without any is written again.")
    ] = False
    keep_markers: Annotated[
        bool, Opt("Keep markers such as <|endoftext|> in the texts, to train a model on them.")
    ] = False


@dataclass(frozen=True)
class SnipOptions(ApiOptions, WriteOptions):  # which dataclasses put in the opposite order
    """What gptsnip can be told."""

    dedupe: Annotated[
        bool,
        Opt(
            "Of snippets that are there, leave out those nearly the same as an earlier one.",
            affects=False,
        ),
    ] = False
    overlap: Annotated[
        str,
        Opt(
            "Leave out those that copy 30 or more words in a row from this text.",
            unit="CORPUS",
            affects=False,
        ),
    ] = ""
    rank: Annotated[
        str,
        Opt(
            "Put first what this model, as of --model, finds likeliest; repetition: what repeats"
            " itself least.",
            unit="MODEL",
            affects=False,
        ),
    ] = ""

    def __post_init__(self) -> None:
        """Refuse what makes no sense, before anything heavy is loaded."""
        if self.seeds:
            Seeds.parse(self.seeds)
        check_template(self.template)
        if self.prompt and self.prompt_file:
            raise ValueError("--prompt and --prompt-file exclude each other")
        if self.top_p == 0:
            raise ValueError("--top-p is a share above 0, such as 95%")
        for name in ("prompt", "template", "strip_after", "api_model", "system", "stop"):
            try:
                getattr(self, name).encode()
            except UnicodeEncodeError:
                raise ValueError(f"--{name.replace('_', '-')} is not UTF-8") from None
        self.check()
        if self.api and (wrong := given(self, LOCAL)):
            raise ValueError(f"with --api leave out {', '.join(wrong)}: the service decides")
        if not self.api and (wrong := given(self, names_of(ApiOptions))):
            raise ValueError(f"for --api alone: {', '.join(wrong)}")

    @property
    def judges(self) -> bool:
        """Whether files are snippets that are there, and none are written."""
        return bool(self.dedupe or self.overlap or self.rank)

    @property
    def cleaning(self) -> Cleaning:
        """What is done to every text."""
        return Cleaning(
            self.strip_after, self.title_format, self.min_chars, self.whole, self.keep_markers
        )


@command(
    out=OUT,
    reads=False,
    arguments=(
        "FILE ...",
        "Files whose texts are prompts, or folders of them; -: a list on standard input.",
    ),
    examples=[
        "gptsnip --seeds 0-9",
        "gptsnip --seeds 0-9 --min-chars 250 --title-format",
        "gptsnip --seeds 0-1 -o synopses | gptsnip - --template 'Plot Summary: {} In the first episode ' -o plots",
        "gptsnip --seeds 0-9 | gptsnip --dedupe - | gptsnip --rank default - > best.txt",
    ],
)
def gptsnip(options: SnipOptions, stream: Stream) -> int:
    """Write short texts with a language model.

    Writes snippets/snippet-N.txt for each seed N and prints its path. A file that is named as an
    argument is a prompt: its snippet has its name, with .txt at the end; at several --seeds
    NAME.SEED.txt. So the paths that one run prints are the prompts of another. Only what the model
    writes is kept, without the prompt, up to its end of text.

    The model that ships is a toy of 7 MB: it makes up synopses of anime in one small world of words,
    as TITLE|SYNOPSIS, and cannot follow a prompt that speaks of other things.

    A seed's text is the same alone and beside any others, on the same machine with the same number
    of threads; on another the last bits of the arithmetic may differ, and so some texts. A
    large model writes about twice as fast on a CPU with --dtype int8, or with bf16 where the CPU
    multiplies it.

    --api asks a service, at --jobs texts at once (8), with the key in the environment's
    OPENAI_API_KEY, if there is one. It is sent --temperature, --top-p, --max-tokens and a seed; a
    parameter that it refuses is renamed or left out. Reasoning, such as <think>...</think>, is
    removed. Where the service is busy it is asked again. When --max-requests or --max-cost are used
    up the run ends with status 2, and the same line goes on later; nothing that is paid for is lost
    or asked for again, apart from what is on its way when the run is killed. An answer that does not
    come, or does not tell its tokens, counts as the most expensive possible.

    With --dedupe, --overlap or --rank files are snippets, from whatever source: nothing is written,
    and the paths of those that stay are printed, with --rank the best first. Two are nearly the
    same if of all their runs of three words they share 70 %. -v says which are left out, and why.
    """
    if options.judges:
        return judged(options, stream)
    if not (options.seeds or options.prompt_file or stream.files):
        raise FatalError("nothing to write: give --seeds, such as 0-99, or files of prompts")
    if stream.files and (options.prompt or options.prompt_file):
        raise FatalError("files are prompts: leave out --prompt and --prompt-file, or the files")
    if options.template != "{}" and not (options.prompt or options.prompt_file or stream.files):
        raise FatalError("--template takes a prompt: give --prompt, --prompt-file, or files")
    items = prompted(options, stream) if stream.files else seeded(options, stream)
    one_prompt = not (stream.files or options.prompt_file)
    source, told = _source(options, one_prompt=one_prompt)
    jobs = stream.options.jobs or source.at_once
    keys = told if options.api else {"model": told["sha256"][:16]}
    stream = stream.keyed(set=options.others, max_tokens=options.max_tokens or MOST, **keys)
    stream = replace(stream, options=replace(stream.options, jobs=jobs))
    items = takewhile(lambda _: not source.trouble, items)
    try:
        return stream.map(partial(write, options, source, told), items)
    finally:
        source.close()


@dataclass(frozen=True)
class Task:
    """What a snippet is made from: a prompt, or the file that holds it."""

    seed: int
    prompt: str = ""
    file: str = ""


def seeded(options: SnipOptions, stream: Stream) -> Iterator[Item]:
    """An item for each seed, with its prompt."""
    lines = [options.prompt.encode()]
    if options.prompt_file:
        try:
            lines = read_list(options.prompt_file)
        except (ItemError, OSError) as why:
            raise FatalError(f"{options.prompt_file}: {reason_of(why)}") from None
    seeds = Seeds.parse(options.seeds or f"0-{len(lines) - 1}")
    stream.expect(seeds.count)
    return (_seeded(options, seed, seed % len(lines), lines) for seed in seeds)


def _seeded(options: SnipOptions, seed: int, number: int, lines: list[bytes]) -> Item:
    path = f"/snippet-{seed}"  # from the root it is the same from everywhere
    try:
        prompt = decoded(lines[number])
    except ItemError as why:
        return Item(path, trouble=f"line {number + 1} of {options.prompt_file}: {why}")
    stamp = f"{zlib.crc32(prompt.encode())}" if prompt else ""
    return Item(path, stamp=stamp, load=Task(seed, prompt))


def prompted(options: SnipOptions, stream: Stream) -> Iterator[Item]:
    """An item for each file at each seed."""
    seeds = Seeds.parse(options.seeds or "0")
    for item in stream.items():
        if item.trouble or seeds.count == 1:
            yield replace(item, load=Task(next(iter(seeds)), file=item.path))
            continue
        for seed in seeds:
            facts = {"source": item.path} | item.facts
            task = Task(seed, file=item.path)
            yield replace(item, path=f"{item.path}.{seed}", facts=facts, load=task)


def write(
    options: SnipOptions, source: Source, told: dict[str, Any], item: Item, output: Output
) -> Iterator[Item]:
    """One snippet as a file."""
    task: Task = item.load
    suffix = "" if item.path.endswith(".txt") else ".txt"
    facts: dict[str, Any] = {"seed": task.seed} | told
    if output.dry:
        yield item.made(output.write(suffix, bytes), **facts)
        return
    if path := output.find(suffix):
        yield item.made(path, **facts)
        return
    prompt = filled(options.template, read_prompt(task.file) if task.file else task.prompt)
    made = snippet(source, prompt, task.seed, options.cleaning, options.tries)
    path = output.write(suffix, f"{made.text}\n".encode)
    yield item.made(path, **facts, prompt=prompt, tries=made.tries)


def judged(options: SnipOptions, stream: Stream) -> int:
    """Pass on the snippets that are good enough."""
    if wrong := given(options, names_of(SnipOptions) - {"dedupe", "overlap", "rank", "device"}):
        raise FatalError(
            "--dedupe, --overlap and --rank judge snippets: write them first, and pipe; leave out"
            f" {', '.join(wrong)}"
        )
    if stream.out != OUT:
        raise FatalError("--dedupe, --overlap and --rank write no files: leave out --out")
    if not stream.files:
        raise FatalError("no snippets: name them, or give - and a list on standard input")
    steps: list[Callable[[Iterator[Result]], Iterator[Result]]] = []
    if options.dedupe:
        steps.append(without_twins)
    if options.overlap:
        from animetools.text.judging.copies import Corpus

        steps.append(partial(without_copies, Corpus(options.overlap)))
    if options.rank:
        steps.append(partial(ranked, _scoring(options)))

    def through(results: Iterator[Result]) -> Iterator[Result]:
        for step in steps:
            results = step(results)
        return results

    return replace(stream, out="").fold(read, through)


def read(item: Item, output: Output) -> Iterator[Item]:
    """A snippet with its text."""
    text = read_prompt(item.path)
    if not text:
        raise ItemError("it is empty")
    yield item.carrying(text)


def without_twins(results: Iterator[Result]) -> Iterator[Result]:
    """Turn down each snippet that is nearly the same as an earlier one."""
    from animetools.text.judging.duplicates import Twins

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
            scored.append(item.noted(score=score(item.load)).carrying(None))
        except ItemError as why:
            yield item.rejected("not ranked", str(why))
    scored.sort(key=lambda item: -item.facts["score"])
    yield from (item.noted(rank=number) for number, item in enumerate(scored, 1))


def _scoring(options: SnipOptions) -> Callable[[str], float]:
    """What a snippet is ranked by."""
    if options.rank == "repetition":
        from animetools.text.judging.words import novelty

        return novelty
    from animetools.networks.devices import devices
    from animetools.text.judging.likelihood import Reader
    from animetools.text.models.loading import locate, opened

    try:
        model = opened(locate(options.rank), devices(options.device)[0], "fp32")
    except FatalError as why:
        raise FatalError(str(why).replace("--model", "--rank", 1)) from why
    return Reader(model).likelihood


def _source(options: SnipOptions, *, one_prompt: bool) -> tuple[Source, dict[str, Any]]:
    """What writes the texts, and what is told of it with each."""
    if options.api:
        if not find_spec("httpx2"):
            raise FatalError("--api needs httpx2: pip install 'animetools[text]'")
        most = options.max_tokens or MOST
        service = options.service(options.temperature, options.top_p, most, one_prompt=one_prompt)
        return service, {"api": service.address.shown, "model": options.api_model}
    from animetools.text.models.loading import identity, locate
    from animetools.text.writing.generate import Engine

    folder = locate(options.model)
    told = {"model": options.model, "sha256": identity(folder)}
    return Engine(partial(_writer, options, folder)), told


def _writer(options: SnipOptions, folder: str) -> "Writer":
    """The model on its device."""
    from animetools.networks.devices import devices
    from animetools.text.models.loading import opened
    from animetools.text.writing.writer import Sampling, Writer

    found = devices(options.device)
    if len(found) > 1:
        raise FatalError("--device all: gptsnip uses one card; name it, as cuda:1")
    if options.dtype == "int8" and found[0].type != "cpu":
        raise FatalError("--dtype int8 is for CPUs: try bf16")
    sampling = Sampling(options.temperature, options.top_k, options.top_p, options.max_tokens)
    model = opened(folder, found[0], options.dtype)
    if (options.max_tokens or 0) >= model.context:
        warnings.warn(
            f"--max-tokens {options.max_tokens}: texts end where the model's window of"
            f" {model.context} tokens does, prompt included",
            Advice,
            stacklevel=1,
        )
    return Writer(model, sampling, keep_markers=options.keep_markers)

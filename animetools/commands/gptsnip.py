"""gptsnip: write short texts with a language model."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any, Literal

from animetools.cli import Item, OneDevice, Opt, Output, Stream, command
from animetools.cli.item import reason_of
from animetools.errors import Advice, FatalError, ItemError
from animetools.options import given, names_of
from animetools.sampling.seeds import Seeds
from animetools.text.writing.api import ApiOptions
from animetools.text.writing.prompts import Prompts, Task, decoded
from animetools.text.writing.sampler import Sampler
from animetools.text.writing.snippets import MAX_TOKENS, Cleaning, TextSource, snippet

if TYPE_CHECKING:
    from animetools.text.writing.batch import Batch

OUT = "snippets"
LOCAL = "model", "top_k", "dtype", "device"  # options of a model on this machine


@dataclass(frozen=True)
class WriteOptions:
    """Options of every text."""

    model: Annotated[
        str,
        Opt(
            "A folder with a causal language model in Hugging Face format, or the name of one at"
            " huggingface.co; default is the small one that ships with animetools.",
            unit="FOLDER|NAME",
        ),
    ] = "default"
    seeds: Annotated[
        Seeds | None,
        Opt(
            "Seeds of the snippets to write, such as 0-50000,60000; both ends are included.",
            "s",
            unit="SEEDS",
            affects=False,
            parse=Seeds.parse,
        ),
    ] = None
    max_tokens: Annotated[
        int | None,
        Opt(
            "Most tokens of a text; 300 by default, or what the model's context allows.",
            min=1,
            max=1 << 20,
        ),
    ] = None
    tries: Annotated[
        int, Opt("Most tries for a text that is long enough.", min=1, affects=False)
    ] = 10
    device: OneDevice = "auto"
    dtype: Annotated[Literal["fp32", "bf16", "int8"], Opt("Precision of the model.")] = "fp32"


@dataclass(frozen=True)
class SnipOptions(ApiOptions, Cleaning, Sampler, Prompts, WriteOptions):  # the last comes first
    """Options of gptsnip."""

    dedupe: Annotated[bool, Opt("Deprecated: use gptclean.", affects=False)] = False
    overlap: Annotated[
        str, Opt("Deprecated: use gptclean --overlap.", unit="CORPUS", affects=False)
    ] = ""
    rank: Annotated[str, Opt("Deprecated: use gptclean --rank.", unit="MODEL", affects=False)] = ""

    def __post_init__(self) -> None:
        """Check the options, before anything heavy is loaded."""
        self.check_prompts()
        self.check_api()
        if self.top_p == 0:
            raise ValueError("--top-p is a share above 0, such as 95%")
        for name in ("prompt", "template", "strip_after", "api_model", "system", "stop"):
            try:
                getattr(self, name).encode()
            except UnicodeEncodeError:
                raise ValueError(f"--{name.replace('_', '-')} is not UTF-8") from None
        if self.api and (wrong := given(self, LOCAL)):
            raise ValueError(f"with --api leave out {', '.join(wrong)}: the service decides")


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
        "gptsnip --seeds 0-9 | gptclean --rank default > best.txt",
    ],
)
def gptsnip(options: SnipOptions, stream: Stream) -> int:
    """Write short texts with a language model.

    Writes snippets/snippet-N.txt for each seed N and prints its path. A file given as an argument is
    a prompt: its snippet has its name with .txt at the end, and with several --seeds NAME.SEED.txt.
    So the output of one run can be the prompts of another. A snippet holds what the model writes up
    to its end of text, without the prompt.

    The model that ships is small (7 MB): it writes short synopses of made-up anime, as
    TITLE|SYNOPSIS, and cannot follow a prompt about anything else.

    A seed gives the same text whichever other seeds are written with it, on the same machine with
    the same number of threads; other machines round differently, and so a few texts differ. On a CPU
    a large model writes about twice as fast with --dtype int8, or with bf16 if the CPU supports it.

    --api asks a service, for --jobs texts at once (8), with the key in the environment variable
    OPENAI_API_KEY, if it is set. A request has --temperature, --top-p, --max-tokens and a seed; a
    parameter that the service refuses is renamed or left out. Reasoning, such as
    <think>...</think>, is removed. Requests to a busy service are retried. When --max-requests or
    --max-cost is used up, the run ends with status 2, and the same command continues it: no text is
    paid for twice, except those on their way when the run is killed. A lost answer, or one that does
    not report its tokens, counts as the most expensive possible.
    """
    if options.dedupe or options.overlap or options.rank:
        return judged(options, stream)
    if not (options.seeds or options.prompt_file or stream.files):
        raise FatalError("nothing to write: give --seeds, such as 0-99, or files of prompts")
    if stream.files and (options.prompt or options.prompt_file):
        raise FatalError("files are prompts: leave out --prompt and --prompt-file, or the files")
    if options.template != "{}" and not (options.prompt or options.prompt_file or stream.files):
        raise FatalError("--template needs a prompt: give --prompt, --prompt-file, or files")
    items = prompted(options, stream) if stream.files else seeded(options, stream)
    one_prompt = not (stream.files or options.prompt_file)
    most = options.max_tokens or MAX_TOKENS
    stream = stream.keyed(max_tokens=most, set=options.others)
    if options.api:
        service = options.service(options.temperature, options.top_p, most, one_prompt=one_prompt)
        facts = {"api": service.address.shown, "model": options.api_model}
        stream = stream.keyed(**facts)
        source: TextSource = service
    else:
        from animetools.text.models.loading import identity, locate
        from animetools.text.writing.local import LocalModel

        folder = locate(options.model)
        facts = {"model": options.model, "sha256": identity(folder)}
        stream = stream.keyed(model=facts["sha256"][:16])
        source = LocalModel(partial(load, options, folder))
    jobs = stream.options.jobs or source.at_once
    stream = replace(stream, options=replace(stream.options, jobs=jobs))
    try:
        items = takewhile(lambda _: not source.trouble, items)
        return stream.map(partial(write, options, source, facts), items)
    finally:
        source.close()


def seeded(options: SnipOptions, stream: Stream) -> Iterator[Item]:
    """An item for each seed, with its prompt."""
    try:
        lines = options.lines()
    except (ItemError, OSError) as why:
        raise FatalError(f"{options.prompt_file}: {reason_of(why)}") from None
    seeds = options.seeds or Seeds((range(len(lines)),))
    stream.expect(seeds.count)
    return (_seeded(options, seed, seed % len(lines), lines) for seed in seeds)


def _seeded(options: SnipOptions, seed: int, number: int, lines: list[bytes]) -> Item:
    path = f"/snippet-{seed}"  # absolute: the same in every current folder
    try:
        task = Task(seed, decoded(lines[number]))
    except ItemError as why:
        return Item(path, trouble=f"line {number + 1} of {options.prompt_file}: {why}")
    return Item(path, stamp=task.stamp, load=task)


def prompted(options: SnipOptions, stream: Stream) -> Iterator[Item]:
    """An item for each file at each seed."""
    seeds = options.seeds or Seeds((range(1),))
    for item in stream.items():
        if item.trouble or seeds.count == 1:
            yield item.carrying(Task(next(iter(seeds)), file=item.path))
            continue
        for seed in seeds:
            facts = {"source": item.path} | item.facts
            task = Task(seed, file=item.path)
            yield replace(item, path=f"{item.path}.{seed}", facts=facts, load=task)


def write(
    options: SnipOptions, source: TextSource, facts: dict[str, Any], item: Item, output: Output
) -> Iterator[Item]:
    """One snippet as a file."""
    task: Task = item.load
    suffix = "" if item.path.endswith(".txt") else ".txt"
    facts = {"seed": task.seed} | facts
    if output.dry:
        yield item.made(output.write(suffix, bytes), **facts)
        return
    if path := output.find(suffix):
        yield item.made(path, **facts)
        return
    prompt = options.filled(task.prompt())
    made = snippet(source, prompt, task.seed, options, options.tries)
    path = output.write(suffix, f"{made.text}\n".encode)
    yield item.made(path, **facts, prompt=prompt, tries=made.tries)


def load(options: SnipOptions, folder: str) -> "Batch":
    """The model on its device, ready to write."""
    from animetools.networks.devices import devices
    from animetools.text.models.inference import load_for_inference
    from animetools.text.writing.batch import Batch

    found = devices(options.device)
    if len(found) > 1:
        raise FatalError("--device all: gptsnip uses one card; name it, such as cuda:1")
    if options.dtype == "int8" and found[0].type != "cpu":
        raise FatalError("--dtype int8 is for CPUs: try bf16")
    model = load_for_inference(folder, found[0], options.dtype)
    if (options.max_tokens or 0) >= model.context:
        warnings.warn(
            f"--max-tokens {options.max_tokens}: texts end with the model's context of"
            f" {model.context} tokens, prompt included",
            Advice,
            stacklevel=1,
        )
    return Batch(model, options, options.max_tokens, keep_markers=options.keep_markers)


def judged(options: SnipOptions, stream: Stream) -> int:
    """Do what gptclean does now."""
    from animetools.commands.gptclean import for_gptsnip

    if wrong := given(options, names_of(SnipOptions) - {"dedupe", "overlap", "rank", "device"}):
        raise FatalError(f"--dedupe, --overlap and --rank exclude {', '.join(wrong)}")
    if stream.out != OUT:
        raise FatalError("--dedupe, --overlap and --rank write no files: leave out --out")
    if not stream.files:
        raise FatalError("no snippets: name them, or give - and a list on standard input")
    stream.note("--dedupe, --overlap and --rank are deprecated: use gptclean instead")
    return for_gptsnip(
        replace(stream, out=""), options.dedupe, options.overlap, options.rank, options.device
    )

"""gpttrain: train a language model."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

from animetools.cli import Item, OneDevice, Opt, Stream, command
from animetools.cli.aside import until_interrupted
from animetools.cli.cores import cores
from animetools.errors import FatalError

if TYPE_CHECKING:
    from animetools.text.learning.learner import Settings
    from animetools.text.learning.run import Status

LEAST = 8  # tokens of a window


@dataclass(frozen=True)
class LearnOptions:
    """What gpttrain can be told; what is not told is as before where a run is resumed."""

    model: Annotated[
        str,
        Opt("What it begins with: a folder, a name at huggingface.co, or default.", unit="MODEL"),
    ] = "default"
    from_scratch: Annotated[bool, Opt("Begin with random weights.")] = False
    size: Annotated[
        Literal["tiny", "small", "gpt2"] | None,
        Opt("Of a model from scratch: 3.4, 12 or 89 million parameters; tiny if not told."),
    ] = None
    vocab: Annotated[
        int | None,
        Opt(
            "Make a new tokenizer of so many tokens from the corpus; if not told, the model's is"
            " kept, and a model from scratch has 4096.",
            min=257,
            max=10**6,
        ),
    ] = None
    column: Annotated[
        str,
        Opt(
            "Columns of a CSV or JSON-lines corpus to learn from, as title,synopsis; | goes between"
            " them. By default title and text, content, synopsis, plot, summary or description.",
            unit="NAMES",
        ),
    ] = ""
    resume: Annotated[
        bool, Opt("Go on from the last snapshot in the folder, or begin where there is none.")
    ] = False
    steps: Annotated[int | None, Opt("Steps in all; 1000 if not told.", min=1)] = None
    batch: Annotated[
        int | None, Opt("Pieces of text in a step; 16 if not told.", "b", min=1, max=65536)
    ] = None
    context: Annotated[
        int | None, Opt("Tokens of such a piece; 256 if not told.", min=LEAST, max=1 << 20)
    ] = None
    lr: Annotated[
        float | None, Opt("Learning rate; 0.0001, from scratch 0.002, if not told.", min=0)
    ] = None
    valid: Annotated[
        float | None,
        Opt("Share of the corpus held back to judge by; 5% if not told.", min=0, max=0.5),
    ] = None
    patience: Annotated[
        int | None,
        Opt("End after so many validations that got no better; 3 if not told, 0 never.", min=0),
    ] = None
    dtype: Annotated[
        Literal["fp32", "bf16"] | None,
        Opt("Precision of the products; where it is not told, bf16 on a card."),
    ] = None
    snap: Annotated[int, Opt("Steps between two snapshots, each with a validation.", min=1)] = 100
    keep: Annotated[int, Opt("Snapshots that are kept, the last ones; 0 is all.", min=0)] = 2
    seed: Annotated[int | None, Opt("What all chance comes from.", min=0, max=2**32 - 1)] = None
    device: OneDevice = "auto"

    def __post_init__(self) -> None:
        """Refuse what makes no sense, before anything heavy is loaded."""
        if self.size and not self.from_scratch:
            raise ValueError("--size is of a model --from-scratch: another has its own")
        if self.from_scratch and self.model != "default":
            raise ValueError("--from-scratch and --model exclude each other")
        if self.device == "all":
            raise ValueError("--device all: a run trains on one device")


@command(
    out="model",
    reads=False,
    arguments=(
        "CORPUS",
        "A file of TITLE|SYNOPSIS lines, of plain text, CSV with a header, or JSON lines.",
    ),
    examples=[
        "gpttrain --steps 2 --batch 2 --context 64 corpus.txt -o mine",
        "gpttrain --from-scratch --size tiny --steps 2 --batch 2 --resume corpus.txt",
    ],
)
def gpttrain(options: LearnOptions, stream: Stream) -> int:
    """Train a language model.

    Writes the path of each snapshot when it is whole, in the model's folder. That folder is itself the
    model, in half precision, as it was when it did best on the text that is held back; gptsnip and
    transformers read it and the snapshots alike. Ctrl-C or SIGTERM has it write one and end, a second
    one ends it at once; --resume goes on from the last, to the bit.

    Each line of TITLE|SYNOPSIS, and each row of a table, is a text of its own, learned from its
    beginning to its end. Windows of plain text begin anywhere; <|endoftext|> or <|startoftext|> ends
    one text and begins the next. A corpus is UTF-8 or UTF-16, and may be packed with gzip. In the
    folder are log.txt with samples, run.json with all settings, and the curves of TensorBoard.

    Losses are nats per token. Bits per character compare models whose tokenizers differ.
    """
    if len(stream.files) != 1:
        raise FatalError("name one corpus: gpttrain CORPUS")
    if not find_spec("transformers"):
        raise FatalError("gpttrain needs transformers: pip install 'animetools[text]'")
    cure = "a smaller --batch or --context needs less"
    for path in until_interrupted(partial(_train, options, stream), stream, cure):
        stream.print(Item(path))
    return 0


def _train(options: LearnOptions, stream: Stream, stopping: Callable[[], bool]) -> Iterator[str]:
    """Train; gives the path of each snapshot."""
    report, out, corpus = stream.report, stream.out, stream.files[0]
    jobs = stream.options.jobs or cores()
    os.environ.setdefault("RAYON_NUM_THREADS", f"{jobs}")  # the tokenizer's
    import torch

    from animetools.estimate import duration
    from animetools.networks.devices import devices
    from animetools.text.learning import corpus as texts
    from animetools.text.learning import snapshots, tokenizers, tokens
    from animetools.text.learning.learner import Learner, Settings
    from animetools.text.learning.run import Run
    from animetools.text.models import loading, scratch
    from animetools.training.board import MISSING, Board
    from animetools.training.snapshots import Folder

    torch.set_num_threads(min(jobs, cores()))  # more would wait for each other
    device = devices(options.device)[0]

    # What it learns from, and what it goes on from.
    columns = [name.strip() for name in options.column.split(",") if name.strip()]
    form = texts.form_of(corpus, columns)
    if not any(texts.documents(corpus, report.note, columns)):
        raise FatalError(f"{corpus} has no text to learn from")
    old = snapshots.all_of(out)
    if old and not options.resume and not stream.options.force:
        raise FatalError(f"{out} holds a run: --resume goes on with it, --force begins it anew")
    if old and options.resume and stream.options.force:
        raise FatalError(
            f"{out} holds a run: give --resume to continue it or --force to start over"
        )
    path = old[-1] if old and options.resume else ""
    saved = snapshots.read(path) if path else None
    if saved:
        _refuse_another(out, saved.facts, options)
    if options.resume and not saved:
        report.note(f"no run is in {out}: a new one begins")
    usual = Settings(
        lr=2e-3 if options.from_scratch else 1e-4,
        dtype="bf16" if device.type == "cuda" else "fp32",
    )
    settings = _settings(usual, saved.facts if saved else {}, options, path)

    # The model.
    def all_texts() -> Iterator[str]:
        return (each.text for each in texts.documents(corpus, lambda _: None, columns))

    if saved:
        model, tokenizer = loading.load(path)
    elif options.from_scratch:
        size = options.size or "tiny"
        most = scratch.SIZES[size][-1]
        tokenizer = tokenizers.trained(all_texts(), options.vocab or tokenizers.SIZE, most)
        model = scratch.model(size, tokenizer, settings.seed)
    else:
        model, tokenizer = loading.load(loading.locate(options.model))
        if options.vocab:
            most = getattr(model.config, "max_position_embeddings", None) or settings.context
            new = tokenizers.trained(all_texts(), options.vocab, most)
            tokenizers.give(model, tokenizer, new)
            tokenizer = new
        elif advice := tokenizers.advice(tokenizer, all_texts()):
            report.note(advice)
    most = getattr(model.config, "max_position_embeddings", settings.context)
    if options.context is None:
        settings = replace(settings, context=min(settings.context, most))
    if settings.context > most:
        raise FatalError(f"--context {settings.context} is more than the model's {most}")
    if tokenizer.eos_token_id is None:
        raise FatalError("the model's tokenizer has no token for the end of a text")

    # The text.
    found = tokens.encoded(
        texts.documents(corpus, report.note, columns), tokenizer, settings.valid, pairs=form.pairs
    )
    data, held = found
    if not data.places(settings.context):
        cure = f"try --context {len(data)}" if len(data) >= LEAST else "learn from a longer text"
        raise FatalError(f"{corpus} holds {len(data)} tokens, fewer than --context: {cure}")
    report.note(f"{corpus}: {form.kind}, {len(data)} tokens to learn from, {len(held)} held back")
    if not held.places(settings.context):
        report.note(
            "too little is held back to judge by: the last weights count as the best, and"
            " --patience has no effect"
        )
    count = sum(value.numel() for value in model.parameters())
    report.note(
        f"{count / 1e6:.1f} million parameters; snapshots of {count * 12 / 1e6:.0f} MB in {out}"
    )
    if stream.options.dry_run:
        for key, value in asdict(settings).items():
            report.note(f"{key} {value}")
        yield os.path.join(out, f"snapshot-{settings.steps:06d}")
        return

    # The run.
    learner = Learner(model, settings, device)
    facts: dict[str, Any] = {"corpus": os.path.realpath(corpus)} | _made_from(options)
    news = []
    if saved:
        learner.load(saved.tensors, saved.facts["step"])
        facts |= {key: saved.facts[key] for key in facts.keys() - {"corpus"} & saved.facts.keys()}
        if learner.done >= settings.steps:
            report.note(f"{path} has its {settings.steps} steps: more --steps go on")
            yield path
            return
        news = [f"goes on from {path} at step {learner.done}"]
        now = facts | asdict(settings)
        news += [
            f"{key} was {saved.facts[key]}, is {value} from here on"
            for key, value in now.items()
            if key in saved.facts and saved.facts[key] != value
        ]
    os.makedirs(out, exist_ok=True)
    folder = Folder(out)
    folder.tell(asdict(options) | asdict(settings) | facts | {"device": str(device), "jobs": jobs})
    board = None
    try:
        board = Board(out, learner.done)
    except ImportError:
        report.note(MISSING)

    def say(line: str) -> None:
        report.note(line)
        folder.add("log.txt", f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")

    def tell(status: "Status") -> None:
        say(status.words(duration((status.steps - status.step) * status.pace)))
        if board:
            board.draw(status.scalars(), status.step)

    for line in news:
        say(line)
    if not saved:
        snapshots.remove(out, old)
    run = Run(
        learner, tokenizer, data, held, out, facts, options.snap, options.keep, tell, say, stopping
    )
    if saved:
        run.best, run.worse = saved.facts["best"], saved.facts["worse"]
    if run.is_over():
        say(f"{path}: {run.worse} validations got no better; a larger --patience goes on")
        yield path
        return
    yield from run.train()


def _made_from(options: LearnOptions) -> dict[str, Any]:
    """What a model is made from, which a run that continues cannot change; base "" is random."""
    if options.from_scratch:
        return {"base": "", "size": options.size or "tiny", "vocab": options.vocab}
    return {"base": options.model, "size": None, "vocab": options.vocab}


def _refuse_another(out: str, had: dict[str, Any], options: LearnOptions) -> None:
    """Raise FatalError, naming the options, where a run is to continue with another model."""
    base = had.get("base", "" if options.from_scratch else options.model)
    same = base and os.path.realpath(options.model) == os.path.realpath(base)
    named = {
        "--from-scratch": options.from_scratch and base != "",
        f"--model {options.model}": options.model != "default" and not same,
        f"--size {options.size}": options.size and had.get("size", options.size) != options.size,
        f"--vocab {options.vocab}": options.vocab
        and had.get("vocab", options.vocab) != options.vocab,
    }
    if wrong := [name for name, is_wrong in named.items() if is_wrong]:
        begun = f"began with --model {base}" if base else "began from scratch"
        raise FatalError(
            f"the run in {out} {begun} and cannot change to {' '.join(wrong)}: leave that out to"
            " continue it, or start over with --force instead of --resume"
        )


def _settings(
    usual: "Settings", before: dict[str, Any], options: LearnOptions, path: str
) -> "Settings":
    """The settings told, else those of the run that goes on, else the usual.

    Raises FatalError if those of the run are none.
    """
    names = {field.name: type(getattr(usual, field.name)) for field in fields(usual)}
    had = {name: before[name] for name in names if name in before}
    told = {name: value for name in names if (value := getattr(options, name)) is not None}
    if before and not all(type(had.get(name)) is kind for name, kind in names.items()):
        raise FatalError(f"{path}: its settings are broken")
    return replace(usual, **had | told)

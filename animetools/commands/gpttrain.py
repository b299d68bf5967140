"""gpttrain: train a language model."""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

from animetools.cli import Item, Opt, Stream, command
from animetools.cli.aside import until_interrupted
from animetools.cli.stream import cores
from animetools.errors import FatalError

if TYPE_CHECKING:
    from animetools.text.learning import Settings
    from animetools.text.run import Status


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
    resume: Annotated[
        bool, Opt("Go on from the last snapshot in the folder, or begin where there is none.")
    ] = False
    steps: Annotated[int | None, Opt("Steps in all; 1000 if not told.", min=1)] = None
    batch: Annotated[
        int | None, Opt("Pieces of text in a step; 16 if not told.", "b", min=1, max=65536)
    ] = None
    context: Annotated[
        int | None, Opt("Tokens of such a piece; 256 if not told.", min=8, max=1 << 20)
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
    device: Annotated[str, Opt("auto, cpu, cuda, cuda:1 or mps.", unit="DEVICE")] = "auto"

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
    arguments=("CORPUS", "A file of TITLE|SYNOPSIS lines, or of plain text."),
    examples=[
        "gpttrain --steps 2 --batch 2 --context 64 corpus.txt -o mine",
        "gpttrain --from-scratch --size tiny --steps 2 --batch 2 --resume corpus.txt",
    ],
)
def gpttrain(options: LearnOptions, stream: Stream) -> int:
    """Train a language model.

    Writes the path of each snapshot when it is whole, in the model's folder. That folder is itself the
    model, in half precision, as it was when it did best on the text that is held back; gptsnip and
    transformers read it and the snapshots alike. SIGTERM has it write one and end; --resume goes on
    from the last, to the bit.

    Each line of TITLE|SYNOPSIS is a text of its own, learnt from its beginning. Plain text is learnt
    from any place; a line <|endoftext|> parts one text from the next. In the folder are log.txt with
    samples, run.json with all settings, and the curves of TensorBoard.
    """
    if len(stream.files) != 1:
        raise FatalError("name one corpus: gpttrain CORPUS")
    if not find_spec("transformers"):
        raise FatalError("gpttrain needs more than is here: pip install animetools[text]")
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

    from animetools.networks.devices import devices
    from animetools.text import corpus as texts
    from animetools.text import models, newborn, snapshots, tokens, vocabulary
    from animetools.text.learning import Learner, Settings
    from animetools.text.run import Run
    from animetools.training.board import MISSING, Board
    from animetools.training.snapshots import Folder

    torch.set_num_threads(jobs)
    device = devices(options.device)[0]

    # What it learns from, and what it goes on from.
    pairs = texts.has_pairs(corpus)
    old = snapshots.all_of(out)
    if old and not options.resume and not stream.options.force:
        raise FatalError(f"{out} holds a run: --resume goes on with it, --force begins it anew")
    path = old[-1] if old and options.resume else ""
    saved = snapshots.read(path) if path else None
    if options.resume and not saved:
        report.note(f"no run is in {out}: a new one begins")
    usual = Settings(
        lr=2e-3 if options.from_scratch else 1e-4,
        dtype="bf16" if device.type == "cuda" else "fp32",
    )
    settings = _settings(usual, saved.facts if saved else {}, options, path)

    # The model.
    def all_texts() -> Iterator[str]:
        return (document.text for document in texts.documents(corpus, lambda _: None))

    if saved:
        model, tokenizer = models.load(path)
    elif options.from_scratch:
        size = options.size or "tiny"
        most = newborn.SIZES[size][-1]
        tokenizer = vocabulary.trained(all_texts(), options.vocab or newborn.VOCABULARY, most)
        model = newborn.model(size, tokenizer, settings.seed)
    else:
        model, tokenizer = models.load(models.locate(options.model))
        if options.vocab:
            most = model.config.max_position_embeddings
            new = vocabulary.trained(all_texts(), options.vocab, most)
            vocabulary.give(model, tokenizer, new)
            tokenizer = new
    most = getattr(model.config, "max_position_embeddings", settings.context)
    if options.context is None:
        settings = replace(settings, context=min(settings.context, most))
    if settings.context > most:
        raise FatalError(f"--context {settings.context} is more than the model's {most}")
    if tokenizer.eos_token_id is None:
        raise FatalError("the model's tokenizer has no token for the end of a text")

    # The text.
    found = tokens.encoded(
        texts.documents(corpus, report.note), tokenizer, settings.valid, pairs=pairs
    )
    data, held = found
    if not data.places(settings.context):
        raise FatalError(
            f"{corpus} holds {len(data)} tokens, less than one piece: try a smaller --context"
        )
    kind = "titles with synopses" if pairs else "plain text"
    report.note(f"{corpus}: {kind}, {len(data)} tokens to learn from, {len(held)} held back")
    if not held.places(settings.context):
        report.note("too little is held back to judge by: the last weights count as the best")
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
    facts = {"corpus": os.path.realpath(corpus), "base": options.model}
    news = []
    if saved:
        learner.load(saved.tensors, saved.facts["step"])
        facts["base"] = saved.facts["base"]
        if learner.done >= settings.steps:
            report.note(f"{path} has its {settings.steps} steps: more --steps go on")
            yield path
            return
        news = [f"goes on from {path} at step {learner.done}"]
        now = facts | asdict(settings)
        news += [
            f"{key} was {saved.facts[key]}, is {value} from here on"
            for key, value in now.items()
            if saved.facts.get(key) != value
        ]
    elif options.from_scratch:
        facts["base"] = ""
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
        say(_line(status))
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


def _line(status: "Status") -> str:
    """Where a run is, on one line."""
    from animetools.dataset.forecast import duration

    left = duration((status.steps - status.step) * status.pace)
    parts = [
        f"step {status.step}",
        f"{timedelta(seconds=int(status.spent))}",
        f"{left} left",
        f"{status.pace:.2f} s/step",
        f"loss {status.loss:.3f}",
        f"perplexity {math.exp(min(status.loss, 99)):.1f}",
    ]
    if status.held is not None:
        parts += [
            f"held back {status.held:.3f}",
            f"perplexity {math.exp(min(status.held, 99)):.1f}",
        ]
    return "  ".join(parts)

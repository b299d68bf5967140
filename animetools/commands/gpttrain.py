"""gpttrain: train a language model."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from animetools.cli import Item, OneDevice, Opt, Stream, command
from animetools.cli.aside import until_interrupted
from animetools.cli.cores import cores
from animetools.errors import FatalError
from animetools.runs.settings import changes, given, held, settings_of
from animetools.text.learning.config import LEAST, TextConfig

LESS_MEMORY = "a smaller --batch or --context needs less"


@dataclass(frozen=True)
@settings_of(TextConfig, after="resume", defaults=True)
class LearnOptions:
    """The options of gpttrain, beside those of TextConfig, which a resumed run has already."""

    model: Annotated[
        str,
        Opt("Model to start from: a folder, a name at huggingface.co, or default.", unit="MODEL"),
    ] = "default"
    from_scratch: Annotated[bool, Opt("Start from random weights.")] = False
    size: Annotated[
        Literal["tiny", "small", "gpt2"] | None,
        Opt("Size of a model from scratch: 3.4, 12 or 89 million parameters [tiny]."),
    ] = None
    vocab: Annotated[
        int | None,
        Opt(
            "Train a new tokenizer of this many tokens on the corpus; by default the model's is"
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
        bool, Opt("Continue from the last snapshot in the folder; start a run if there is none.")
    ] = False
    snap: Annotated[int, Opt("Steps between two snapshots, each with a validation.", min=1)] = 100
    keep: Annotated[int, Opt("Snapshots to keep, the last ones; 0 keeps all.", min=0)] = 2
    device: OneDevice = "auto"

    def __post_init__(self) -> None:
        """Refuse contradictions before anything heavy is loaded."""
        if self.size and not self.from_scratch:
            raise ValueError("--size is for --from-scratch: leave it out")
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

    Writes the path of each snapshot when it is complete, in the model's folder. That folder is itself
    the model, in half precision, as it was when its validation loss was lowest; gptsnip and
    transformers read it and the snapshots alike. Ctrl-C or SIGTERM writes one more snapshot and
    ends, a second one ends at once; --resume continues from the last, to the bit.

    Each line of TITLE|SYNOPSIS, and each row of a table, is a text of its own, learned from its
    beginning to its end. Windows of plain text start anywhere; <|endoftext|> or <|startoftext|>
    separates texts. A corpus is UTF-8 or UTF-16, and may be compressed with gzip. The folder also
    holds log.txt with samples, run.json with all settings, and curves for TensorBoard.

    Losses are nats per token. Bits per character compare models with different tokenizers.
    """
    if len(stream.files) != 1:
        raise FatalError("name one corpus: gpttrain CORPUS")
    if not find_spec("transformers"):
        raise FatalError("gpttrain needs transformers: pip install 'animetools[text]'")
    for path in until_interrupted(partial(_train, options, stream), stream, LESS_MEMORY):
        stream.print(Item(path))
    return 0


def _train(options: LearnOptions, stream: Stream, stopping: Callable[[], bool]) -> Iterator[str]:
    """Train; yields the path of each snapshot."""
    out, corpus = stream.out, stream.files[0]
    jobs = stream.options.jobs or cores()
    os.environ.setdefault("RAYON_NUM_THREADS", f"{jobs}")  # the tokenizer's
    import torch

    from animetools.networks.devices import devices
    from animetools.runs.diary import Diary
    from animetools.runs.folder import Folder
    from animetools.runs.forecast import forecast, resident
    from animetools.runs.loop import train
    from animetools.runs.pace import Pace
    from animetools.runs.snapshots import listed, remove
    from animetools.runs.view import View
    from animetools.text import corpus as texts
    from animetools.text.learning import snapshots, tokenizers, tokens
    from animetools.text.learning.forecast import needs
    from animetools.text.learning.learner import Learner
    from animetools.text.learning.origin import Origin
    from animetools.text.learning.run import TextTraining
    from animetools.text.models import loading, scratch

    torch.set_num_threads(min(jobs, cores()))  # more would wait for each other
    device = devices(options.device)[0]

    # The corpus, and the snapshot to resume.
    columns = [name.strip() for name in options.column.split(",") if name.strip()]
    form = texts.form_of(corpus, columns)
    if not any(texts.documents(corpus, stream.note, columns)):
        raise FatalError(f"{corpus} has no text to learn from")
    old, force = listed(out), stream.options.force
    if old and options.resume == force:
        raise FatalError(
            f"{out} holds a run: give --resume to continue it or --force to start over"
        )
    path = old[-1] if old and options.resume else ""
    saved = snapshots.read(path) if path else None
    had = saved.facts if saved else {}
    origin = Origin(options.model, options.from_scratch, options.size, options.vocab)
    if saved:
        origin.refuse_another(out, had)
    elif options.resume:
        stream.note(f"{out} holds no run: starting a new one")
    usual = TextConfig(
        lr=2e-3 if options.from_scratch else TextConfig.lr,
        dtype="bf16" if device.type == "cuda" else "fp32",
    )
    chosen = given(options, TextConfig)
    config = replace(usual, **held(TextConfig, had, path) | chosen)

    # The model.
    def all_texts() -> Iterator[str]:
        return (each.text for each in texts.documents(corpus, lambda _: None, columns))

    if saved:
        model, tokenizer = loading.load(path)
    elif options.from_scratch:
        size = options.size or "tiny"
        most = scratch.SIZES[size][-1]
        tokenizer = tokenizers.trained(all_texts(), options.vocab or tokenizers.SIZE, most)
        model = scratch.model(size, tokenizer, config.seed)
    else:
        model, tokenizer = loading.load(loading.locate(options.model))
        if options.vocab:
            most = getattr(model.config, "max_position_embeddings", None) or config.context
            new = tokenizers.trained(all_texts(), options.vocab, most)
            tokenizers.give(model, tokenizer, new)
            tokenizer = new
        elif advice := tokenizers.advice(tokenizer, all_texts()):
            stream.note(advice)
    most = getattr(model.config, "max_position_embeddings", config.context)
    if "context" not in chosen:
        config = replace(config, context=min(config.context, most))
    if config.context > most:
        raise FatalError(f"--context {config.context} is more than the model's {most}: lower it")
    if tokenizer.eos_token_id is None:
        raise FatalError("the model's tokenizer has no token for the end of a text")

    # The text.
    data, valid = tokens.encoded(
        texts.documents(corpus, stream.note, columns), tokenizer, config.valid, pairs=form.pairs
    )
    if not data.places(config.context):
        cure = f"try --context {len(data)}" if len(data) >= LEAST else "learn from a longer text"
        raise FatalError(f"{corpus} holds {len(data)} tokens, fewer than --context: {cure}")
    stream.note(f"{corpus}: {form.kind}, {len(data)} tokens to learn from, {len(valid)} held back")
    if not valid.places(config.context):
        stream.note(
            "too little is held back for validation: the last weights count as the best, and"
            " --patience has no effect"
        )

    # The forecast.
    pace = Pace(options.snap, keep=options.keep)
    needed = needs(model, config)
    for line in forecast(needed, pace, config.steps, out, device, resident(), LESS_MEMORY):
        stream.note(line)
    if stream.options.dry_run:
        for key, value in asdict(config).items():
            stream.note(f"{key} {value}")
        yield os.path.join(out, snapshots.named(config.steps))
        return

    # The run.
    facts: dict[str, Any] = {"corpus": os.path.realpath(corpus)} | origin.facts()
    facts |= {key: had[key] for key in facts.keys() - {"corpus"} & had.keys()}
    training = TextTraining(Learner(model, config, device), tokenizer, data, valid, facts)
    news = []
    if saved:
        training.resume(saved)
        if training.done >= config.steps:
            stream.note(f"{path} has its {config.steps} steps: raise --steps to continue")
            yield path
            return
        news = [f"continuing from {path} at step {training.done}"]
        news += changes(had, facts | asdict(config))
    folder = Folder(out)
    folder.record(asdict(options) | asdict(config) | facts | {"device": str(device), "jobs": jobs})
    view = View(out, training.unit, training.total, training.done)
    stream.watch(view)
    diary = Diary(folder, stream.note, view, training.done)
    for line in news:
        diary.say(line)
    for each in [] if saved else old:
        remove(each)
    if saved and (why := training.finished()):
        diary.say(f"{path}: {why}; raise --patience to continue")
        yield path
        return
    yield from train(training, pace, diary, stopping, path)

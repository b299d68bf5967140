"""Command lines from option dataclasses: typer parses; we convert, run and exit."""

import gc
import inspect
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NoReturn, get_type_hints

import animetools
from animetools.cli.cluster import on_same_device, workers_of
from animetools.cli.cores import limit_libraries
from animetools.cli.exit import die_of, end, guarded
from animetools.cli.options import StreamOptions
from animetools.cli.report import Report, usage_error
from animetools.cli.stream import Stream
from animetools.cli.workers import Workers, threads
from animetools.errors import Advice
from animetools.options import Opt, Option, options_of
from animetools.settings import Settings

Main = Callable[[Any, Stream], int]

IMAGES = (
    "FILE ...",
    "Images or folders of images; without any, or with -, a list of paths on standard input.",
)

# Extensions that are not the end of a folder's name.
# fmt: off
FILES = {
    ".7z", ".bz2", ".gz", ".rar", ".tar", ".tbz2", ".tgz", ".txz", ".xz", ".zip", ".zst",
    ".arrow", ".csv", ".h5", ".hdf5", ".json", ".jsonl", ".lmdb", ".npy", ".npz", ".parquet",
    ".sqlite", ".tfrecord", ".tfrecords", ".tsv", ".txt",
    ".ckpt", ".onnx", ".pkl", ".pt", ".pth", ".safetensors",
    ".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".mp4", ".png", ".tif", ".tiff", ".webm", ".webp",
}
# fmt: on


@dataclass(frozen=True)
class Command:
    """One command: its name, its options, its function."""

    main: Main
    own: type
    out: str = ""
    reads: bool = True
    arguments: tuple[str, str] | None = IMAGES
    examples: Sequence[str] = ()
    workers: Callable[[int], Workers] = threads
    cluster: bool = False
    options: list[Option] = field(init=False)
    shared: list[Option] = field(init=False)

    def __post_init__(self) -> None:
        """Collect the options that the dataclasses declare."""
        is_file = os.path.splitext(self.out)[1]
        place = Opt("Output file or folder." if is_file else "Output folder.", "o", "PATH")
        shared = options_of(StreamOptions)
        if self.out:
            shared.insert(0, Option("out", str, self.out, place))
        else:
            shared = [option for option in shared if option.name != "force"]
        if not self.cluster:
            shared = [option for option in shared if option.name != "cluster"]
        object.__setattr__(self, "options", options_of(self.own))
        object.__setattr__(self, "shared", shared)

    @property
    def name(self) -> str:
        """The name that is typed."""
        return self.main.__name__

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return self.text.split("\n", 1)[0]

    @property
    def text(self) -> str:
        """The docstring."""
        return inspect.getdoc(self.main) or ""

    def __call__(self) -> NoReturn:
        """Run as a console script and exit with its status."""
        _fill_standard_files()
        limit_libraries()
        gc.set_threshold(50_000)  # Python's 700 costs a sixth of a run, and a third of a start
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                signal.signal(number, die_of)
        try:
            status = self._parse(sys.argv[1:])
            sys.stdout.flush()  # --help and --version
        except BrokenPipeError:
            die_of(signal.SIGPIPE)
        except OSError as why:
            Report(self.name).fatal(f"standard output: {why.strerror}")
            os._exit(2)  # Python's own end would try to flush again
        end(status)

    def _parse(self, arguments: list[str]) -> int:
        import typer

        app = typer.Typer(
            add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
        )
        # \b keeps click from wrapping the lines after it
        epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in self.examples)
        app.command(name=self.name, help=self.text, epilog=epilog)(self._signature())
        line = typer.main.get_command(app)
        try:
            status = line.main(arguments, prog_name=self.name, standalone_mode=False)
        except Exception as why:
            tell = getattr(why, "format_message", None)  # an error of click, which typer may vendor
            if tell is None:
                raise
            return usage_error(self.name, " ".join(tell().split()).rstrip("."))
        return int(status or 0)

    def _signature(self) -> Callable[..., int]:
        """A function with a parameter per option, for typer."""
        import typer

        def run(**given: Any) -> int:
            return self._run(given)

        parameters = []
        if self.arguments:
            metavar, text = self.arguments
            files = typer.Argument(metavar=metavar, show_default=False, help=text)
            parameters.append(_parameter("files", list[str], files, []))
        for option in [*self.options, *self.shared]:
            flags = [option.flag] + ([f"-{option.opt.short}"] if option.opt.short else [])
            if option.kind is bool:
                info = typer.Option(*flags, help=option.opt.help, show_default=False)
                parameters.append(_parameter(option.name, bool, info, False))
            else:
                usual = f" [{option.usual}]" if option.usual else ""
                info = typer.Option(
                    *flags, help=option.opt.help + usual, metavar=option.unit, show_default=False
                )
                kind = list[str] if option.many else str
                parameters.append(_parameter(option.name, kind | None, info, None))
        version = typer.Option("--version", help="Print the version.", show_default=False)
        parameters.append(_parameter("version", bool, version, False))
        run.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": int}
        return run

    def _run(self, given: dict[str, Any]) -> int:
        if given.pop("version"):
            sys.stdout.write(f"{self.name} {animetools.__version__}\n")
            return 0
        files = tuple(given.pop("files", None) or ())
        try:
            values = {
                option.name: _value(option, given[option.name])
                for option in [*self.options, *self.shared]
            }
            out = self._place(values.pop("out")) if self.out else ""
            shared = {
                option.name: values.pop(option.name)
                for option in self.shared
                if option.name != "out"
            }
            common = StreamOptions(**shared)
            own = self.own(**values)
            if common.cluster:
                own = on_same_device(own)
        except ValueError as why:
            return usage_error(self.name, str(why))
        report = Report(self.name, quiet=common.quiet, verbose=common.verbose)
        warnings.showwarning = lambda message, category, *_: (
            report.once(str(message)) if issubclass(category, Advice) else None
        )
        warnings.simplefilter("always", Advice)
        stream = Stream(
            common,
            report,
            Settings.of(self.name, own),
            out=out,
            files=files,
            workers=workers_of(common.cluster) if common.cluster else self.workers,
        )
        return guarded(lambda: self.main(own, stream), report, debug=common.debug)

    def _place(self, out: str) -> str:
        """The path of --out: a folder, or a file with the extension of the default."""
        if not out:
            raise ValueError("--out is empty")
        place = out.rstrip("/") or "/"
        ending = os.path.splitext(place)[1].lower()
        kind = os.path.splitext(self.out)[1]
        if ending in FILES - {kind} and not (out.endswith("/") or os.path.isdir(place)):
            made = f"a {kind}, or a folder" if kind else "a folder"
            raise ValueError(
                f"--out {out}: {self.name} makes {made}, whose name cannot end in {ending}"
            )
        return place


def command(
    *,
    out: str = "",
    reads: bool = True,
    arguments: tuple[str, str] | None = None,
    examples: Sequence[str] = (),
    workers: Callable[[int], Workers] = threads,
    cluster: bool = False,
) -> Callable[[Main], Command]:
    """Make a console script of a function of options and a Stream.

    `out` is the default output folder or file; a filter has none. `reads` is False if the items come
    from options. `arguments` are the placeholder and help of the arguments, if they are not images;
    `stream.files` holds them. With `cluster`, --cluster has the workers of others do the work.
    """

    def wrap(main: Callable[[Any, Stream], int]) -> Command:
        own = get_type_hints(main)["options"]
        shown = arguments or (IMAGES if reads else None)
        return Command(main, own, out, reads, shown, examples, workers, cluster)

    return wrap


def _fill_standard_files() -> None:
    """Open closed standard files, or a file of ours would become standard output."""
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest free number: this one


def _value(option: Option, given: Any) -> Any:
    if option.kind is bool:
        return given != option.default  # a switch that is on by default is given as --no-x
    if option.many:
        return tuple(map(option.parse, given or ()))
    return option.default if given is None else option.parse(given)


def _parameter(name: str, kind: Any, info: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )

"""The options that all commands share."""

from dataclasses import dataclass
from typing import Annotated

from animetools.cli.cluster import address
from animetools.options import Opt


@dataclass(frozen=True)
class StreamOptions:
    """How a command reads its list, works on it and prints."""

    jobs: Annotated[
        int, Opt("Number of inputs to process at once; 0: one per core.", "j", min=0, max=1024)
    ] = 0
    cluster: Annotated[
        str,
        Opt(
            "Have the workers of a Dask cluster do the work: HOST:PORT of its scheduler, or local:N"
            " for N processes here. All machines must see the same files under the same paths.",
            unit="ADDRESS",
            parse=address,
        ),
    ] = ""
    null: Annotated[bool, Opt("Paths end in NUL instead of newline, in input and output.", "0")] = (
        False
    )
    unordered: Annotated[bool, Opt("Print results as they finish instead of in input order.")] = (
        False
    )
    json: Annotated[bool, Opt("Print a JSON object per line: the path and all facts.")] = False
    dry_run: Annotated[bool, Opt("Write nothing; print what would be written.", "n")] = False
    force: Annotated[bool, Opt("Overwrite outputs that exist.", "f")] = False
    quiet: Annotated[bool, Opt("Print errors only.", "q")] = False
    verbose: Annotated[bool, Opt("Print what happened to each input.", "v")] = False
    debug: Annotated[bool, Opt("Show the traceback of an unexpected error.")] = False

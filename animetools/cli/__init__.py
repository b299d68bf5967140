"""What all commands share: options, the stream of paths, messages, man pages."""

from animetools.cli.batches import Batches
from animetools.cli.command import command
from animetools.cli.item import Item, Output, Rejected, Result
from animetools.cli.stream import Stream
from animetools.cli.workers import processes, threads
from animetools.options import Opt

__all__ = [
    "Batches",
    "Item",
    "Opt",
    "Output",
    "Rejected",
    "Result",
    "Stream",
    "command",
    "processes",
    "threads",
]

"""What all commands share: options, the stream of paths, messages, man pages."""

from animetools.cli.batches import Batches
from animetools.cli.command import command
from animetools.cli.item import Item, Output, Rejected, Result
from animetools.cli.stream import Stream
from animetools.cli.workers import processes, threads
from animetools.options import Opt
from animetools.shared_options import (
    FORMAT,
    NETWORK,
    AutoBatch,
    Background,
    Batch,
    Device,
    Dtype,
    MaxPixels,
    OneDevice,
    Quality,
    Sha256,
    Tags,
)

__all__ = [
    "FORMAT",
    "NETWORK",
    "AutoBatch",
    "Background",
    "Batch",
    "Batches",
    "Device",
    "Dtype",
    "Item",
    "MaxPixels",
    "OneDevice",
    "Opt",
    "Output",
    "Quality",
    "Rejected",
    "Result",
    "Sha256",
    "Stream",
    "Tags",
    "command",
    "processes",
    "threads",
]

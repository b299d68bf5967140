"""The file of --rejects: path, reason and evidence of each reject, as TSV."""

import os
from collections.abc import Iterable, Iterator
from typing import Annotated

from animetools.cli.item import Rejected, Result
from animetools.options import Opt
from animetools.tsv import line

RejectsFile = Annotated[
    str,
    Opt("Write the path, reason and evidence of each reject to this file, as TSV.", unit="FILE"),
]


def recorded(path: str, results: Iterable[Result]) -> Iterator[Result]:
    """The same results; each reject is written to the file at once, unless the path is empty.

    Tabs, newlines and backslashes are escaped as in C.

    Raises OSError if the file cannot be written.
    """
    if not path:
        yield from results
        return
    with open(path, "wb", buffering=0) as file:
        for result in results:
            if isinstance(result, Rejected):
                text = line(result.path, result.reason, result.evidence)
                file.write(os.fsencode(text + "\n"))
            yield result

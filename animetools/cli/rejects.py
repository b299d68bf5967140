"""The file of --rejects: path, reason and evidence of each reject, as TSV."""

import os
from collections.abc import Iterable, Iterator
from typing import Annotated

from animetools.cli.item import Rejected, Result
from animetools.options import Opt

RejectsFile = Annotated[
    str,
    Opt("Write the path, reason and evidence of each reject to this file, as TSV.", unit="FILE"),
]
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


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
                file.write(_line(result))
            yield result


def _line(reject: Rejected) -> bytes:
    fields = (reject.path, reject.reason, reject.evidence)
    return os.fsencode("\t".join(field.translate(_ESCAPES) for field in fields) + "\n")

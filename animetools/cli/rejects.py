"""The file of --rejects: path, reason and evidence of each reject, as TSV."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from animetools.cli.item import Rejected

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@contextmanager
def rejects_file(path: str) -> Iterator[Callable[[Rejected], object]]:
    """A function that adds a reject to the file; without a path it does nothing.

    Each line is written at once. Tabs, newlines and backslashes are escaped as in C.

    Raises OSError.
    """
    if not path:
        yield lambda reject: None
        return
    with open(path, "wb", buffering=0) as file:
        yield lambda reject: file.write(_line(reject))


def _line(reject: Rejected) -> bytes:
    texts = (reject.path, reject.reason, reject.evidence)
    return os.fsencode("\t".join(text.translate(_ESCAPES) for text in texts) + "\n")

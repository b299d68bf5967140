"""Lines of fields with tabs between them; tabs, newlines and backslashes in a field are escaped."""

import os
import re

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_MEANT = {r"\\": "\\", r"\t": "\t", r"\n": "\n", r"\r": "\r"}


def line(*fields: str) -> str:
    """The fields as one line, without its end; escaped as in C."""
    return "\t".join(field.translate(_ESCAPES) for field in fields)


def fields(text: bytes) -> list[str]:
    """The fields of a line."""
    parts = os.fsdecode(text).split("\t")
    return [re.sub(r"\\[\\tnr]", lambda found: _MEANT[found[0]], part) for part in parts]

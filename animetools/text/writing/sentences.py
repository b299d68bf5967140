"""Where sentences end, in English and Japanese."""
# ruff: noqa: RUF001  Japanese marks look like ASCII ones, and are not

import re

_END = re.compile(
    r"""[.!?…]+["'”’»)\]*_]*(?=\s|\Z)"""  # a blank after it: 3.5 is no end
    "|[。！？]+[」』”’）)】]*"
    r"|[」』](?=\s|\Z)"  # Japanese leaves out what stands before a closing quotation mark
)
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|vs|No)\.\Z")
_INITIAL = re.compile(r"\b[A-Z]\.\Z")
_GOES_ON = re.compile(r"\s+[a-z]")  # as after e.g. and p.m.
_PAIRS = ("「", "」"), ("『", "』"), ("“", "”"), ("（", "）"), ("(", ")")


def whole_sentences(text: str) -> str:
    """A text up to its last whole sentence, which does not end inside a quotation; or nothing."""
    last = outside = 0
    for found in _END.finditer(text):
        end, before = found.end(), text[: found.start() + 1]
        if _TITLE.search(before) or (end < len(text) and _INITIAL.search(before)):
            continue
        if found[0] == "." and _GOES_ON.match(text, end):
            continue
        last = end
        paragraph = text[text.rfind("\n", 0, end) + 1 : end]
        if paragraph.count('"') % 2 == 0 and all(
            paragraph.count(left) == paragraph.count(right) for left, right in _PAIRS
        ):
            outside = end
    return text[: outside or last]

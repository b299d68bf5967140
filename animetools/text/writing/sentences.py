"""Where sentences end, in English and Japanese."""
# ruff: noqa: RUF001  Japanese marks look like ASCII ones, and are not

import re

_END = re.compile(
    r"""[.!?…]+["'”’»)\]*_]*(?=\s|\Z)"""  # whitespace after it: 3.5 does not end a sentence
    "|[。！？]+[」』”’）)】]*"
    r"|[」』](?=\s|\Z)"  # Japanese omits the full stop before a closing quotation mark
)
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|vs|No)\.\Z")
_INITIAL = re.compile(r"\b[A-Z]\.\Z")
_CONTINUES = re.compile(r"\s+[a-z]")  # as after e.g. and p.m.
_PAIRS = ("「", "」"), ("『", "』"), ("“", "”"), ("（", "）"), ("(", ")")


def whole_sentences(text: str) -> str:
    """A text up to its last complete sentence outside a quotation; empty if there is none."""
    last = outside = 0
    for found in _END.finditer(text):
        end, before = found.end(), text[: found.start() + 1]
        if _TITLE.search(before) or (end < len(text) and _INITIAL.search(before)):
            continue
        if found[0] == "." and _CONTINUES.match(text, end):
            continue
        last = end
        paragraph = text[text.rfind("\n", 0, end) + 1 : end]
        if paragraph.count('"') % 2 == 0 and all(
            paragraph.count(left) == paragraph.count(right) for left, right in _PAIRS
        ):
            outside = end
    return text[: outside or last]

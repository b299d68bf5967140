"""Prompts: one per line of a file, or one per file, put into a template."""

import os
from collections.abc import Iterator

from animetools.errors import ItemError

PLACE = "{}"  # of the prompt in a template
MAX_BYTES = 1 << 20  # of a prompt: far more than a model reads
MAX_LIST_BYTES = 1 << 28  # of a file of prompts


def check_template(template: str) -> None:
    """Raise ValueError, in one sentence, unless the template has exactly one place for a prompt."""
    if template.count(PLACE) != 1:
        raise ValueError(f"--template needs {PLACE} exactly once, where the prompt goes")


def filled(template: str, prompt: str) -> str:
    """The prompt in its place, without trailing whitespace: a model's words begin with their own."""
    return template.replace(PLACE, prompt).rstrip()


def decoded(data: bytes) -> str:
    """A prompt's text, without surrounding whitespace.

    Raises ItemError if it is too long or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise ItemError(f"a prompt has at most {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as why:
        raise ItemError(f"not UTF-8 from byte {why.start} on") from None


def read_prompt(path: str) -> str:
    """The text of a file, as a prompt.

    Raises OSError, and ItemError if it is too long or not UTF-8.
    """
    with open(path, "rb") as file:
        return decoded(file.read(MAX_BYTES + 1))


def read_list(path: str) -> list[bytes]:
    """The lines of a file that are not blank.

    Raises OSError, and ItemError if it is too large or has none.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_LIST_BYTES:
            raise ItemError(f"more than {MAX_LIST_BYTES >> 20} MiB of prompts")
        lines = list(_lines(file.read(MAX_LIST_BYTES)))
    if not lines:
        raise ItemError("it has no prompt")
    return lines


def _lines(data: bytes) -> Iterator[bytes]:
    for line in data.split(b"\n"):
        if stripped := line.strip():
            yield stripped

"""Prompts: one a line of a file, or a file each, put into a template."""

import os
from collections.abc import Iterator

from animetools.errors import ItemError

PLACE = "{}"  # where a prompt goes in a template
LARGEST = 1 << 20  # bytes of a prompt: far more than a model reads
LARGEST_LIST = 1 << 28  # bytes of a file of prompts


def check_template(template: str) -> None:
    """Raise ValueError, in one sentence, unless a prompt goes into the template just once."""
    if template.count(PLACE) != 1:
        raise ValueError(f"--template has {PLACE} once, where the prompt goes")


def filled(template: str, prompt: str) -> str:
    """The prompt in its place, without blanks at the end: a model's words begin with theirs."""
    return template.replace(PLACE, prompt).rstrip()


def decoded(data: bytes) -> str:
    """A prompt's text, without blank edges.

    Raises ItemError if it is too long, or not UTF-8.
    """
    if len(data) > LARGEST:
        raise ItemError(f"a prompt has at most {LARGEST >> 20} MiB")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as why:
        raise ItemError(f"not UTF-8 from byte {why.start} on") from None


def read_prompt(path: str) -> str:
    """The text of a file as a prompt.

    Raises OSError, and ItemError if it is too long, or not UTF-8.
    """
    with open(path, "rb") as file:
        return decoded(file.read(LARGEST + 1))


def read_list(path: str) -> list[bytes]:
    """The lines of a file that are not blank.

    Raises OSError, and ItemError if it is too long or has none.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size > LARGEST_LIST:
            raise ItemError(f"more than {LARGEST_LIST >> 20} MiB of prompts")
        lines = list(_lines(file.read(LARGEST_LIST)))
    if not lines:
        raise ItemError("no prompt in it")
    return lines


def _lines(data: bytes) -> Iterator[bytes]:
    for line in data.split(b"\n"):
        if stripped := line.strip():
            yield stripped

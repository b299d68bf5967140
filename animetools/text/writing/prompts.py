"""Prompts: from an option, the lines of a file, or a file each; put into a template."""

import os
import zlib
from dataclasses import dataclass
from typing import Annotated

from animetools.errors import ItemError
from animetools.options import Opt

PLACE = "{}"  # of the prompt in a template
MAX_BYTES = 1 << 20  # of a prompt or a snippet: far more than a model reads
MAX_LIST_BYTES = 1 << 28  # of a file of prompts


@dataclass(frozen=True)
class Prompts:
    """The prompts of a run that come from options, and the template around all prompts."""

    prompt: Annotated[str, Opt("Beginning that every text continues.", unit="TEXT")] = ""
    prompt_file: Annotated[
        str,
        Opt(
            "File with a prompt in each line: seed N continues line N, counted from 0, starting"
            " again after the last; without --seeds one snippet per line.",
            unit="FILE",
            affects=False,
        ),
    ] = ""
    template: Annotated[
        str, Opt("Text around each prompt, with {} in place of the prompt.", unit="TEXT")
    ] = PLACE

    def check_prompts(self) -> None:
        """Raise ValueError, in one sentence, for options that do not fit together."""
        if self.template.count(PLACE) != 1:
            raise ValueError(f"--template needs {PLACE} exactly once, where the prompt goes")
        if self.prompt and self.prompt_file:
            raise ValueError("--prompt and --prompt-file exclude each other")

    def lines(self) -> list[bytes]:
        """The prompts for seeds: the lines of the file that are not blank, or the one prompt.

        Raises OSError, and ItemError if the file is too large or has no prompt.
        """
        if not self.prompt_file:
            return [self.prompt.encode()]
        with open(self.prompt_file, "rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_LIST_BYTES:
                raise ItemError(f"larger than {MAX_LIST_BYTES >> 20} MiB")
            lines = file.read(MAX_LIST_BYTES).split(b"\n")
        if prompts := [stripped for line in lines if (stripped := line.strip())]:
            return prompts
        raise ItemError("it has no prompt")

    def filled(self, prompt: str) -> str:
        """The template with a prompt, without trailing whitespace: words begin with their own."""
        return self.template.replace(PLACE, prompt).rstrip()


@dataclass(frozen=True)
class Task:
    """A snippet to write: its seed, and its prompt or the file that holds it."""

    seed: int
    text: str = ""
    file: str = ""

    @property
    def stamp(self) -> str:
        """A digest of the text, empty for none."""
        return f"{zlib.crc32(self.text.encode())}" if self.text else ""

    def prompt(self) -> str:
        """The prompt.

        Raises as read_text does.
        """
        return read_text(self.file) if self.file else self.text


def decoded(data: bytes) -> str:
    """The text of these bytes, without surrounding whitespace.

    Raises ItemError if it is too long or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise ItemError(f"larger than {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as why:
        raise ItemError(f"not UTF-8 from byte {why.start} on") from None


def read_text(path: str) -> str:
    """The text of a file, without surrounding whitespace.

    Raises OSError, and ItemError if it is too long or not UTF-8.
    """
    with open(path, "rb") as file:
        return decoded(file.read(MAX_BYTES + 1))

"""The texts beside the faces: which file has that of a face, and what a page loads of it."""

import json
import os
import re
from dataclasses import dataclass
from typing import Any

from animetools.errors import ItemError
from animetools.text.writing.prompts import read_text
from animetools.text.writing.snippets import titled

LONGEST = 20_000  # characters of a text

_TITLED = re.compile(r"_([^_\n]{1,200})_: *(.*)", re.DOTALL)


@dataclass(frozen=True)
class Snippets:
    """A folder of texts, as gptsnip writes them; with an empty name there are none."""

    folder: str

    def path_of(self, image: str, seed: int | None, number: int) -> str:
        """The text of a face, or "": that of its seed, of its name, of its number in the site."""
        if not self.folder:
            return ""
        name = os.path.basename(image)
        names = [f"snippet-{seed}.txt"] if seed is not None else []
        names += [f"{name}.txt", f"{os.path.splitext(name)[0]}.txt"]
        names += [f"snippet-{number}.txt"] if seed is None else []
        for name in names:
            path = os.path.join(self.folder, name)
            if os.path.isfile(path):
                return path
        return ""


def story(path: str) -> dict[str, str]:
    """The title, if it has one, and the text of a file; nothing for no file.

    Raises ItemError if it is not a text of a page's length, OSError.
    """
    if not path:
        return {}
    try:
        text = titled(read_text(path))
    except ItemError as why:
        raise ItemError(f"{path}: {why}") from None
    if len(text) > LONGEST:
        raise ItemError(f"{path} has {len(text):,} characters; a page holds {LONGEST:,} at most")
    found = _TITLED.fullmatch(text)
    return {"title": found[1], "text": found[2]} if found else {"text": text}


def script(number: int, facts: dict[str, Any]) -> bytes:
    """A script that tells the page these facts of a number.

    Pages opened from a disk may load scripts, but no JSON. Only ASCII is in it, and no <: however
    it is read, nothing in a text ends the string that it is in.
    """
    words = json.dumps(facts, separators=(",", ":")).replace("<", "\\u003c")
    return f"tell({number},{words});\n".encode("ascii")

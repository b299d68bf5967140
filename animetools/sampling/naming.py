"""What the files of pictures are called."""

import os
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from animetools.images.containers import EXTENSIONS

FIELDS = {
    "seed": r"0?\d{0,2}d?",
    "index": r"0?\d{0,2}d?",
    "psi": r"(\.\d)?f?",
    "class": "",
    "file": "",
}
Format = Literal["png", "jpg", "webp"]

FORMATS: dict[str, Format] = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp"}
# Endings of a name that ask for a file which is not written here; any other is part of the name.
OTHERS = {
    *(EXTENSIONS.keys() - FORMATS.keys()),
    *(".exr", ".heic", ".heif", ".ico", ".jp2", ".jxl", ".pdf", ".ppm", ".psd", ".svg", ".tga"),
    *(".avi", ".mkv", ".mov", ".mp4", ".npy", ".npz", ".pt", ".tar", ".webm", ".zip"),
}


@dataclass(frozen=True)
class Name:
    """A pattern such as example-{seed}: literal text and the fields of FIELDS, by turns."""

    parts: tuple[tuple[str, str, str], ...]  # text, the field after it, how it is written

    @classmethod
    def parse(cls, text: str) -> "Name":
        """The pattern that `text` means.

        Raises ValueError, in one sentence, if it is none, or no name of a file.
        """
        if os.path.basename(text) in ("", ".", ".."):
            raise ValueError(f"--name {text or repr(text)} is no name of a file")
        try:
            pieces = list(string.Formatter().parse(text))
        except ValueError as why:
            raise ValueError(f"--name {text}: {why}") from None
        parts = []
        for literal, field, spec, conversion in pieces:
            if field is not None and (
                conversion or field not in FIELDS or not re.fullmatch(FIELDS[field], spec or "")
            ):
                known = ", ".join(f"{{{each}}}" for each in FIELDS)
                raise ValueError(
                    f"--name {text}: what it may have is {known}, {{seed:04}}, {{psi:.1f}}"
                )
            parts.append((literal, field or "", spec or ""))
        return cls(tuple(parts))

    def has(self, field: str) -> bool:
        """Whether the field is in it."""
        return any(field == has for _, has, _ in self.parts)

    def fill(self, values: dict[str, object]) -> str:
        """The name with these values in it; a value that is text cannot make folders."""
        return "".join(
            literal + (_written(values.get(field, ""), spec) if field else "")
            for literal, field, spec in self.parts
        )


def parse_name(text: str, image_format: Format | None) -> tuple[Name, str]:
    """The pattern of a --name without its extension, and the extension.

    Raises ValueError, in one sentence, if the extension contradicts --format or is of a file that
    is not written, or the pattern is none.
    """
    stem, extension = os.path.splitext(text)
    if extension.lower() in OTHERS:
        raise ValueError(f"--name {text}: files are .png, .jpg or .webp, not {extension}")
    told = FORMATS.get(extension.lower())
    if told is None:
        return Name.parse(text), f".{image_format or 'png'}"
    if image_format not in (None, told):
        raise ValueError(f"--name {text} is no name for --format {image_format}")
    return Name.parse(stem), extension


def check_distinct(name: Name, psis: Sequence[float], *, several: bool, seeds: bool) -> None:
    """Raise ValueError, in one sentence, where two pictures would have one name.

    `several` is whether there is more than one seed, or row of latents; `seeds` whether all are
    seeds.
    """
    if name.has("index"):
        return
    if several and not (seeds and name.has("seed")):
        raise ValueError(
            f"--name needs {'{seed} or ' * seeds}{{index}}, or all pictures would have one name"
        )
    if len({name.fill({"psi": psi}) for psi in psis}) < len(psis):
        raise ValueError("--name needs {psi}, in full, or pictures of one seed would share a name")


def shown(psi: float) -> str:
    """A psi as it is typed: 0.5, 1."""
    return f"{psi:.6f}".rstrip("0").rstrip(".")


def _written(value: object, spec: str) -> str:
    if isinstance(value, float) and not spec:
        return shown(value)
    return format(value, spec).replace("/", "_") if value != "" else ""

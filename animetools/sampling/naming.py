"""What the files of pictures are called."""

import os
import re
import string
from dataclasses import dataclass

from animetools.images.containers import EXTENSIONS, Format
from animetools.sampling.seeds import Grid, Psis, shown

FIELDS = {
    "seed": r"0?\d{0,2}d?",
    "index": r"0?\d{0,2}d?",
    "psi": r"(\.\d)?f?",
    "class": "",
    "file": "",
}

FORMATS: dict[str, Format] = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp"}
# Endings of a name that ask for a file which is not written here; any other is part of the name.
OTHERS = {
    *(EXTENSIONS.keys() - FORMATS.keys()),
    *(".exr", ".heic", ".heif", ".ico", ".jp2", ".jxl", ".pdf", ".ppm", ".psd", ".svg", ".tga"),
    *(".avi", ".mkv", ".mov", ".mp4", ".npy", ".npz", ".pt", ".tar", ".webm", ".zip"),
}


@dataclass(frozen=True)
class NameTemplate:
    """A name such as example-{seed}.jpg: text and the fields of FIELDS by turns, and an extension."""

    parts: tuple[tuple[str, str, str], ...]  # text, the field after it, its format
    extension: str = ""

    @classmethod
    def parse(cls, text: str) -> "NameTemplate":
        """The template that `text` means.

        Raises ValueError, in one sentence, if it is malformed, or names no file that is written.
        """
        stem, extension = os.path.splitext(text)
        if extension.lower() in OTHERS:
            raise ValueError(f"{text} names a {extension} file; give .png, .jpg or .webp")
        if extension.lower() not in FORMATS:
            stem, extension = text, ""
        if os.path.basename(stem) in ("", ".", ".."):
            raise ValueError(f"{text or repr(text)} is not the name of a file")
        try:
            pieces = list(string.Formatter().parse(stem))
        except ValueError as why:
            raise ValueError(f"{text}: {why}") from None
        parts = []
        for literal, field, spec, conversion in pieces:
            if field is not None and (
                conversion or field not in FIELDS or not re.fullmatch(FIELDS[field], spec or "")
            ):
                known = ", ".join(f"{{{each}}}" for each in FIELDS)
                raise ValueError(
                    f"unknown field in {text}: a name may have {known}, {{seed:04}}, {{psi:.1f}}"
                )
            parts.append((literal, field or "", spec or ""))
        return cls(tuple(parts), extension)

    @property
    def image_format(self) -> Format | None:
        """The format that the extension means, if there is one."""
        return FORMATS.get(self.extension.lower())

    def has(self, field: str) -> bool:
        """Whether the field is in it."""
        return any(field == has for _, has, _ in self.parts)

    def fill(self, values: dict[str, object]) -> str:
        """The name without extension, with these values in it; text in a value makes no folders."""
        return "".join(
            literal + (_written(values.get(field, ""), spec) if field else "")
            for literal, field, spec in self.parts
        )


@dataclass(frozen=True)
class Naming:
    """How the files of a run are named; without a template they have the names of their latents."""

    psis: Psis | None = None
    template: NameTemplate | None = None
    grid: Grid | None = None

    @property
    def has_psi(self) -> bool:
        """Whether the name of a picture's file tells its psi."""
        if self.template and not self.grid:
            return self.template.has("psi")
        return bool(self.psis) and len(self.psis or ()) > 1

    def file_count(self, latents: int) -> int:
        """How many files come of so many latents."""
        sheets = -(-latents // self.grid.size) if self.grid else latents
        return sheets * max(1, len(self.psis or ()))

    def check_distinct(self, seeds: int | None) -> None:
        """Raise ValueError, in one sentence, where two files would have one name.

        `seeds` is how many there are, None where latents come from files or a list.
        """
        template, psis = self.template, self.psis or ()
        if not template or template.has("index"):
            return
        if seeds is None or self.file_count(seeds) > 1:
            if seeds != 1 and not (seeds and template.has("seed")):
                fields = "{seed} or {index}" if seeds else "{index}"
                raise ValueError(f"needs {fields}, or all pictures would have one name")
            if len({template.fill({"psi": psi}) for psi in psis}) < len(psis):
                raise ValueError(
                    "needs {psi}, in full, or the pictures of a seed would have one name"
                )

    def picture(self, latent: str, facts: dict[str, object]) -> str:
        """The path of a picture's file without extension, from its latent's name and its facts."""
        if self.template and not self.grid:
            return self._filled(facts)
        psi = facts["psi"]
        assert isinstance(psi, float)
        return f"{latent}-psi{shown(psi)}" if self.has_psi else latent

    def sheet(self, first: str, last: str, facts: dict[str, object]) -> str:
        """That of a sheet, from those of its first and last pictures, and the facts of the first."""
        return self._filled(facts) if self.template else f"{first}-{os.path.basename(last)}"

    def _filled(self, facts: dict[str, object]) -> str:
        assert self.template
        return "/" + self.template.fill(facts)  # from the root it is the same everywhere


def _written(value: object, spec: str) -> str:
    if isinstance(value, float) and not spec:
        return shown(value)
    return format(value, spec).replace("/", "_") if value != "" else ""

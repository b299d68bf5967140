"""Folders of images and captions, as trainers of diffusion models read them.

x.txt beside x.png in one folder is read by sd-scripts (kohya), OneTrainer and musubi-tuner. The other
files are for readers that want one file of all captions: Hugging Face's imagefolder, sd-scripts'
metadata, musubi-tuner's JSON lines.
"""

import json
import os
from collections.abc import Iterator
from functools import partial
from typing import Any

from animetools.dataset.labelling import Lines
from animetools.dataset.members import METADATA, MUSUBI, SD_SCRIPTS, SOURCES


def flat_name(number: int, suffix: str) -> str:
    """The name of an image: without folders, which sd-scripts and musubi-tuner do not enter."""
    return f"img{number:08d}{suffix}"


def caption_texts(lines: Lines, path: str) -> dict[str, Lines]:
    """The lines of each file besides images, their .txt and dataset.json.

    `lines` are the records of the images; `path` is where the folder will be.
    """
    return {
        SOURCES: lines,
        METADATA: partial(_hugging_face, lines),
        SD_SCRIPTS: partial(_sd_scripts, lines),
        MUSUBI: partial(_musubi, lines, os.path.abspath(path)),
    }


def _hugging_face(lines: Lines) -> Iterator[bytes]:
    """JSON lines of file_name and text alone: its reader refuses lists of mixed types."""
    for name, text in _captions(lines):
        yield _dumped({"file_name": name, "text": text}) + b"\n"


def _sd_scripts(lines: Lines) -> Iterator[bytes]:
    """An object of all; its older versions find an image only by a name without extension."""
    before = b"{\n"
    for name, text in _captions(lines):
        stem = os.path.splitext(name)[0]
        yield before + _dumped(stem) + b": " + _dumped({"caption": text})
        before = b",\n"
    yield b"\n}\n"


def _musubi(lines: Lines, folder: str) -> Iterator[bytes]:
    """JSON lines of image_path, which may be relative only to where its trainer runs."""
    for name, text in _captions(lines):
        yield _dumped({"image_path": os.path.join(folder, name), "caption": text}) + b"\n"


def _captions(lines: Lines) -> Iterator[tuple[str, str]]:
    for line in lines():
        record = json.loads(line)
        yield record["file_name"], record["text"]


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()

"""The files inside a dataset: their names and their places."""

import re
from dataclasses import dataclass

from animetools.images.sidecars import ENDINGS

SUMMARY = "dataset.json"
OURS = "animepack"  # our key in it
CLASSES = "classes"  # our key in it: whether the vectors of TFRecords are classes
METADATA = "metadata.jsonl"
SOURCES = "sources.jsonl"  # records, where metadata.jsonl has captions alone
SD_SCRIPTS = "captions.json"
MUSUBI = "captions.jsonl"
TEXTS = (SUMMARY, METADATA, SOURCES, SD_SCRIPTS, MUSUBI)
PACKED_IN = "packed_in"  # fact: the dataset that an image is in, its number and its checksum
FILES_OF_MANY = {  # images, by format; each name begins with that of the dataset
    "tfrecords": re.compile(r"(.*)-r(?:\d\d\.tfrecords|xx\.labels)", re.DOTALL),
    "webdataset": re.compile(r"(.*)-(\d{6,})\.tar", re.DOTALL),  # and the number
}
PER_FOLDER = 1000
LONGEST_FILE = 1 << 30  # bytes of an image in a dataset
LONGEST_LINE = 1 << 24  # bytes of a record in metadata.jsonl

Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class Member:
    """One file of a dataset; the offset is that of its header, where all are in one file."""

    name: str
    offset: int
    length: int
    crc: int


def image_name(number: int, suffix: str) -> str:
    """The name that StyleGAN2-ADA gives the image of this number; the suffix is .png or .jpg."""
    return f"{number // PER_FOLDER:05d}/img{number:08d}{suffix}"


def is_image_name(name: str) -> bool:
    """Whether a member is an image, with a path that stays inside the dataset."""
    inside = not name.startswith("/") and ".." not in name.split("/")
    return inside and name.lower().endswith((".png", ".jpg", ".jpeg"))


def is_member_name(name: str) -> bool:
    """Whether a file has the name of an image of a dataset, or of a sidecar."""
    sidecar = re.fullmatch(r"(\d{5}/)?img\d{8}(\.png|\.jpg)?(\.\w+)", name, re.ASCII)
    return is_image_name(name) or (sidecar is not None and sidecar[3].lower() in ENDINGS)

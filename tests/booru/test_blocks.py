"""Metadata files of every kind, whole, cut and damaged."""

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from backports import zstd

from animetools.booru import unpack
from animetools.booru.blocks import LONGEST_LINE, blocks_of
from animetools.booru.post import PostError, post_of
from animetools.errors import ItemError
from tests.booru.posts import lines, new, old

RANDOM = random.Random(3)
POSTS = [(old, new)[n % 2](n, *(f"t{RANDOM.random()}" for _ in range(9))) for n in range(3000)]
TEXT = lines(*POSTS)
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "xz": partial(lzma.compress, preset=0),
    "zst": zstd.compress,
}
COMPRESSION = pytest.mark.parametrize("kind", COMPRESS)


def archive(*members: bytes) -> bytes:
    """A tar with a folder and these files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        folder = tarfile.TarInfo("metadata")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for number, member in enumerate(members):
            entry = tarfile.TarInfo(f"metadata/{number}")
            entry.size = len(member)
            tar.addfile(entry, io.BytesIO(member))
    return file.getvalue()


def read(path: Path) -> tuple[list[int], str]:
    """The ids of the posts in a file, and what was wrong with it."""
    ids, trouble = [], ""
    try:
        for block in blocks_of(str(path), ""):
            for entry in block.entries:
                try:
                    ids.append(post_of(entry).id)
                except PostError as why:
                    trouble += f"{why}; "
    except ItemError as why:
        trouble += str(why)
    return ids, trouble


@COMPRESSION
def test_compressed_files_and_tars_are_read_by_content(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "file.png"
    compress = COMPRESS[kind]
    half = TEXT.index(b"\n", len(TEXT) // 2) + 1
    everything = [*range(len(POSTS))]
    for data in (
        compress(TEXT),
        compress(TEXT[:half]) + compress(TEXT[half:]),
        compress(archive(TEXT[:half], b"", TEXT[half:])),
        compress(archive(TEXT)),
    ):
        file.write_bytes(data)
        assert read(file) == (everything, "")


@COMPRESSION
def test_a_cut_file_is_used_up_to_there(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    for data in (COMPRESS[kind](TEXT), COMPRESS[kind](archive(TEXT))):
        file.write_bytes(data[: len(data) * 2 // 3])
        ids, trouble = read(file)
        assert ids == [*range(len(ids))]
        assert len(POSTS) // 3 < len(ids) < len(POSTS)
        assert "truncated" in trouble  # the last line
        assert kind == "plain" or "cut, and read up to there" in trouble


@COMPRESSION
def test_a_damaged_file_is_used_up_to_there(kind: str, tmp_path: Path) -> None:
    if kind == "plain":
        pytest.skip("a damaged line is only a bad line")
    file = tmp_path / "file"
    data = bytearray(COMPRESS[kind](TEXT))
    data[len(data) * 2 // 3] ^= 0x55
    file.write_bytes(data)
    ids, trouble = read(file)
    assert ids[:500] == [*range(500)]
    assert trouble


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    start = lines(old(1))
    file.write_bytes(zstd.compress(start + bytes(100 << 20)))
    assert file.stat().st_size < 20_000
    assert read(file) == ([1], "read up to a line that is longer than 16 MiB")
    sizes = [len(chunk) for _, chunks in unpack.documents(str(file)) for chunk in chunks]
    assert max(sizes) < 2 * unpack.SIP * 32_768


def test_a_long_line_is_read_up_to_a_bound(tmp_path: Path) -> None:
    file = tmp_path / "file"
    long = json.dumps({"id": 2, "x": "x" * (LONGEST_LINE - 1000)}).encode() + b"\n"
    file.write_bytes(lines(old(1)) + long + lines(old(3)))
    assert read(file) == ([1, 2, 3], "")
    too_long = json.dumps({"id": 2, "x": "x" * 2 * LONGEST_LINE}).encode() + b"\n"
    file.write_bytes(lines(old(1)) + too_long + lines(old(3)))
    ids, trouble = read(file)
    assert ids == [1]
    assert trouble.endswith("read up to a line that is longer than 16 MiB")


def header(kind: bytes, size: int) -> bytes:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.USTAR_FORMAT)


def test_a_damaged_header_of_a_tar_is_said(tmp_path: Path) -> None:
    whole = bytearray(archive(lines(old(1)), lines(old(2))))
    whole[whole.index(b"metadata/1") + 150] ^= 1  # in its checksum
    (tmp_path / "file").write_bytes(whole)
    ids, trouble = read(tmp_path / "file")
    assert ids == [1]
    assert trouble.startswith("damaged tar, and read up to there: ")


SPARSE = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n21 GNU.sparse.name=a\n"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (header(b"x", 2 << 20) + bytes(2 << 20), "a header of 2097152 bytes"),
        ((header(b"x", 512) + b"11 path=aa\n".ljust(512, b"\0")) * 2000, "recursion"),
        (
            header(b"x", len(SPARSE)) + SPARSE.ljust(512, b"\0") + header(b"0", 512) + b"z\n" * 256,
            "invalid",
        ),
    ],
)
def test_hostile_headers_of_a_tar_are_one_sentence(
    headers: bytes, words: str, tmp_path: Path
) -> None:
    one = lines(old(1))
    before = archive(one)[: 2 * 512 + -(-len(one) // 512) * 512]  # without the end
    (tmp_path / "file").write_bytes(before + headers)
    ids, trouble = read(tmp_path / "file")
    assert ids == [1]
    assert trouble.startswith("damaged tar, and read up to there: ")
    assert words in trouble


@pytest.mark.parametrize("data", [bz2.compress(TEXT), b"\0" * 1000, b"hello\n" * 9, b"[1]\n"])
def test_what_is_not_metadata_is_said_once(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    ids, trouble = read(tmp_path / "file")
    assert ids == []
    assert trouble.startswith("not a booru's metadata")


def test_an_empty_file_has_no_posts(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert read(tmp_path / "file") == ([], "")

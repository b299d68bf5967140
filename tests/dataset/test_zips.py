"""Zips: what others read is what was written, what others wrote is read, what is hostile is refused."""

import io
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from animetools.dataset import zip_records
from animetools.dataset.labelling import Lines
from animetools.dataset.members import Member
from animetools.dataset.zips import ZipReader, ZipWriter
from animetools.errors import FatalError, ItemError


def texts(lines: list[bytes]) -> dict[str, Lines]:
    """The text files of a zip."""
    return {"metadata.jsonl": lambda: lines, "dataset.json": lambda: [b'{"labels":', b"null}"]}


def write(path: Path, contents: list[bytes], lines: list[bytes] | None = None) -> list[Member]:
    """A zip of these files."""
    part = ZipWriter(str(path))
    members = [part.append(f"00000/img{n:08d}.png", data) for n, data in enumerate(contents)]
    part.finish(members, texts(lines or []), 10**18)
    part.close()
    return members


def test_zipfile_reads_what_we_write(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", [b"one", b"", b"three" * 1000], [b'{"a":1}\n', b'{"b":2}\n'])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "00000/img00000000.png",
            "00000/img00000001.png",
            "00000/img00000002.png",
            "metadata.jsonl",
            "dataset.json",
        ]
        assert archive.read("00000/img00000002.png") == b"three" * 1000
        assert archive.read("metadata.jsonl") == b'{"a":1}\n{"b":2}\n'
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.external_attr >> 16 == 0o100644
    assert (tmp_path / "a.zip").stat().st_mtime_ns == 10**18
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_archives_beyond_four_gigabytes(tmp_path: Path) -> None:
    part = ZipWriter(str(tmp_path / "a.zip"))
    first = part.append("00000/img00000000.png", b"first")
    part.end = 5 << 30  # a hole: it takes no room
    second = part.append("00000/img00000001.png", b"second")
    part.finish([first, second], texts([b"{}\n"]), 0)
    files = ZipReader(str(tmp_path / "a.zip"))
    assert [files.read(n) for n in range(len(files))] == [b"first", b"second"]
    assert list(files.lines("metadata.jsonl")) == [b"{}\n"]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read(second.name) == b"second"
        assert archive.getinfo(second.name).header_offset == 5 << 30
    more = ZipWriter(str(tmp_path / "a.zip"), files)
    third = more.append("00000/img00000002.png", b"third")
    more.finish([third], texts([b"{}\n"] * 3), 0)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist()[:3] == [first.name, second.name, third.name]
        assert archive.getinfo(third.name).header_offset > 5 << 30
    assert len(ZipReader(str(tmp_path / "a.zip"))) == 3


def test_more_than_65535_images(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", [str(n).encode() for n in range(66_000)])
    files = ZipReader(str(tmp_path / "a.zip"))
    assert len(files) == 66_000
    assert files.read(65_999) == b"65999"
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert len(archive.namelist()) == 66_002


def test_long_metadata_has_a_zip64_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("animetools.dataset.zip_records.FULL32", 1000)
    write(tmp_path / "a.zip", [b"one"], [b"{}\n"] * 1000)
    monkeypatch.undo()
    data = (tmp_path / "a.zip").read_bytes().replace(b"\xe8\x03\0\0", b"\xff" * 4)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("metadata.jsonl") == b"{}\n" * 1000


def test_other_zips_are_read_in_the_order_of_names(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.comment = b"PK\5\6 in a comment"[4:]
        archive.mkdir("folder")
        archive.writestr("folder/b.PNG", b"b")
        archive.writestr("../c.png", b"outside")
        archive.writestr("/d.png", b"outside")
        archive.writestr("folder/a.jpg", b"a")
        archive.writestr("readme.txt", b"no image", zipfile.ZIP_DEFLATED)
        archive.writestr("dataset.json", json.dumps({"labels": None}))
    files = ZipReader(str(tmp_path / "a.zip"))
    assert [files.name(n) for n in range(len(files))] == ["folder/a.jpg", "folder/b.PNG"]
    assert [files.read(n) for n in range(len(files))] == [b"a", b"b"]


def test_another_process_opens_it_for_itself(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", [b"one", b"two"])
    files = pickle.loads(pickle.dumps(ZipReader(str(tmp_path / "a.zip"))))
    assert files.read(1) == b"two"


def test_changed_byte_is_found(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", [b"one", b"precious"])
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(b"precious", b"Precious"))
    with pytest.raises(ItemError, match="damaged: its checksum"):
        ZipReader(str(tmp_path / "a.zip")).read(1)


def test_damaged_header_of_the_summary_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", [b"one"])
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[data.index(b"dataset.json") - 30] = 0
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(FatalError, match=r"a\.zip: dataset\.json: damaged: no member at"):
        list(ZipReader(str(tmp_path / "a.zip")).lines("dataset.json"))


def compressed(path: Path) -> None:
    """A bomb: a thousand times larger when it is unpacked."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("00000/img00000000.png", bytes(1 << 20))


def cut_short(path: Path) -> None:
    """The end is missing."""
    write(path, [b"x" * 1000])
    path.write_bytes(path.read_bytes()[:-30])


def lying(path: Path) -> None:
    """The directory says that a member is larger than the whole archive."""
    (member,) = write(path, [b"x" * 1000])
    data = path.read_bytes()
    at = data.rindex(b"PK\1\2", 0, data.rindex(member.name.encode()))
    path.write_bytes(data[: at + 20] + b"\xf0\xff\xff\x7f" * 2 + data[at + 28 :])


def no_directory(path: Path) -> None:
    """The directory is said to lie behind the end."""
    write(path, [b"x"])
    path.write_bytes(path.read_bytes()[:-6] + b"\xf0\xff\xff\x7f\0\0")


def broken_directory(path: Path) -> None:
    """The first entry is none."""
    write(path, [b"x"])
    path.write_bytes(path.read_bytes().replace(b"PK\1\2", b"PK\1\3", 1))


@pytest.mark.parametrize(
    "make",
    [compressed, cut_short, lying, no_directory, broken_directory, Path.touch],
)
def test_hostile_zips_are_refused_in_one_sentence(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "a.zip")
    with pytest.raises(FatalError, match=r"a\.zip: not a zip of images: .") as caught:
        ZipReader(str(tmp_path / "a.zip"))
    assert "\n" not in str(caught.value)


def test_every_cut_of_a_zip_is_refused_and_none_crashes(tmp_path: Path) -> None:
    write(tmp_path / "whole.zip", [b"one", b"two"], [b"{}\n"])
    data = (tmp_path / "whole.zip").read_bytes()
    for length in range(len(data)):
        (tmp_path / "cut.zip").write_bytes(data[:length])
        with pytest.raises(FatalError):
            ZipReader(str(tmp_path / "cut.zip"))


def test_second_writer_is_told(tmp_path: Path) -> None:
    part = ZipWriter(str(tmp_path / "a.zip"))
    with pytest.raises(BlockingIOError):
        ZipWriter(str(tmp_path / "a.zip"))
    part.close()
    assert list(tmp_path.iterdir()) == []


def test_a_text_whose_header_grows_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_records, "FULL32", 100)  # not four gigabytes
    lines = [b"x" * 60 + b"\n"] * 3
    write(tmp_path / "a.zip", [b"one"], lines)
    files = ZipReader(str(tmp_path / "a.zip"))
    assert list(files.lines("metadata.jsonl")) == lines
    assert b"".join(files.lines("dataset.json")) == b'{"labels":null}'
    assert files.read(0) == b"one"


def test_part_of_a_finished_zip_is_not_taken_for_a_free_one(tmp_path: Path) -> None:
    """Many processes make the same zip at once: each is whole, whoever comes last."""
    line = (
        "import sys; from animetools.dataset.zips import ZipWriter\n"
        "for n in range(50):\n"
        "    try: part = ZipWriter(sys.argv[1])\n"
        "    except BlockingIOError: continue\n"
        "    part.cut(None)\n"
        "    member = part.append('a.png', b'x' * 100)\n"
        "    part.finish([member], {'metadata.jsonl': list, 'dataset.json': lambda: [b'{}']}, 0)\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", line, str(tmp_path / "a.zip")]) for _ in "ab"]
    assert [run.wait() for run in runs] == [0, 0]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.png", "metadata.jsonl", "dataset.json"]

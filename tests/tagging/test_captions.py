"""Captions: the order and form of their tags, and files that exist."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.errors import ItemError
from animetools.tagging.captions import CaptionFile, Style, caption_path
from animetools.tagging.implications import read_implications
from animetools.tags import Tag, names_in

TAGS = [
    Tag("smile", "general", 0.99),
    Tag("general", "rating", 0.9),
    Tag("solo", "general", 0.8),
    Tag("long_hair", "general", 0.7),
    Tag("hatsune_miku", "character", 0.6),
    Tag("vocaloid", "copyright", 0.55),
    Tag("1girl", "general", 0.5),
    Tag(">_<", "general", 0.4),
]
LATER = 1 << 62
WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z")), max_size=12)


def file(tmp_path: Path, **how: bool) -> CaptionFile:
    (tmp_path / "x.png").write_bytes(b"picture")
    path = str(tmp_path / "x.png")
    return CaptionFile(caption_path(path), path, LATER, **how)


def text(tmp_path: Path) -> str:
    return (tmp_path / "x.txt").read_text()


def test_tags_stand_by_probability_or_as_trainers_advise() -> None:
    assert Style().caption(TAGS) == (
        "smile, general, solo, long_hair, hatsune_miku, vocaloid, 1girl, >_<\n"
    )
    assert Style("my waifu", spaces=True, order="training").caption(TAGS) == (
        "my waifu, 1girl, solo, hatsune miku, vocaloid, smile, long hair, >_<, general\n"
    )


def test_what_comes_first_is_not_repeated() -> None:
    assert Style("mywaifu, long hair").caption(TAGS[2:4]) == "mywaifu, long hair, solo\n"
    assert Style("mywaifu").caption([]) == "mywaifu\n"
    assert Style().caption([]) == "\n"


@pytest.mark.parametrize("name", ["a,b", "a\nb", "a\u2028b"])
def test_a_tag_that_would_be_read_as_two_is_refused_with_the_cure(name: str) -> None:
    with pytest.raises(
        ItemError, match=r"does not fit in a caption.*: leave it out with --exclude"
    ):
        Style().caption([Tag(name)])


def test_captions_that_exist_get_what_they_lack_in_every_line() -> None:
    style = Style("mywaifu", spaces=True)
    there = "My own words, Long hair,\r\n\r\nmywaifu, long hair, smile\n"
    assert style.extended(there, TAGS[:4]) == (
        "mywaifu, My own words, Long hair, smile, general, solo, long hair\n"
        "\n"
        "mywaifu, long hair, smile, general, solo\n"
    )
    whole = "mywaifu, long hair,  smile ,"
    assert style.extended(whole, [TAGS[0], TAGS[3]]) == whole


def test_tags_that_a_caption_implies_are_not_added() -> None:
    style = Style("hair_bow", implications=read_implications())
    assert style.caption([Tag("bow"), Tag("hair_ornament")]) == "hair_bow, hair_ornament\n"
    assert style.extended("hair_bow, hair flower", [Tag("hair_ornament")]) == (
        "hair_bow, hair flower"
    )
    assert style.extended("hair_bow, bow", [Tag("hair_flower")]) == "hair_bow, bow, hair_flower\n"


@given(st.lists(WORDS, max_size=4), st.lists(WORDS.filter(names_in), max_size=4), st.booleans())
def test_adding_loses_nothing_and_adds_once(lines: list[str], words: list[str], all_: bool) -> None:
    tags = [Tag(name) for word in words for name in names_in(word.replace("_", ""))]
    style, there = Style("a b" * all_, spaces=all_), "\n".join(lines)
    longer = style.extended(there, tags)
    assert {*names_in(there), *(tag.name for tag in tags)} <= set(names_in(longer))
    assert style.extended(longer, tags) == longer


def test_a_caption_is_written_once(tmp_path: Path) -> None:
    for _ in range(2):
        file(tmp_path).write(Style(), TAGS[:2])
        assert text(tmp_path) == "smile, general\n"
    assert sorted(os.listdir(tmp_path)) == ["x.png", "x.txt"]


def test_one_that_exists_is_kept_overwritten_or_extended(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("mine, smile")
    with pytest.raises(ItemError, match=r"x\.txt exists: -f overwrites it, --append adds to it"):
        file(tmp_path).write(Style(), TAGS[:2])
    assert text(tmp_path) == "mine, smile"
    for _ in range(2):
        file(tmp_path, append=True).write(Style(), TAGS[:2])
        assert text(tmp_path) == "mine, smile, general\n"
    file(tmp_path, force=True).write(Style(), TAGS[:2])
    assert text(tmp_path) == "smile, general\n"
    assert sorted(os.listdir(tmp_path)) == ["x.png", "x.txt"]


def test_one_of_another_picture_of_this_run_is_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    for name in ("x.png", "x.jpg"):
        (tmp_path / name).write_bytes(b"picture")
    begun = time.time_ns() - 10**9
    for how in ({"force": True}, {"append": True}):
        (tmp_path / "x.txt").unlink(missing_ok=True)
        CaptionFile(path + ".txt", path + ".png", begun, **how).write(Style(), TAGS[:1])
        with pytest.raises(ItemError, match="just written for another image: rename one"):
            CaptionFile(path + ".txt", path + ".jpg", begun, **how).write(Style(), TAGS[:2])
        assert text(tmp_path) == "smile\n"


@pytest.mark.parametrize("name", ["folder", "fifo", "broken link", "the picture", "not UTF-8"])
def test_what_is_no_caption_is_kept_even_by_force(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.txt"
    if name == "folder":
        path.mkdir()
    elif name == "fifo":
        os.mkfifo(path)
    elif name == "broken link":
        path.symlink_to("nowhere")
    elif name == "the picture":
        (tmp_path / "x.png").write_bytes(b"picture")
        path.symlink_to("x.png")
    else:
        path.write_bytes(b"\xff\xfe\xfd")
    caption = file(tmp_path, force=name != "not UTF-8", append=name == "not UTF-8")
    with pytest.raises((ItemError, OSError)):
        caption.write(Style(), TAGS)
    assert os.path.lexists(path)
    assert len(os.listdir(tmp_path)) == 2

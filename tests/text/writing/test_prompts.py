"""Prompts, their files and their templates."""

from pathlib import Path

import pytest

from animetools.errors import ItemError
from animetools.text.writing.prompts import MAX_BYTES, Prompts, decoded, read_text


def test_a_prompt_goes_into_its_template_as_it_is() -> None:
    assert Prompts(template=" a {} b ").filled("{0} {} %s") == " a {0} {} %s b"


@pytest.mark.parametrize("template", ["", "no place", "{} and {}"])
def test_a_template_has_one_place(template: str) -> None:
    with pytest.raises(ValueError, match=r"--template needs \{\} exactly once"):
        Prompts(template=template).check_prompts()


def test_a_prompt_has_no_blank_edges_and_no_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeff  猫 sleeps\r\n\n".encode())
    assert read_text(str(tmp_path / "a.txt")) == "猫 sleeps"


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"ab\xff", "not UTF-8 from byte 2"), (b"a" * (MAX_BYTES + 1), "larger than 1 MiB")],
)
def test_what_is_no_prompt_is_one_sentence(data: bytes, why: str) -> None:
    with pytest.raises(ItemError, match=why):
        decoded(data)


def test_a_list_has_a_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"one\r\n\n  two\n\xff\n")
    assert Prompts(prompt_file=str(path)).lines() == [b"one", b"two", b"\xff"]
    path.write_bytes(b"\n \n")
    with pytest.raises(ItemError, match="it has no prompt"):
        Prompts(prompt_file=str(path)).lines()

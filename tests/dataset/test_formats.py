"""The table of formats: a dataset is known by its content, or else by its name."""

import shutil
from pathlib import Path

import pytest

from animetools.dataset.formats import format_to_write, reader
from tests.dataset import sets
from tests.dataset.sets import picture


@pytest.mark.parametrize(
    ("name", "kind"),
    [("d.zip", "zip"), ("D.ZIP", "zip"), ("d", "folder"), ("d.v2", "folder"), ("x/d", "folder")],
)
def test_the_name_of_a_new_dataset_tells_its_format(name: str, kind: str) -> None:
    assert format_to_write(name).name == kind


def test_a_folder_is_filled_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "d.zip").mkdir()
    assert format_to_write(str(tmp_path / "d.zip")).name == "folder"
    assert len(reader(str(tmp_path / "d.zip"))) == 0


def test_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("d.zip")
    assert format_to_write(str(tmp_path / "link")).name == "zip"


def test_content_comes_before_the_name(tmp_path: Path) -> None:
    for number, path in enumerate(
        (sets.zipped(tmp_path / "a", [picture(0)]), sets.tarred(tmp_path / "b", [picture(0)]))
    ):
        for ending in (".zip", ".tar", ".tfrecords", ".data"):
            renamed = tmp_path / f"{number}{ending}"
            shutil.copy(path, renamed)
            assert len(reader(str(renamed))) == 1

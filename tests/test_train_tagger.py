"""The training of the default tagger: its pictures, their views, its figures, and all of it from nothing."""

from pathlib import Path

import numpy as np
import pytest

from animetools.artist.artist import draw
from animetools.images.fit import fit
from animetools.tagging.default import DefaultTagger
from examples.tagger.augment import GREYSCALE, augmented
from examples.tagger.figures import Counts, best_thresholds
from examples.tagger.pictures import SIDE, Pictures, grow
from examples.tagger.truth import INDEX, known_of, labels_of
from examples.tagger.vocabulary import NAMES, PEOPLE
from tests.conftest import ROOT, Shell

PYTHON = ROOT / ".venv/bin/python"


def test_pictures_are_those_of_animedraw_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    grow(str(whole), 7, 3, 2)
    pictures = Pictures(str(whole))
    assert pictures.kinds.count("portrait") == 3 and pictures.kinds.count("whole") == 2
    first = draw(7, 1, 256)
    place = pictures.kinds.index("portrait")
    assert np.array_equal(pictures.pixels[place], fit(first.rgb, SIDE)[0])
    assert pictures.tags[place] == [tag.name for tag in first.tags]
    cut.mkdir()
    lines = (whole / "tags.jsonl").read_bytes()
    (cut / "tags.jsonl").write_bytes(lines[: len(lines) * 2 // 3])
    (cut / "pixels").write_bytes((whole / "pixels").read_bytes()[:-1])
    grow(str(cut), 7, 3, 2)
    for name in ("tags.jsonl", "pixels"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_a_grey_picture_has_no_colors_and_a_face_in_a_crowd_no_number() -> None:
    tags = ["1girl", "solo", "blue_hair", "red_eyes", "smile", "flower"]
    assert [n for n in NAMES if labels_of(tags)[INDEX[n]]] == ["blue_hair", "red_eyes", *_rest()]
    grey = [n for n in NAMES if labels_of(tags, GREYSCALE)[INDEX[n]]]
    assert grey == [*_rest(), "monochrome", "greyscale"]
    assert [n for n in NAMES if not known_of(False)[INDEX[n]]] == PEOPLE


def _rest() -> list[str]:
    return ["smile", "1girl", "solo"]


@pytest.mark.parametrize("loose", [True, False])
def test_views_of_a_picture_differ_and_say_when_they_are_grey(loose: bool) -> None:
    rgb = fit(draw(7, 1, 128).rgb, SIDE)[0]
    kept, rng = rgb.copy(), np.random.default_rng(0)
    views = [augmented(rgb, 96, loose, rng) for _ in range(120)]
    assert np.array_equal(rgb, kept)
    assert len({view.pixels.tobytes() for view in views}) == 120
    assert all(view.pixels.shape == (96, 96, 3) and view.pixels.dtype == np.uint8 for view in views)
    grey = [view.ink == GREYSCALE for view in views]
    spread = [np.ptp(view.pixels.astype(int), 2).mean() for view in views]
    assert any(grey) and not all(grey)
    assert max(s for s, g in zip(spread, grey, strict=True) if g) < 4
    again = augmented(rgb, 96, loose, np.random.default_rng(3)).pixels
    assert np.array_equal(again, augmented(rgb, 96, loose, np.random.default_rng(3)).pixels)


def test_figures_are_those_of_their_definitions() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((400, len(NAMES))) < 0.3).astype(np.float32)
    known = (rng.random(labels.shape) < 0.8).astype(np.float32)
    probabilities = np.clip(labels * 0.3 + rng.random(labels.shape) * 0.6, 0, 1).astype(np.float32)
    best = best_thresholds(probabilities, labels, known)
    counts = Counts(probabilities >= best, labels, known)
    at = INDEX["glasses"]
    seen = known[:, at] == 1
    found, true = probabilities[seen, at] >= best[at], labels[seen, at] == 1
    precision, recall, score, there = counts.of(["glasses"])
    assert there == true.sum()
    assert precision == pytest.approx((found & true).sum() / found.sum())
    assert recall == pytest.approx((found & true).sum() / true.sum())
    assert score == pytest.approx(2 * precision * recall / (precision + recall))
    for other in (0.2, 0.5, 0.8):
        assert counts.f1[at] > Counts(probabilities >= other, labels, known).f1[at] - 0.01


def test_the_default_tagger_from_nothing(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"{ROOT}/examples/train-tagger.sh d 4 2 128")
    assert done.returncode == 0, done.stderr
    assert "| hair color |" in done.stdout
    made = tmp_path / "d/default.safetensors"
    assert made.stat().st_size < 4_000_000
    assert [name for name, _ in DefaultTagger(path=str(made)).names] == NAMES
    first = made.read_bytes()
    again = shell(
        f"cd d && PYTHONPATH={ROOT} {PYTHON} -m examples.tagger.train train valid run 192"
    )
    assert again.returncode == 0, again.stderr
    assert "continuing after 2 of 3" in again.stdout
    assert (tmp_path / "d/run/default.safetensors").read_bytes() != first

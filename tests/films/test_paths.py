"""Ways through latent space, steps of equal error, and the speed of music."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from animetools.errors import FatalError
from animetools.films import making, paths, sound
from animetools.films.kinds import Point, points
from animetools.films.origin import comment
from animetools.films.scenes import blocks, in_rgb
from animetools.films.steps import Places, even_steps, step_errors, variation
from animetools.images.files import Pixels
from tests.commands.test_sgvideo import SOUND, clicks, write_sound


def test_a_walk_has_the_numbers_of_the_first_scripts() -> None:
    noise = np.random.RandomState(404).randn(40, 4, 300).astype(np.float32)
    plain = gaussian_filter(noise, [6.0, 0, 0], mode="wrap")
    plain /= np.sqrt(np.mean(np.square(plain)))
    assert np.allclose(paths.walk(404, 40, 4, 300, 6.0), plain, atol=1e-6)


@given(st.floats(0, 200))
def test_along_meets_the_points_of_a_walk_and_goes_round(place: float) -> None:
    walk = paths.walk(0, 20, 1, 5, 3.0)
    here, later = paths.along(walk, np.array([place, place + 20]))
    assert np.allclose(here, later, atol=1e-4)
    assert (paths.along(walk, np.array([7.0]))[0] == walk[7]).all()
    middle = paths.along(walk, np.array([7.5]))[0]
    assert np.allclose(middle, (walk[7] + walk[8]) / 2)


@given(st.integers(1, 300), st.integers(1, 9))
def test_ways_between_points_begin_and_end_at_them(frames: int, count: int) -> None:
    way = paths.legs(frames, count)
    assert (len(way), way[0]) == (frames, 0)
    assert (np.diff(way) >= 0).all()
    assert frames == 1 or way[-1] == count - 1
    loop = paths.to_and_fro(frames, count)
    assert np.allclose(loop[1:], loop[1:][::-1])
    assert 0 <= loop.min() <= loop.max() <= count - 1


def test_a_circle_is_one() -> None:
    one, other = paths.circle(3, 2, 50)
    assert np.allclose((one * other).sum(1), 0, atol=1e-3)
    for each in (one, other):
        assert np.allclose(np.linalg.norm(each, axis=1), 50**0.5)
    seed = np.random.RandomState(3).randn(2, 50)
    assert np.corrcoef(one[0], seed[0])[0, 1] > 0.999  # it begins at the face of the seed


def test_a_walk_that_memory_does_not_hold_is_refused() -> None:
    with pytest.raises(FatalError, match=r"take 7.4 GB of latents, more than 1.1 GB"):
        paths.walk(0, 100_000, 36, 512, 20.0)


@given(st.integers(1, 5000), st.integers(1, 9000), st.integers(1, 9000))
def test_blocks_are_all_frames_in_order(count: int, width: int, height: int) -> None:
    found = list(blocks(count, (width, height)))
    assert [n for first, end in found for n in range(first, end)] == list(range(count))


def ring(places: Places) -> Iterator[Pixels]:
    """Pictures on a loop that go fast at one place and slowly elsewhere."""
    for place in places:
        angle = 2 * np.pi * place + 0.9 * np.sin(2 * np.pi * place)
        x = np.arange(64) / 64 * 2 * np.pi
        yield np.asarray(127 + 120 * np.cos(x[:, None] + angle + np.zeros(8)), np.uint8)


def test_steps_become_even() -> None:
    told: list[int] = []
    before = np.array(list(step_errors(ring(np.arange(30) / 30))))
    places = even_steps(ring, 30, told.append)
    after = np.array(list(step_errors(ring(places))))
    assert variation(before) > 1
    assert variation(after) < 0.1
    assert places[0] == 0
    assert (np.diff(places) > 0).all() and places[-1] < 1
    assert told == list(range(1, len(told) + 1))


def test_pictures_that_do_not_change_have_even_steps() -> None:
    grey = np.zeros((4, 4, 3), np.uint8)
    places = even_steps(lambda places: iter([grey] * len(places)), 5, lambda _: None)
    assert places.tolist() == [0, 0.2, 0.4, 0.6, 0.8]


def test_a_long_film_says_how_long_the_rest_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now, said, told = 0.0, list[str](), list[float]()
    monkeypatch.setattr("animetools.films.making.time.monotonic", lambda: now)
    tell = making.saying(lambda done, total: told.append(done), said.append)
    for frame in range(1, 30):
        tell(frame, 1201)
        now += 1
    assert said == ["1,201 frames, about 20 minutes to go"]
    assert told == list(range(1, 30))


def test_words_between() -> None:
    assert points(("5", "smile,hat:0.5", "9"), 0) == [
        Point(5, None),
        Point(5, "smile,hat:0.5"),
        Point(9, "smile,hat:0.5"),
    ]
    assert points(("3:1", "2-3"), 7) == [Point(7, "3:1"), Point(2, "3:1"), Point(3, "3:1")]
    with pytest.raises(FatalError, match="more faces than"):
        points(("0-4000000000",), 0)


def test_opacity_is_laid_over_white() -> None:
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128]]], np.uint8)
    assert in_rgb(pixels).tolist() == [[[10, 20, 30], [255, 255, 255], [127, 127, 127]]]
    assert in_rgb(np.array([[7]], np.uint8)).tolist() == [[[7, 7, 7]]]


def test_a_walk_goes_fast_where_it_is_loud_and_at_each_note(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_sound(path, clicks(2.0))
    speed = sound.speeds(str(path), Fraction(30), None)
    assert (len(speed), round(speed.mean(), 6)) == (60, 1)
    assert speed[:14].max() < 0.5  # silence
    notes = np.arange(20, 60, 10)  # each third of a second
    assert (speed[notes] > 3 * speed[notes - 2]).all()
    assert len(sound.speeds(str(path), Fraction(30), 0.5)) == 15
    write_sound(path, np.zeros(SOUND, np.float32))
    assert np.allclose(sound.speeds(str(path), Fraction(25), None), np.ones(25))


def test_a_sound_that_is_too_loud_or_no_number_does_not_spoil_a_film(tmp_path: Path) -> None:
    path = str(tmp_path / "a.wav")
    damaged = clicks()
    damaged[30_000:30_003] = np.nan, np.inf, -1e30
    write_sound(tmp_path / "a.wav", damaged)
    heard = np.concatenate(list(sound.samples(path)), 1)
    assert np.abs(heard).max() <= 1
    speed = sound.speeds(path, Fraction(30), None)
    assert (len(speed), round(speed.mean(), 6)) == (30, 1)


def test_a_long_comment_of_a_gif_is_in_blocks() -> None:
    made = comment("a" * 300)
    assert made == b"\x21\xfe\xff" + b"a" * 255 + b"\x2d" + b"a" * 45 + b"\0"

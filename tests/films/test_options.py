"""What films are called."""

from animetools.films.options import FilmOptions, requests
from animetools.names import LONGEST_NAME
from animetools.sampling.seeds import Psis


def name(*words: str, **options: object) -> str:
    """The name of a film."""
    (request,) = requests(FilmOptions(**options), words)  # type: ignore[arg-type]
    return request.name


def test_films_of_other_words_have_other_names() -> None:
    ways = [["smile=2", f"hat={n}", "smile=-1", "hat=1"] for n in range(3)]
    assert [name("edit", *way, directions=("a.npz",)) for way in ways] == [
        f"edit-smile=2-hat={n}-smile=-1-hat=1-0" for n in range(3)
    ]
    assert name("between", "1", "2", "3", "4", "5") == "between-1-2-3-4-5"
    assert name("truncate", psi=Psis([1, 0.5, 0, -1])) == "truncate-0-psi1-psi0.5-psi0-psi-1"
    long = [name("between", *map(str, range(1000)), str(last)) for last in (1, 2)]
    assert len({*long}) == 2
    assert max(map(len, long)) < LONGEST_NAME


def test_a_film_of_many_files_has_the_first_and_the_last_in_its_name() -> None:
    files = [f"run/{n}.png" for n in range(10)]
    assert name("montage", *files) == "montage-0.png-9.png"

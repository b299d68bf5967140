"""sgedit from outside."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from animetools.editing.directions import Directions, read
from animetools.images.described import description_of
from animetools.images.files import read_rgb
from animetools.netfiles import checkpoints
from tests.conftest import Shell
from tests.quick import quick
from tests.tiny import snapshot

HERE = "--network model.pkl"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, its pictures of 40 seeds, their records with a tag, and directions."""
    folder = tmp_path_factory.mktemp("sgedit")
    checkpoints.write(str(folder / "model.pkl"), snapshot())
    assert quick(f"sggen {HERE} --seeds 0-39 --psi 0.7 -o in", folder).returncode == 0
    pictures = sorted((folder / "in").glob("*.png"))
    brightness = [float(read_rgb(str(path)).mean()) for path in pictures]
    middle = float(np.median(brightness))
    with (folder / "records.jsonl").open("w") as file:
        for path, bright in zip(pictures, brightness, strict=True):
            tags = [["bright", "general", 0.9]] * (bright > middle)
            facts = json.loads(description_of(path.read_bytes()))
            file.write(json.dumps({"path": f"in/{path.name}", "tags": tags, **facts}) + "\n")
    done = quick(f"sgedit {HERE} --learn pca.npz --pca 3 --samples 500", folder)
    assert (done.returncode, done.stdout) == (0, "pca.npz\n"), done.stderr
    return folder


@pytest.fixture
def here(network: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(network, tmp_path, dirs_exist_ok=True)
    return tmp_path


def directions(path: Path) -> Directions:
    """Those of a file."""
    return read(str(path))


def brightness(path: Path) -> float:
    """Of a picture."""
    return float(read_rgb(str(path)).mean())


def test_a_tag_is_learned_from_records_and_makes_pictures_have_it(shell: Shell, here: Path) -> None:
    (here / "in/seed0003.png").unlink()  # its record says what it was drawn from
    done = shell(
        f"sgedit {HERE} --learn bright.npz --tags bright - < records.jsonl &&"
        f" sgedit {HERE} --directions bright.npz --edit bright=2 --seeds 90-99 --psi 0.7 &&"
        f" sggen {HERE} --seeds 90-99 --psi 0.7 -q"
    )
    assert done.returncode == 0, done.stderr
    assert "bright: accuracy " in done.stderr
    made = directions(here / "bright.npz")
    assert made.facts["learned"] == "tags"
    assert made.facts["examples"] == 40
    (one,) = made.found
    assert (one.name, one.rows) == ("bright", None)
    assert one.accuracy is not None
    assert one.accuracy > 0.5
    names = [f"seed{n:04}.png" for n in range(90, 100)]
    assert done.stdout.split()[1:11] == [f"edited/{name}" for name in names]
    gained = [brightness(here / "edited" / n) - brightness(here / "images" / n) for n in names]
    assert sum(gain > 0 for gain in gained) >= 8


def test_sorted_folders_are_examples_and_others_cost_a_line(here: Path) -> None:
    for record in map(json.loads, (here / "records.jsonl").read_text().splitlines()):
        folder = here / ("bright" if record["tags"] else "dark")
        folder.mkdir(exist_ok=True)
        shutil.copy(here / record["path"], folder)
    (here / "dark/notes.txt").write_text("no picture")
    assert quick(f"sgproject {HERE} --steps 3 in/seed0000.png -o dark", here).returncode == 0
    line = f"sgedit {HERE} --learn bright.npz --positive bright --negative dark/ --json"
    done = quick(line, here)
    assert done.returncode == 1, done.stderr
    assert "dark/notes.txt: not an image" in done.stderr
    assert json.loads(done.stdout)["examples"] == 41  # the latents of sgproject too
    assert [each.name for each in directions(here / "bright.npz").found] == ["bright"]
    again = quick(line, here)
    assert (again.returncode, again.stdout) == (2, "")
    assert "bright.npz exists: -f overwrites it" in again.stderr


def test_pictures_of_another_network_are_not_examples(here: Path) -> None:
    checkpoints.write(str(here / "other.pkl"), snapshot(seed=7))
    for folder in ("one", "two"):
        (here / folder).mkdir()
        shutil.copy(here / "in/seed0000.png", here / folder)
    done = quick("sgedit --network other.pkl --learn x.npz --positive one --negative two", here)
    assert done.returncode == 2
    assert "drawn by another network, model.pkl" in done.stderr
    assert not (here / "x.npz").exists()


def test_latents_are_written_that_draw_the_picture_and_can_be_edited_on(here: Path) -> None:
    assert quick(f"sgproject {HERE} --steps 3 --noise in/seed0001.png", here).returncode == 0
    line = f"sgedit {HERE} --directions pca.npz --edit pca0=2,pca1=-1@0-3"
    done = quick(f"{line} --json latents/in/seed0001.png.npz", here)
    record = json.loads(done.stdout)
    assert record["edit"] == "pca0=2,pca1=-1@0-3"
    assert record["w"] == "edited/latents/in/seed0001.png.npz.0.npz"
    with (
        np.load(here / "latents/in/seed0001.png.npz") as first,
        np.load(here / record["w"]) as file,
    ):
        moved = file["w"] - first["w"]
        assert np.array_equal(file["noise4"], first["noise4"])
    pca = directions(here / "pca.npz")
    both = [pca.named(f"pca{n}") for n in range(2)]
    wanted = [2 * both[0].spread * both[0].vector] * 6
    for row in range(4):
        wanted[row] = wanted[row] - both[1].spread * both[1].vector
    assert np.allclose(moved[0], wanted, atol=1e-4)
    assert quick(f"sggen {HERE} {record['w']} -o again", here).returncode == 0
    drawn = next((here / "again").rglob("*.png"))
    assert np.array_equal(read_rgb(str(drawn)), read_rgb(str(here / record["path"])))
    text = json.loads(description_of((here / record["path"]).read_bytes()))
    assert text["edit"] == record["edit"]
    assert "seed" not in text
    back = quick(
        f"sgedit {HERE} --directions pca.npz --edit pca0=-2,pca1=1@0-3 {record['w']} -o b", here
    )
    with (
        np.load(next((here / "b").rglob("*.npz"))) as last,
        np.load(here / "latents/in/seed0001.png.npz") as first,
    ):
        assert np.allclose(last["w"], first["w"], atol=1e-4), back.stderr


def test_strips_and_sheets_have_a_picture_for_each_amount(here: Path) -> None:
    line = f"sgedit {HERE} --directions pca.npz --edit pca0 --seeds 0-2"
    strips = quick(f"{line} --strip -3:3:1.5 -o strips", here)
    assert strips.stdout.split() == [f"strips/seed000{n}.png" for n in range(3)], strips.stderr
    sheet = quick(f"{line} --strip -3:3:1.5 --sheet -o sheet", here)
    assert sheet.stdout == "sheet/sheet.png\n", sheet.stderr
    rows = [read_rgb(str(here / f"strips/seed000{n}.png")) for n in range(3)]
    assert rows[0].shape == (16, 5 * 16, 3)
    assert np.array_equal(np.concatenate(rows), read_rgb(str(here / "sheet/sheet.png")))
    with np.load(here / "strips/seed0000.npz") as file:
        assert file["w"].shape == (5, 6, 8)
    plain = quick(f"sggen {HERE} --seeds 0-2 -o plain", here)
    assert plain.returncode == 0
    both = quick(f"{line} --sheet -o both", here)
    assert both.returncode == 0
    left = read_rgb(str(here / "both/sheet.png"))[:16, :16]
    assert np.array_equal(left, read_rgb(str(here / "plain/seed0000.png")))
    assert np.array_equal(left, rows[0][:, 32:48])  # amount 0


def test_other_settings_are_refused_and_the_same_line_is_done(here: Path) -> None:
    line = f"sgedit {HERE} --directions pca.npz --seeds 0-2"
    assert quick(f"{line} --edit pca0=1", here).returncode == 0
    before = (here / "edited/seed0000.png").stat().st_mtime_ns
    again = quick(f"{line} --edit pca0=1", here)
    assert again.stdout.count("\n") == 3
    assert (here / "edited/seed0000.png").stat().st_mtime_ns == before
    other = quick(f"{line} --edit pca0=2", here)
    assert (other.returncode, other.stdout) == (2, "")
    assert "--edit pca0=1" in other.stderr
    dry = quick(f"{line} --edit pca0=2 -n -o dry", here)
    assert dry.stdout.count("\n") == 3
    assert not (here / "dry").exists()


def test_each_other_way_makes_directions(here: Path) -> None:
    ways = {
        "a": ("--sefa 2 --layers 0-3", ["sefa0", "sefa1"]),
        "b": ("--pca 2 --of 8 --samples 300", ["pca0", "pca1"]),
        "c": ("--mirror 1 --samples 4", ["mirror0"]),
        "other": ("--mirror 1 --samples 4 --seed 9", ["mirror0"]),
        "d": ("--tags hat,blue_hair --steps 2", ["hat", "blue_hair"]),
        "e": ("--sefa 2 --names turn,sefa1 --directions a.npz", ["turn", "sefa1", "sefa0"]),
    }
    for name, (way, names) in ways.items():
        done = quick(f"sgedit {HERE} --learn {name}.npz {way}", here)
        assert (done.returncode, done.stdout) == (0, f"{name}.npz\n"), done.stderr
        assert [each.name for each in directions(here / f"{name}.npz").found] == names
    assert str(directions(here / "a.npz").found[0].rows) == "0-3"
    one, other = (directions(here / f"{name}.npz").found[0].vector for name in ("c", "other"))
    assert not np.array_equal(one, other)
    mixed = "--directions a.npz --directions c.npz --edit mirror0=2 --keep sefa0,sefa1"
    done = quick(f"sgedit {HERE} {mixed} --seeds 0", here)
    assert done.returncode == 0, done.stderr
    with np.load(here / "edited/seed0000.npz") as file:
        assert file["w"].shape == (1, 6, 8)


def test_the_network_that_ships_needs_no_file(shell: Shell, tmp_path: Path) -> None:
    done = shell("sgedit --seeds 0-7 --edit blue_hair=3,glasses=2.5 --psi 0.7 | animetag --json")
    assert done.returncode == 0, done.stderr
    found = [{tag[0] for tag in json.loads(line)["tags"]} for line in done.stdout.splitlines()]
    for name in ("blue_hair", "glasses"):
        assert sum(name in tags for tags in found) >= 6
    unknown = quick("sgedit --seeds 0 --edit smyle", tmp_path)
    assert unknown.returncode == 2
    assert "no direction 'smyle' among turn, smile, open_mouth, " in unknown.stderr
    assert "yellow_eyes, aqua_eyes, pink_eyes, " in unknown.stderr


def test_a_network_of_tags_teaches_them_itself(here: Path) -> None:
    tags = snapshot(c_dim=3, labels=["hat", "smile", "cat_ears"], tags=True, examples=[[0, 2], [1]])
    checkpoints.write(str(here / "tags.pkl"), tags)
    line = "sgedit --network tags.pkl --learn {}.npz --tags"
    done = quick(f"{line.format('a')} smile,hat --json", here)
    assert (done.returncode, json.loads(done.stdout)["learned"]) == (0, "labels"), done.stderr
    assert " is what the tag does" in done.stderr
    assert [each.name for each in directions(here / "a.npz").found] == ["smile", "hat"]
    both = quick(f"{line.format('b')} glasses,hat --steps 2 --json", here)
    assert json.loads(both.stdout)["learned"] == "labels and tagger", both.stderr
    assert [each.name for each in directions(here / "b.npz").found] == ["glasses", "hat"]
    useless = quick(f"{line.format('c')} hat --steps 2", here)
    assert useless.returncode == 2
    assert "--steps is for --teacher tagger: this network takes hat as a tag" in useless.stderr
    taught = quick(f"{line.format('c')} hat --steps 2 --teacher tagger --json", here)
    assert json.loads(taught.stdout)["learned"] == "tagger", taught.stderr
    strange = directions(here / "a.npz")
    strange.facts["learned"] = []
    (here / "strange.npz").write_bytes(strange.encode())
    joined = quick(f"{line.format('d')} cat_ears --directions strange.npz --json", here)
    assert json.loads(joined.stdout)["learned"] == "labels", joined.stderr
    edited = "sgedit --network tags.pkl --directions a.npz --edit hat=2 --seeds 0-2"
    assert quick(edited, here).stdout.count("\n") == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--seeds 0", "give --edit, such as smile=2, or --learn"),
        ("--seeds 0 --edit smile", "no directions of model.pkl: --learn makes a file"),
        ("--learn x.npz", "--learn takes one of --tags, --positive"),
        ("--learn x.npz --pca 2 --sefa 2", "not 2"),
        ("--learn x.npz --pca 2 --edit a", "--edit is not for --learn"),
        ("--learn x.npz --positive in", "--positive and --negative belong together"),
        ("--learn x.npz --positive in --negative gone", "gone is not a folder"),
        ("--learn x.npz --sefa 1 --layers 5-6", "this network has the rows 0-5"),
        ("--learn x.npz --pca 1 --of 5", "features of 4, 8, 16 pixels"),
        ("--learn x.npz --tags nothing", "does not know nothing"),
        ("--learn x.npz --pca 1 in", "with --tags only"),
        ("--learn x.npz --tags bright records.jsonl", "no example is left"),
        ("--learn x.npz --tags bright --steps 9 records.jsonl", "--steps is for --tags without"),
        ("--learn x.pkl --pca 1", "not the name of an .npz file"),
        ("--pca 2 --seeds 0", "--pca is for --learn"),
        ("--edit pca0 --directions pca.npz --seeds 0 --seed 3", "--seed is for --learn"),
        ("--learn x.npz --pca 1 --seeds 0-3", "--seeds is not for --learn"),
        ("--learn x.npz --pca 1 --noise random", "--noise is not for --learn"),
        ("--learn x.npz --sefa 1 --samples 9", "--samples is for --pca and --mirror"),
        ("--learn x.npz --sefa 1 --steps 9", "--steps is for --tags"),
        ("--learn x.npz --tags hat --teacher labels --steps 9", "--steps is for --tags with"),
        ("--learn x.npz --tags hat --teacher labels", "does not take hat as a tag"),
        ("--learn x.npz --sefa 1 --teacher labels", "--teacher is for --tags"),
        ("--learn x.npz --sefa 2 --names a", "--names has 1 different names for 2 directions"),
        ("--learn x.npz --tags hat --names a", "--names has 1 different names for 0 directions"),
        ("--learn x.npz --sefa 1 --directions gone.npz -n", "gone.npz cannot be read"),
        ("--learn x.npz --pca 1 --psi 0.7", "--psi is for --learn --tags, not for the other ways"),
        ("--learn x.npz --pca 1 --cutoff 4", "--cutoff is not for --learn"),
        ("--learn x.npz --positive in --negative in/", "--positive and --negative are one folder"),
        ("--learn x.npz --tags ,", "--tags names no tag"),
        ("--edit pca0 --directions pca.npz", "nothing to edit"),
        ("--edit pca9 --directions pca.npz --seeds 0", "no direction 'pca9' among pca0, pca1"),
        ("--edit pca0@4-9 --directions pca.npz --seeds 0", "has the rows 0-5"),
        ("--edit pca0=x@ --directions pca.npz --seeds 0", "no direction 'pca0=x@'"),
        ("--edit pca0 --keep a --directions pca.npz --seeds 0", "no direction 'a'"),
        ("--edit pca0 --directions model.pkl --seeds 0", "not a file of directions"),
        ("--edit pca0 --directions gone.npz --seeds 0", "gone.npz cannot be read: No such file"),
        ("--edit pca0 --directions pca.npz --directions pca.npz --seeds 0", "pca0 is in pca.npz"),
        ("--edit pca0 --directions wide.npz --seeds 0", "this network has 8"),
        ("--edit pca0 --directions pca.npz --seeds 0 --strip 3:1:1", "neither different numbers"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(network: Path, line: str, words: str) -> None:
    if "wide" in line:
        whole = np.load(network / "pca.npz")
        np.savez(network / "wide.npz", **(dict(whole) | {"vectors": np.eye(3, 9)}))
    done = quick(f"sgedit {HERE} {line}", network)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert words in done.stderr
    assert not (network / "x.npz").exists()

"""dranker from outside."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from animetools.commands.dranker import RankOptions, open_network
from animetools.errors import FatalError
from animetools.images.files import decode_rgb, encode_png
from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.options import options_of
from tests.conftest import ROOT, Shell
from tests.quick import quick
from tests.tiny import snapshot

COUNT = 12


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network and a dozen pictures, a few of other sizes."""
    folder = tmp_path_factory.mktemp("ranked")
    checkpoints.write(str(folder / "model.pkl"), snapshot())
    stream = np.random.default_rng(0)
    (folder / "in").mkdir()
    for n in range(COUNT):
        size = (16, 16, 3) if n % 4 else (20, 31, 3)
        pixels = stream.integers(0, 256, size, np.uint8)
        (folder / f"in/{n:02}.png").write_bytes(encode_png(pixels))
    return folder


@pytest.fixture(scope="module")
def scored(place: Path) -> list[tuple[float, str]]:
    """What dranker prints of them, in their order."""
    done = subprocess.run(
        [ROOT / "bin/dranker", "model.pkl", "in"], cwd=place, capture_output=True, text=True
    )
    assert (done.returncode, "█" in done.stderr) == (0, False), done.stderr
    return lines(done.stdout)


@pytest.fixture
def here(place: Path, tmp_path: Path) -> Path:
    for name in ("model.pkl", "in"):
        (tmp_path / name).symlink_to(place / name)
    return tmp_path


def lines(text: str) -> list[tuple[float, str]]:
    pairs = [line.split("\t") for line in text.splitlines()]
    return [(float(value), path) for value, path in pairs]


@pytest.fixture(scope="module")
def scores(place: Path) -> dict[str, float]:
    """What the module itself says of each picture of the network's size."""
    network = snapshot().discriminator.build()
    found = {}
    for path in sorted((place / "in").iterdir()):
        pixels = decode_rgb(path.read_bytes())
        if pixels.shape[0] == 16:
            images = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()).float()
            found[f"in/{path.name}"] = float(network(images * (2 / 255) - 1))
    return found


def test_a_score_a_tab_and_the_path_in_the_order_of_the_input(
    shell: Shell, here: Path, scores: dict[str, float]
) -> None:
    done = shell("ls in/* | sort -r | dranker model.pkl -j 4")

    assert done.returncode == 0, done.stderr
    found = lines(done.stdout)
    assert [path for _, path in found] == [f"in/{n:02}.png" for n in reversed(range(COUNT))]
    assert {path: value for value, path in found if path in scores} == pytest.approx(
        scores, abs=1e-4
    )
    assert f"read {COUNT} = kept {COUNT} + " in done.stderr


def test_a_score_depends_neither_on_company_nor_on_order(
    here: Path, scored: list[tuple[float, str]]
) -> None:
    assert lines(quick("dranker model.pkl in/07.png in/03.png", here).stdout) == [
        scored[7],
        scored[3],
    ]


def test_the_best_and_the_worst_are_paths(
    shell: Shell, here: Path, scored: list[tuple[float, str]]
) -> None:
    ranking = [path for _, path in sorted(scored)]

    best = shell("dranker model.pkl --best 25% in -0 | tr '\\0' '\\n'")
    worst = quick("dranker model.pkl --sort --worst 3 in", here)

    assert best.stdout.splitlines() == sorted(ranking[-3:])
    assert f"rejected {COUNT - 3} ({COUNT - 3} not among the best)" in best.stderr
    assert worst.stdout.splitlines() == ranking[:3]


def test_a_threshold_is_a_filter(here: Path, scored: list[tuple[float, str]]) -> None:
    bound = sorted(value for value, _ in scored)[COUNT // 2]

    done = quick(f"dranker model.pkl --threshold {bound - 1e-4} in", here)

    assert done.stdout.splitlines() == [path for value, path in scored if value >= bound]


def test_json_has_the_rank_and_keeps_what_came_in(shell: Shell, here: Path) -> None:
    done = shell("""echo '{"path": "in/01.png", "seed": 5}' | cat - <(ls in/0[2-4]*) |
        dranker model.pkl --json""")

    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["path"] for record in records] == [f"in/0{n}.png" for n in range(1, 5)]
    assert records[0]["seed"] == 5
    by_rank = sorted(records, key=lambda record: record["rank"])
    assert [record["rank"] for record in by_rank] == [1, 2, 3, 4]
    values = [record["score"] for record in by_rank]
    assert values == sorted(values, reverse=True)


def test_shuffles_compare_images_with_each_other(
    here: Path, scored: list[tuple[float, str]]
) -> None:
    shuffled = quick("dranker model.pkl --shuffles 5 --minibatch 4 in", here)
    again = quick("dranker model.pkl --shuffles 5 in -j 1", here)

    assert shuffled.returncode == 0, shuffled.stderr
    assert shuffled.stdout == again.stdout
    assert [path for _, path in lines(shuffled.stdout)] == [path for _, path in scored]
    assert lines(shuffled.stdout) != scored


def test_the_sheet_shows_both_ends_and_overwrites_nothing(here: Path) -> None:
    done = quick("dranker model.pkl --best 1 --sheet tails.png in", here)
    assert done.returncode == 0, done.stderr
    made = (here / "tails.png").read_bytes()
    assert decode_rgb(made).shape == (2 * (32 + 2 * 144), 1024, 3)

    again = quick("dranker model.pkl --sheet tails.png in", here)
    assert (again.returncode, again.stdout) == (2, "")
    assert "--sheet tails.png exists" in again.stderr
    assert (here / "tails.png").read_bytes() == made
    assert quick("dranker model.pkl -n --sheet dry.png in", here).returncode == 0
    assert not (here / "dry.png").exists()


def test_a_histogram_is_for_a_person_only(shell: Shell, here: Path) -> None:
    leader, follower = os.openpty()
    run = subprocess.Popen(
        [ROOT / "bin/dranker", "model.pkl", "in"], cwd=here, stdout=subprocess.PIPE, stderr=follower
    )
    os.close(follower)
    said = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            break
        if not piece:
            break
        said += piece
    os.close(leader)
    assert len(run.communicate()[0].splitlines()) == COUNT
    assert "█" in said.decode()


def test_a_bad_image_costs_one_line(here: Path) -> None:
    (here / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    done = quick("dranker model.pkl in/01.png bad.png in/02.png --sort", here)
    assert done.returncode == 1
    assert sorted(done.stdout.split()) == ["in/01.png", "in/02.png"]
    assert "dranker: bad.png: " in done.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("dranker gone.pkl in", "gone.pkl does not exist"),
        ("dranker notes.txt in", "notes.txt: not a network file"),
        ("dranker model.pkl --best 0 in", "neither a share"),
        ("dranker model.pkl --best 101% in", "neither a share"),
        ("dranker model.pkl --worst a in", "neither a share"),
        ("dranker model.pkl --best 1.5 in", "neither a share"),
        ("dranker model.pkl --best 1 --worst 1 in", "exclude each other"),
        ("dranker model.pkl --threshold nan in", "--threshold"),
        ("dranker model.pkl --device cuda:99 in", "--device cuda:99"),
        ("dranker model.pkl --sheet tails.gif in", "give the name of a .png or .jpg"),
        ("dranker model.pkl --sheet no/such/tails.png in", "cannot write to the folder no/such"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(here: Path, line: str, words: str) -> None:
    (here / "notes.txt").write_text("no network")
    done = quick(line, here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert words in done.stderr


def test_the_shipped_network_scores_where_none_is_named(shell: Shell, here: Path) -> None:
    by_name = quick("dranker default in", here)
    assert len(lines(by_name.stdout)) == COUNT
    said = "dranker: scoring with the network of animetools"
    for line in ("dranker in", "dranker in/*", "find in/ | sort | dranker", "ls in/* | dranker -"):
        done = shell(line)
        assert (done.returncode, done.stdout) == (0, by_name.stdout), done.stderr
        assert done.stderr.startswith(said)
    assert said not in quick("dranker model.pkl in", here).stderr


def test_what_the_network_cannot_is_one_sentence(tmp_path: Path) -> None:
    whole = snapshot()
    network = whole.discriminator
    state = network.state | {"b4.out.bias": torch.full((1,), torch.nan)}
    no_numbers = NetworkFile("animetools", {"D": SavedNetwork(network.config, state)}, {})
    no_discriminator = NetworkFile("animetools", {"G_ema": whole.generator}, {})
    for made, options, words in [
        (whole, RankOptions(shuffles=1, minibatch=6), "multiple of 4"),
        (whole, RankOptions(class_="0"), "has no classes"),
        (no_discriminator, RankOptions(), "the file has no discriminator"),
        (snapshot(c_dim=2), RankOptions(class_="7"), "there is no class '7'"),
        (no_numbers, RankOptions(), "b4.out.bias"),
    ]:
        path = str(tmp_path / f"{len(os.listdir(tmp_path))}.pkl")
        checkpoints.write(path, made)
        with pytest.raises(FatalError, match=words) as why:
            open_network(options, path)
        assert "\n" not in str(why.value)


def test_classes_are_named_or_numbered(here: Path) -> None:
    made = snapshot(c_dim=2, labels=["cat", "dog"])
    checkpoints.write(str(here / "classes.pkl"), made)
    dog = quick("dranker classes.pkl --class dog in/01.png", here)
    both = quick("dranker classes.pkl --tags 0,dog in/01.png", here)
    assert (dog.returncode, both.returncode) == (0, 0), dog.stderr
    assert dog.stdout != both.stdout


def drawn(line: str, here: Path) -> str:
    """The records of what sggen draws with classes.pkl."""
    checkpoints.write(str(here / "classes.pkl"), snapshot(c_dim=2, labels=["cat", "dog"]))
    done = quick(f"sggen --network classes.pkl --json -q {line}", here)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("options", ["", "--shuffles 2", "--shuffles 2 --minibatch 2"])
def test_each_image_is_scored_as_of_the_class_of_its_record(
    shell: Shell, here: Path, options: str
) -> None:
    records = [json.loads(line) for line in drawn("--seeds 0-5", here).splitlines()]
    assert {record["class"] for record in records} == {"cat", "dog"}
    (here / "list").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    done = shell(f"dranker classes.pkl {options} - < list")
    assert (done.returncode, done.stdout.count("\n")) == (0, 6), done.stderr
    if options:  # by company, which is here of other classes
        return
    for name in ("cat", "dog"):
        mine = [record for record in records if record["class"] == name]
        paths = " ".join(record["path"] for record in mine)
        alone = quick(f"dranker classes.pkl --class {name} {paths}", here)
        assert set(lines(alone.stdout)) <= set(lines(done.stdout))
    every = shell("dranker classes.pkl --class cat - < list")
    assert (
        every.stdout
        == quick(
            f"dranker classes.pkl --class cat {' '.join(r['path'] for r in records)}", here
        ).stdout
    )


def test_tags_are_sggens_or_animetags_or_older_text(shell: Shell, here: Path) -> None:
    (record,) = map(json.loads, drawn("--seeds 0 --tags cat,dog", here).splitlines())
    assert record["tags"] == [["cat", "general", 1], ["dog", "general", 1]]
    both = quick(f"dranker classes.pkl --tags cat,dog {record['path']}", here).stdout
    tagged = record | {"tags": [["cat", "general", 0.9], ["dog", "general", 0.8], ["hat", "x", 1]]}
    for given in (record, tagged, record | {"tags": "cat,dog"}):
        (here / "list").write_text(json.dumps(given))
        assert shell("dranker classes.pkl - < list").stdout == both


def test_an_image_of_no_known_class_fails_alone(shell: Shell, here: Path) -> None:
    (record,) = map(json.loads, drawn("--seeds 0", here).splitlines())
    given = [record, record | {"class": "bird"}, {"path": "in/01.png"}]
    (here / "list").write_text("".join(f"{json.dumps(each)}\n" for each in given))
    done = shell("dranker classes.pkl -q - < list")
    assert (done.returncode, done.stdout.count("\n"), done.stderr.count("\n")) == (1, 1, 2)
    assert "its record: there is no class 'bird' among cat, dog" in done.stderr
    assert (
        "in/01.png: its record names no class of the network: give --class or --tags" in done.stderr
    )
    named = quick("dranker classes.pkl in", here)
    assert (named.returncode, named.stderr.count("\n")) == (2, 1)
    assert "give it with --class or --tags" in named.stderr


def test_a_card_is_never_given_nothing() -> None:
    # What a card is given is filled up to this many, so none would divide by zero there.
    assert RankOptions().batch > 0
    with pytest.raises(ValueError, match="--batch is at least 1"):
        next(o for o in options_of(RankOptions) if o.name == "batch").parse("0")

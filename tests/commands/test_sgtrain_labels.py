"""sgtrain --cond: networks that obey the labels of a dataset."""

import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from tests.commands.test_sgtrain import train
from tests.conftest import Shell
from tests.dataset.sets import encoded, folder, picture
from tests.quick import quick

NAMES = ["red", "green", "blue"]
TINY = "--preset tiny --channel-base 64 --channel-max 8 --batch 4 -j 1"
FIRST = "results/00000-d-tiny/snapshot-000000.008.pkl"


def colored(path: Path, names: list[str], labels: list[object], pictures: list[object]) -> None:
    """A StyleGAN2-ADA zip, with names of its labels as animepack gives them."""
    with zipfile.ZipFile(path, "w") as file:
        listed = []
        for number, (label, planes) in enumerate(zip(labels, pictures, strict=True)):
            name = f"00000/img{number:08d}.png"
            file.writestr(name, encoded(np.asarray(planes, np.uint8)))
            listed.append([name, label])
        file.writestr("dataset.json", json.dumps({"labels": listed, "label_names": names}))


def flat(color: int, seed: int) -> object:
    """A picture of one bright channel, and some noise."""
    planes = np.random.RandomState(seed).randint(0, 40, (3, 8, 8))
    planes[color] += 200
    return planes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes in d.zip, tags in e.zip, no labels in plain/, and a run of 8 images on d.zip."""
    path = tmp_path_factory.mktemp("labels")
    colors = [number % 3 for number in range(12)]
    pictures = [flat(color, number) for number, color in enumerate(colors)]
    colored(path / "d.zip", NAMES, list(colors), pictures)
    vectors: list[object] = [[float(color == n) for n in range(3)] for color in colors]
    colored(path / "e.zip", NAMES, vectors, pictures)
    colored(path / "other.zip", ["red", "green", "black"], list(colors), pictures)
    folder(path / "plain", [picture(seed, 8, 8) for seed in range(4)])
    train(f"d.zip {TINY} --kimg 0.008 --cond", path)
    return path


def snapshot(path: Path) -> NetworkFile:
    return checkpoints.read(str(path))


def test_a_snapshot_knows_its_labels_by_name(data: Path) -> None:
    made = snapshot(data / FIRST)
    assert made.facts["labels"] == NAMES
    assert made.generator.config.mapping.c_dim == 3  # type: ignore[attr-defined]
    drawn = quick(f"sggen --network {FIRST} --seeds 0-3 --class green", data)
    assert drawn.returncode == 0, drawn.stderr
    judged = quick(f"dranker {FIRST} --class green {' '.join(drawn.stdout.split())}", data)
    assert (judged.returncode, len(judged.stdout.splitlines())) == (0, 4), judged.stderr


def test_a_network_of_tags_draws_and_judges_without_tags(
    data: Path, tmp_path: Path, shell: Shell
) -> None:
    tags = "--cond --label-dropout 0.5 --d-map-layers 0"
    network = train(f"e.zip {TINY} --kimg 0.004 {tags} -o {tmp_path}", data).stdout.strip()
    made = snapshot(Path(network))
    assert (made.facts["tags"], made.facts["config"]["label_dropout"]) == (True, 0.5)
    assert not any(name.startswith("mapping.fc") for name in made.networks["D"].state)
    drawn = quick(f"sggen --network {network} --seeds 0 --tags '' --json -o {tmp_path}/a", data)
    record = json.loads(drawn.stdout)
    assert record["tags"] == []
    assert "class" not in record
    red = quick(f"sggen --network {network} --seeds 0 --tags red -o {tmp_path}/b", data)
    empty, named = (Path(data / each).read_bytes() for each in (record["path"], red.stdout.strip()))
    assert empty != named
    files = quick(f"dranker {network} {record['path']}", data)
    (tmp_path / "list").write_text(drawn.stdout)
    listed = shell(f"dranker {network} - < list")
    assert files.stdout.split()[0] == listed.stdout.split()[0], files.stderr + listed.stderr
    other = quick(f"dranker {network} --tags red {record['path']}", data)
    assert other.stdout != files.stdout


@pytest.mark.parametrize("kind", ["bag", "doc2vec"])
def test_tags_can_be_reduced_to_fewer_numbers(data: Path, tmp_path: Path, kind: str) -> None:
    line = f"e.zip {TINY} --cond --tag-embedding {kind} --tag-width 2 -o {tmp_path}/a"
    first = Path(train(f"{line} --kimg 0.004", data).stdout.strip())
    again = train(f"e.zip --resume {first} --kimg 0.008 -j 1 -o {tmp_path}/a", data)
    bags = [
        snapshot(each).generator.state["mapping.bag.weight"]
        for each in (first, Path(again.stdout.strip()))
    ]
    assert bags[0].shape == (3, 2)
    assert (bags[0] == bags[1]).all() == (kind == "doc2vec")
    told = quick(f"sgconvert --info --json {first}", data)
    record = json.loads(told.stdout)
    assert (record["tag_embedding"], record["tag_width"], record["c_dim"]) == (kind, 2, 3)
    drawn = [
        quick(f"sggen --network {first} --seeds 0 --tags {tags} -o {tmp_path}/{tags}", data)
        for tags in ("red", "red,blue")
    ]
    one, two = (Path(data, each.stdout.strip()).read_bytes() for each in drawn)
    assert one != two
    other = quick(f"sgtrain e.zip --resume {first} --tag-embedding none -o {tmp_path}/a", data)
    assert (other.returncode, other.stdout) == (2, "")
    assert f"--tag-embedding is {kind} in {first}, not none: leave it out" in other.stderr


def test_labels_of_all_kinds_go_over_by_name(data: Path, tmp_path: Path) -> None:
    names = ["blue", "green", "red"]
    colors = [number % 3 for number in range(6)]
    vectors: list[object] = [[float(color == n) for n in range(3)] for color in colors]
    colored(tmp_path / "f.zip", names, vectors, [flat(color, 0) for color in colors])
    still = f"{TINY} --kimg 0.004 --cond --g-lr 0 --d-lr 0"
    first = train(f"e.zip {still} -o {tmp_path}/a", data).stdout.strip()
    line = f"{tmp_path}/f.zip {still} --tag-embedding bag --tag-width 4"
    made = train(f"{line} --transfer {first} -o {tmp_path}/b", data)
    assert "layers that start from random weights: none" in made.stderr
    pictures = [
        quick(f"sggen --network {path} --seeds 0 --tags red,blue:0.5 -o {tmp_path}/{name}", data)
        for name, path in [("old", first), ("new", made.stdout.strip())]
    ]
    old, new = (np.asarray(Image.open(data / each.stdout.strip()), int) for each in pictures)
    assert np.abs(old - new).max() <= 1


@pytest.mark.slow
def test_networks_obey(data: Path, tmp_path: Path) -> None:
    speed = "--preset tiny --batch 12 --aug none -j 1 --kimg 3 --channel-base 128 --channel-max 16"
    done = train(f"e.zip {speed} --cond -o {tmp_path}", data)
    network = done.stdout.splitlines()[-1]
    for number, color in enumerate(NAMES):
        line = f"sggen --network {network} --seeds 0-19 --tags {color} --noise none -o {tmp_path}/{color}"
        drawn = quick(line, data).stdout.split()
        assert len(drawn) == 20
        means = [np.asarray(Image.open(data / path)).mean((0, 1)) for path in drawn]
        right = sum(int(mean.argmax()) == number for mean in means)
        assert right >= 18, (color, np.round(means))


def test_a_run_that_is_resumed_stays_conditional(data: Path, tmp_path: Path) -> None:
    done = train(f"d.zip --resume {FIRST} --kimg 0.012 -j 1 -o {tmp_path}", data)
    made = snapshot(data / done.stdout.strip())
    assert made.facts["labels"] == NAMES
    assert made.facts["config"]["cond"] is True
    (data / done.stdout.strip()).unlink()


def test_layers_of_a_network_without_labels_go_over(data: Path, tmp_path: Path) -> None:
    plain = train(f"d.zip {TINY} --kimg 0.004 -o {tmp_path}/plain", data).stdout.strip()
    line = (
        f"d.zip --cond {TINY} --kimg 0.004 --g-lr 0 --d-lr 0 --transfer {plain} -o {tmp_path}/cond"
    )
    done = train(line, data)
    assert "layers that start from random weights: G.mapping.embed, D.mapping.embed" in done.stderr
    before, after = snapshot(Path(plain)), snapshot(Path(done.stdout.strip()))
    first, wide = (each.generator.state["mapping.fc0.weight"] for each in (before, after))
    assert wide.shape[1] > first.shape[1]
    assert (wide[:, : first.shape[1]] == first).all()
    back = train(
        f"d.zip {TINY} --kimg 0.004 --transfer {done.stdout.strip()} -o {tmp_path}/b", data
    )
    assert snapshot(Path(back.stdout.strip())).facts.get("labels") is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("plain --cond", "plain: holds no labels: in dataset.json"),
        (f"plain --resume {FIRST}", "plain: holds no labels: in dataset.json"),
        ("d.zip --label-dropout 0.5", "--label-dropout is for --cond: leave it out"),
        ("d.zip --label-noise 0.5", "--label-noise is for --cond: leave it out"),
        ("d.zip --cond --tag-embedding bag", "labels of d.zip are classes: leave it out"),
        ("e.zip --cond --tag-width 9", "--tag-width is for --tag-embedding bag or doc2vec"),
        ("e.zip --cond --preset s1 --tag-embedding bag", "--tag-embedding is not for --preset s1"),
        ("d.zip --mismatch 1", "--mismatch is for --cond: leave it out"),
        ("d.zip --classify 1", "--classify is for --cond: leave it out"),
        ("d.zip --d-map-layers 0", "--d-map-layers is for --cond, without --preset s1: leave it"),
        ("d.zip --cond --preset s1 --label-dropout 1", "--label-dropout is not for --preset s1"),
        (f"other.zip --resume {FIRST}", "other labels: 'blue' where the dataset has 'black'"),
        ("few.zip --cond", "few.zip: 2 names for labels of 3 classes or numbers"),
        ("odd.zip --cond", "odd.zip: dataset.json: label_names: not a list of names"),
    ],
)
def test_labels_that_do_not_fit_are_one_sentence(
    data: Path, tmp_path: Path, line: str, reason: str
) -> None:
    colored(data / "few.zip", ["red", "green"], [0, 1, 2], [flat(n, n) for n in range(3)])
    colored(data / "odd.zip", ["red", 1, "\n"], [0, 1, 2], [flat(n, n) for n in range(3)])  # type: ignore[list-item]
    done: subprocess.CompletedProcess[str] = quick(f"sgtrain {line} -o {tmp_path}/r -j 1", data)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1

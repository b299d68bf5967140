"""sgproject with encoders: trained, used, and refused."""

import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from animetools.images.files import encode_png
from animetools.netfiles import checkpoints
from tests.quick import quick, start
from tests.tiny import snapshot

KIMG = 2.4
TRAIN = "sgproject --train-encoder --network model.pkl -j 1 --kimg"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, its encoder in enc/, and a folder of pictures that it drew."""
    folder = tmp_path_factory.mktemp("trained")
    checkpoints.write(str(folder / "model.pkl"), snapshot())
    assert quick("sggen --network model.pkl --seeds 0-2 -o in", folder).returncode == 0
    done = quick(f"{TRAIN} {KIMG} -o enc", folder)
    assert (done.returncode, done.stdout) == (0, "enc/encoder.safetensors\n"), done.stderr
    assert "held back w 0." in done.stderr
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / "here"))


def found(line: str, cwd: Path) -> list[dict[str, float]]:
    """The records of pictures that are projected."""
    done = quick(f"sgproject --network model.pkl --json {line} in", cwd)
    assert done.returncode == 0, done.stderr
    return [json.loads(each) for each in done.stdout.splitlines()]


def test_an_encoder_guesses_at_once_and_both_goes_on_from_there(here: Path) -> None:
    encoder = "--encoder enc/encoder.safetensors"
    mean, both, fewer = (
        np.mean([record["psnr"] for record in found(line, here)])
        for line in (
            "-o mean --way optimize --steps 1",
            f"-o both --realism 0 --steps 12 {encoder}",
            "-o fewer --realism 0 --steps 12 --way optimize",
        )
    )
    for space in ("w", "w+"):
        guess = found(f"-o {space} --way encode --space {space} {encoder}", here)
        assert mean + 3 < np.mean([record["psnr"] for record in guess]) < both
    assert both > fewer
    with np.load(here / "both/in/seed0000.png.npz", allow_pickle=False) as file:
        facts = json.loads(str(file["facts"]))
    assert (facts["way"], facts["steps"], len(facts["encoder"])) == ("both", 12, 16)
    # Another encoder is another setting.
    assert quick(f"{TRAIN} 0.1 -o other", here).returncode == 0
    line = "sgproject --network model.pkl --realism 0 --steps 12 -o both in"
    again = quick(f"{line} --encoder other/encoder.safetensors", here)
    assert again.returncode == 2
    assert "--encoder" in again.stderr


def test_guesses_are_the_same_in_company_and_are_drawn(here: Path) -> None:
    line = "sgproject --network model.pkl --encoder enc/encoder.safetensors --way encode"
    names = [f"in/seed000{n}.png" for n in range(3)]
    quick(f"{line} -o all -j 3 {' '.join(reversed(names))}", here)
    done = quick(f"{line} -o one {names[1]}", here)
    assert done.returncode == 0, done.stderr
    both = [(here / folder / f"{names[1]}.npz").read_bytes() for folder in ("all", "one")]
    assert both[0] == both[1]
    drawn = quick(f"sggen --network model.pkl -o again one/{names[1]}.npz", here)
    assert drawn.returncode == 0, drawn.stderr


def test_killed_and_run_again_it_is_the_run_that_was_not(here: Path) -> None:
    with tempfile.TemporaryDirectory() as log:
        running = start(f"{TRAIN} {KIMG} -o killed", here, log)
        while not list((here / "killed").glob("snapshot-*.pkl")):
            assert running.is_alive(), Path(log, "2").read_text()
            time.sleep(0.01)
        assert running.pid
        os.kill(running.pid, signal.SIGKILL)
        running.join()
    done = quick(f"{TRAIN} {KIMG} -o killed", here)
    assert done.returncode == 0, done.stderr
    assert "continuing from killed/snapshot-000001.008.pkl" in done.stderr
    one, other = (here / name / "encoder.safetensors" for name in ("killed", "enc"))
    assert one.read_bytes() == other.read_bytes()
    names = sorted(path.name.split(".tfevents")[0] for path in (here / "enc").iterdir())
    expected = ["encoder.safetensors", "events.out", "log.txt", "run.json"]
    assert names == [".lock", *expected, "snapshot-000002.400.pkl"]


def test_a_finished_encoder_is_kept(here: Path) -> None:
    before = (here / "enc/encoder.safetensors").stat().st_mtime_ns
    again = quick(f"{TRAIN} {KIMG} -o enc", here)
    assert (again.returncode, again.stdout) == (0, "enc/encoder.safetensors\n"), again.stderr
    assert (here / "enc/encoder.safetensors").stat().st_mtime_ns == before
    assert "has learned from 2.4 kimg: raise --kimg to continue" in again.stderr
    whole = (here / "enc/encoder.safetensors").read_bytes()
    (here / "enc/encoder.safetensors").unlink()  # as a run leaves it that is killed just before
    assert quick(f"{TRAIN} {KIMG} -o enc", here).returncode == 0
    assert (here / "enc/encoder.safetensors").read_bytes() == whole
    other = quick(f"{TRAIN} {KIMG} -o enc --seed 5", here)
    assert (other.returncode, other.stdout) == (2, "")
    assert "is of a run with seed 0, not 5: --force starts over" in other.stderr
    longer = quick(f"{TRAIN} 2.6 -o enc", here)
    assert longer.returncode == 0, longer.stderr
    assert "continuing from enc/snapshot-000002.400.pkl" in longer.stderr
    for data in (b"cut off", b""):
        (here / "enc/snapshot-000002.608.pkl").write_bytes(data)
        damaged = quick(f"{TRAIN} 2.8 -o enc", here)
        assert (damaged.returncode, damaged.stdout) == (2, "")
        assert "is not the snapshot of an encoder: --force starts over" in damaged.stderr
    shorter = quick(f"{TRAIN} 0.1 -o enc --force", here)
    assert shorter.returncode == 0, shorter.stderr
    assert (here / "enc/encoder.safetensors").stat().st_mtime_ns > before
    assert len(list((here / "enc").glob("snapshot-*"))) == 1
    os.makedirs(here / "own")
    (here / "own/encoder.safetensors").write_bytes(b"somebody's")
    foreign = quick(f"{TRAIN} 0.1 -o own", here)
    assert (foreign.returncode, foreign.stdout) == (2, "")
    assert (here / "own/encoder.safetensors").read_bytes() == b"somebody's"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--way encode", "no encoder of model.pkl: name one with --encoder"),
        ("--way both", "no encoder of model.pkl"),
        ("--encoder gone", "gone cannot be read: No such file"),
        ("--encoder model.pkl", "model.pkl is not an encoder of animetools"),
        ("--encoder cut", "cut is a broken or truncated safetensors file"),
        ("--encoder enc/encoder.safetensors --network other.pkl", "not of other.pkl"),
        ("--encoder enc/encoder.safetensors --space z", "finds w, not z"),
        ("--way both --start nearest", "exclude each other"),
        ("--way encode --noise", "finds no noise maps"),
        ("--way encode --steps 5", "--way encode takes no steps"),
        ("--kimg 5", "--kimg is for --train-encoder"),
        ("--train-encoder --align", "--align is not for --train-encoder"),
        ("--train-encoder --steps 5", "--steps is not for --train-encoder"),
        ("--way optimize --encoder enc/encoder.safetensors", "exclude each other"),
        ("--train-encoder --way both", "leave out --encoder and --way"),
        ("--train-encoder", "--train-encoder takes no pictures"),
        ("--train-encoder --kimg 0", "--kimg is at least 0.001"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(here: Path, options: str, words: str) -> None:
    checkpoints.write(str(here / "other.pkl"), snapshot(seed=5))
    (here / "cut").write_bytes((here / "enc/encoder.safetensors").read_bytes()[:-9])
    done = quick(f"sgproject --network model.pkl {options} in", here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert words in done.stderr


def test_bad_pictures_cost_a_line_each(here: Path) -> None:
    (here / "wide.png").write_bytes(encode_png(np.zeros((16, 40, 3), np.uint8)))
    (here / "empty.png").write_bytes(encode_png(np.full((64, 64, 3), 255, np.uint8)))
    line = "sgproject --network model.pkl --encoder enc/encoder.safetensors --way encode"
    done = quick(f"{line} wide.png in/seed0000.png", here)
    assert (done.returncode, done.stdout) == (1, "latents/in/seed0000.png.npz\n")
    assert "wide.png: 40x16 pixels, the network draws 16x16" in done.stderr
    none = quick(f"{line} --align empty.png", here)
    assert (none.returncode, none.stdout) == (1, "")
    assert "empty.png: no face found" in none.stderr


def test_the_network_that_ships_has_an_encoder(tmp_path: Path) -> None:
    assert quick("sggen --seeds 7 --psi 0.7 -o in", tmp_path).returncode == 0
    done = quick("sgproject --way encode --json in/seed0007.png", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["psnr"] > 18

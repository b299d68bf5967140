"""sgfig from outside."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animetools.netfiles import checkpoints
from tests.conftest import ROOT, Shell, within_a_second
from tests.netfiles.goldens import tf_file
from tests.quick import quick
from tests.tiny import snapshot

MAKE = "sgfig truncation --network network.pkl --size 16"


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Network files of a few thousand numbers."""
    folder = tmp_path_factory.mktemp("networks")
    checkpoints.write(str(folder / "network.pkl"), snapshot())
    labels = ["long_hair", "smile", "hat"]
    checkpoints.write(str(folder / "conditional.pkl"), snapshot(c_dim=3, labels=labels))
    checkpoints.write(str(folder / "clear.pkl"), snapshot(image_channels=4))
    for name in ("s1_32", "s2_orig_32", "s2f_32_labels", "ext_32"):
        (folder / f"{name}.pkl").write_bytes(tf_file(name))
    (folder / "text.pkl").write_text("a text")
    (folder / "empty").mkdir()
    (folder / "run").mkdir()
    for number in range(3):
        path = folder / f"run/snapshot-00000{number}.000.pkl"
        checkpoints.write(str(path), snapshot(seed=number))
    np.save(folder / "z.npy", np.zeros((2, 12), np.float32))
    return folder


@pytest.fixture
def here(networks: Path, tmp_path: Path) -> Path:
    for path in networks.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def test_a_figure_is_a_file_that_says_where_it_comes_from(here: Path) -> None:
    done = quick(f"{MAKE} --seeds 3,5 --psi 1,0 --json", here)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record.pop("path") == "figures/truncation.png"
    assert (record["figure"], record["seeds"], record["psi"]) == ("truncation", "3,5", [1.0, 0.0])
    assert record["network"] == "network.pkl"
    assert len(record["sha256"]) == 64
    with Image.open(here / "figures/truncation.png") as image:
        assert json.loads(image.info["Description"]) == record
        width, height = image.size
    assert (width > 32, height) == (True, 16 + 2 * 16)
    assert f"sgfig: truncation: {width} x {height} pixels of 4 pictures\n" in done.stderr
    done = quick(f"{MAKE} --seeds 3,5 --format jpg -q -o j", here)
    assert done.stdout == "j/truncation.jpg\n"
    with Image.open(here / "j/truncation.jpg") as image:
        assert image.format == "JPEG"
        assert json.loads(image.getexif()[0x10E])["figure"] == "truncation"


def test_pictures_in_it_are_those_that_sggen_draws(here: Path) -> None:
    quick(f"{MAKE} --seeds 3,5 --psi 1,0.5 -q", here)
    quick("sggen --network network.pkl --seeds 3,5 --psi 1,0.5 -q", here)
    with Image.open(here / "figures/truncation.png") as image:
        figure = np.asarray(image)
    left, top = figure.shape[1] - 32, figure.shape[0] - 32
    for row, seed in enumerate((3, 5)):
        for column, psi in enumerate(("1", "0.5")):
            with Image.open(here / f"images/seed000{seed}-psi{psi}.png") as image:
                y, x = top + 16 * row, left + 16 * column
                assert np.array_equal(figure[y : y + 16, x : x + 16], np.asarray(image))


def test_a_second_run_lists_it_and_another_never_overwrites_it(here: Path) -> None:
    first = quick(f"{MAKE} --seeds 3 --json", here)
    before = (here / "figures/truncation.png").read_bytes()
    second = quick(f"{MAKE} --seeds 3 --json", here)
    assert second.stdout == first.stdout
    assert "kept 1 + rejected 0" in second.stderr
    other = quick(f"{MAKE} --seeds 4 --json", here)
    assert (other.returncode, other.stdout) == (2, "")
    assert "was made with --seeds 3, this run is with --seeds 4" in other.stderr
    psi = quick(f"{MAKE} --seeds 3 --psi 1 --json", here)
    assert psi.returncode == 2
    assert "this run is with --psi 1:" in psi.stderr
    assert (here / "figures/truncation.png").read_bytes() == before
    assert quick(f"{MAKE} --seeds 4 -f", here).returncode == 0
    assert (here / "figures/truncation.png").read_bytes() != before
    assert quick("sgfig noise-layers --network network.pkl", here).returncode == 0
    (here / "foreign").mkdir()
    (here / "foreign/truncation.png").write_text("mine")
    done = quick(f"{MAKE} -o foreign", here)
    assert (done.returncode, (here / "foreign/truncation.png").read_text()) == (1, "mine")


def test_a_dry_run_writes_nothing(here: Path) -> None:
    done = quick(f"{MAKE} -n -o dry", here)
    assert (done.returncode, done.stdout) == (0, "dry/truncation.png\n")
    assert not (here / "dry").exists()


def test_latents_of_another_file_are_another_figure(here: Path) -> None:
    assert quick(f"{MAKE} z.npy -q", here).stdout == "figures/truncation.png\n"
    np.save(here / "other.npy", np.ones((2, 12), np.float32))
    done = quick(f"{MAKE} other.npy -q", here)
    assert (done.returncode, done.stdout) == (1, "")
    assert "was made from something else" in done.stderr


def test_training_takes_a_run_or_snapshots(here: Path) -> None:
    run = quick("sgfig training run --seeds 1 --json -q", here)
    assert json.loads(run.stdout)["snapshots"] == [
        f"snapshot-00000{number}.000.pkl" for number in range(3)
    ]
    files = " ".join(f"run/snapshot-00000{number}.000.pkl" for number in (2, 0, 1))
    again = quick(f"sgfig training {files} --seeds 1 -q -o again", here)
    assert again.returncode == 0, again.stderr
    assert (here / "again/training.png").read_bytes() == (
        here / "figures/training.png"
    ).read_bytes()
    two = quick("sgfig training run --seeds 1 --count 2 --json -q -o two", here)
    assert [name[9:15] for name in json.loads(two.stdout)["snapshots"]] == ["000000", "000002"]


@pytest.mark.parametrize("network", ["s1_32", "s2_orig_32", "s2f_32_labels", "ext_32", "clear"])
def test_networks_of_all_kinds_have_figures(here: Path, network: str) -> None:
    make = f"--network {network}.pkl --size 8 -q"
    kinds = ["mixing --seeds 1,2 --rows 3-5", "noise --count 3", "interpolation --count 2"]
    kinds += ["classes --count 2"] * network.endswith("labels")
    for kind in kinds:
        done = quick(f"sgfig {kind} {make}", here)
        assert (done.returncode, done.stderr) == (0, ""), (kind, done.stderr)


def test_a_killed_run_leaves_nothing_and_is_made_again(here: Path) -> None:
    make = [f"{ROOT}/bin/sgfig", "noise", "--network", "network.pkl", "--count", "4000"]

    def end(number: int) -> float:
        process = subprocess.Popen(make, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stderr
        process.stderr.readline()
        began = time.monotonic()
        os.kill(process.pid, number)
        assert process.communicate()[0] == b""
        assert process.returncode == -number
        assert not list(here.glob("figures/*.png"))
        return time.monotonic() - began

    assert within_a_second(lambda: end(signal.SIGINT))
    end(signal.SIGKILL)
    done = quick("sgfig noise --network network.pkl --count 3 -q", here)
    assert done.stdout == "figures/noise.png\n"
    assert not list(here.glob("figures/.*part"))


def test_help_names_every_kind_and_loads_no_torch(shell: Shell) -> None:
    from animetools.sampling.figure_options import KINDS

    done = shell("PYTHONPROFILEIMPORTTIME=1 sgfig --help")
    words = done.stdout.replace("-\n                   ", "-")
    assert all(kind in words for kind in KINDS)
    assert " torch\n" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "no kind of figure is given: uncurated, mixing,"),
        ("truncaton", "'truncaton' is not a kind of figure: give truncation"),
        ("x", "'x' is not a kind of figure: give uncurated, mixing,"),
        ("truncation --seeds ''", "--seeds: seeds are whole numbers"),
        ("truncation --psi nan", "--psi: 'nan' is not a number"),
        ("truncation --psi inf", "--psi: 'inf' is not a number"),
        ("mixing --psi 1,0.5", "--psi takes one value for mixing"),
        ("mixing --ranges 0-6", "--ranges 0-6: this network has the rows 0-5 of w"),
        ("mixing --ranges 3-1", "'3-1' is not ranges of rows of w"),
        ("mixing --ranges 0-3,L4-5", "or of layers of a StyleGAN 3, such as input-L3,L4-L7"),
        ("mixing --ranges 0-1,2", "--ranges has 2 ranges for 6 rows of pictures"),
        ("truncation --ranges 0-1", "--ranges is not for truncation"),
        ("noise --noise none", "--noise is not for noise"),
        ("uncurated --seeds 1,2", "uncurated takes at most 1 seed, not 2"),
        ("clusters --noise seed", "--noise seed and --truncate z are not for it"),
        ("uncurated --truncate z --psi 1", "draws many latents of one seed"),
        ("mixing --rows 0-9999999", "mixing takes at most 4,096 seeds, not 10,000,000"),
        ("interpolation --seeds 1", "an interpolation is between two seeds or more"),
        ("classes", "this network has no classes"),
        ("truncation --seeds 0-9999999", "truncation takes at most 4,096 seeds, not 10,000,000"),
        (
            "truncation --seeds 0-4000 --size 512",
            "pixels, more than 100,000,000 in all: give fewer",
        ),
        ("clusters --count 4096 --size 8192", "pixels, more than 100,000,000 in all: give fewer"),
        ("truncation gone.npy", "gone.npy: no such file"),
        ("truncation text.pkl", "text.pkl: neither an .npy, an .npz nor a .pt file"),
        ("truncation 7", "7: no such file or directory"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(here: Path, words: str, said: str) -> None:
    done = quick(f"sgfig {words} --network network.pkl", here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said.lower() in done.stderr.lower()
    assert not (here / "figures").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("training", "no run is given: sgfig training results/00000-NAME"),
        ("training gone", "gone does not exist"),
        ("training empty", "empty has no snapshots"),
        ("training run --network network.pkl", "--network is not for training"),
        ("training text.pkl", "text.pkl: not a network file"),
        ("classes --network conditional.pkl --tags hat --tags cat", "no class 'cat' among"),
        ("truncation --network clear.pkl --format jpg", "opacity, which JPEG cannot hold"),
        (
            "pyramid --network s2_orig_32.pkl",
            "only the last layer of this StyleGAN 2 paints colors",
        ),
        ("truncation --network gone.pkl", "gone.pkl does not exist"),
    ],
)
def test_what_a_network_cannot_draw_is_one_sentence(here: Path, words: str, said: str) -> None:
    done = quick(f"sgfig {words}", here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr
    assert not (here / "figures").exists()


def test_latents_that_cannot_be_drawn_are_said_of_the_figure(here: Path) -> None:
    np.save(here / "nan.npy", np.full((1, 12), np.nan, np.float32))
    (here / "truncation").mkdir()  # which is no input, nor an output
    done = quick(f"{MAKE} nan.npy -q", here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sgfig: truncation: these latents are not finite numbers\n"
    for folder in (here, here / "run"):  # the same figure, wherever one stands
        done = quick(f"{MAKE} --network {here}/network.pkl --seeds 1 -o {here}/made", folder)
        assert (done.returncode, done.stdout) == (0, f"{here}/made/truncation.png\n"), done.stderr


def test_snapshots_of_two_runs_are_no_run(here: Path) -> None:
    done = quick("sgfig training network.pkl s1_32.pkl -q", here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "they are not of one run" in done.stderr

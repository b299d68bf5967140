"""sgproject from outside."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from animetools.commands.sgproject import open_network
from animetools.errors import FatalError
from animetools.images.files import encode_png, read_rgb
from animetools.inversion.options import ProjectOptions
from animetools.inversion.pictures import psnr
from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from tests.conftest import ROOT, Shell
from tests.quick import quick, start
from tests.tiny import snapshot

FEW = "--network model.pkl --realism 0 --steps 8"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A network, and a folder of pictures that it drew."""
    checkpoints.write(str(tmp_path / "model.pkl"), snapshot())
    assert quick("sggen --network model.pkl --seeds 0-2 -o in", tmp_path).returncode == 0
    return tmp_path


def test_what_it_finds_is_drawn_again(shell: Shell, here: Path) -> None:
    done = shell(
        "sggen --network model.pkl --seeds 0-1 --psi 0.7 -o in --json --name '{seed}.png'"
        " | sgproject --network model.pkl --realism 0 --steps 60 --json | tee found"
        " | sggen --network model.pkl -o again -"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"again/latents/in/{n}.png.npz.0.png" for n in range(2)]
    for n, line in enumerate((here / "found").read_text().splitlines()):
        record = json.loads(line)
        assert record["path"] == f"latents/in/{n}.png.npz"
        assert record["seed"] == n  # of the picture that it was found for
        one, other = (
            read_rgb(str(here / name))
            for name in (f"in/{n}.png", f"again/latents/in/{n}.png.npz.0.png")
        )
        assert psnr(one, other) == pytest.approx(record["psnr"], abs=0.1)
        assert record["psnr"] > 25


def test_a_file_holds_latents_noise_and_settings(here: Path) -> None:
    line = f"sgproject {FEW} --space w --noise --sheet in/seed0000.png"
    done = quick(line, here)
    assert (done.returncode, done.stdout) == (0, "latents/in/seed0000.png.npz\n"), done.stderr
    with np.load(here / "latents/in/seed0000.png.npz", allow_pickle=False) as file:
        assert file["w"].shape == (1, 8)
        assert [file[f"noise{n}"].shape for n in range(5)] == [
            (4, 4), (8, 8), (8, 8), (16, 16), (16, 16)
        ]  # fmt: skip
        facts = json.loads(str(file["facts"]))
    assert facts["picture"] == "in/seed0000.png"
    assert (facts["space"], facts["steps"], facts["noise"]) == ("w", 8, True)
    assert read_rgb(str(here / "latents/in/seed0000.png.png")).shape == (16, 32, 3)
    # sggen draws it with its noise, unless other noise is asked for.
    drawn = []
    for options in ("", "--noise none -o none"):
        again = quick(f"sggen --network model.pkl {options} {done.stdout.strip()}", here)
        assert again.returncode == 0, again.stderr
        drawn.append(read_rgb(str(here / again.stdout.strip())))
    shown = read_rgb(str(here / "latents/in/seed0000.png.png"))[:, 16:]
    assert np.abs(drawn[0].astype(int) - shown).max() <= 1
    assert (drawn[0] != drawn[1]).any()


def test_company_jobs_and_order_change_no_byte(here: Path) -> None:
    names = [f"in/seed000{n}.png" for n in range(3)]
    quick(f"sgproject {FEW} -o all -j 3 {' '.join(reversed(names))}", here)
    done = quick(f"sgproject {FEW} -o one {names[1]}", here)
    assert done.returncode == 0, done.stderr
    both = [(here / folder / f"{names[1]}.npz").read_bytes() for folder in ("all", "one")]
    assert both[0] == both[1]


def test_a_killed_run_continues_and_other_settings_are_refused(here: Path) -> None:
    (here / "log").mkdir()
    slow = "sgproject --network model.pkl --steps 40 in -j 1"
    running = start(slow, here, str(here / "log"))
    first = here / "latents/in/seed0000.png.npz"
    while not (here / "log/1").exists() or not (here / "log/1").stat().st_size:
        assert running.is_alive()
        time.sleep(0.01)
    assert running.pid
    os.kill(running.pid, signal.SIGKILL)
    running.join()
    written = first.stat().st_mtime_ns
    done = quick(slow, here)
    assert (done.returncode, done.stdout.count("\n")) == (0, 3), done.stderr
    assert first.stat().st_mtime_ns == written
    assert sorted(os.listdir(here / "latents/in")) == [f"seed000{n}.png.npz" for n in range(3)]
    other = quick("sgproject --network model.pkl --steps 9 in", here)
    assert other.returncode == 2
    assert "--steps" in other.stderr


def test_bad_pictures_cost_a_line_each(here: Path) -> None:
    wide = np.zeros((16, 40, 3), np.uint8)
    (here / "wide.png").write_bytes(encode_png(wide))
    (here / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (here / "notes.txt").write_text("no picture")
    done = quick(f"sgproject {FEW} wide.png bad.png notes.txt in/seed0000.png gone.png", here)
    assert (done.returncode, done.stdout) == (1, "latents/in/seed0000.png.npz\n")
    for words in (
        "wide.png: 40x16 pixels, the network draws 16x16: crop it",
        "bad.png: ",
        "gone.png: no such file",
    ):
        assert words in done.stderr
    dry = quick(f"sgproject {FEW} -n -o dry wide.png in/seed0001.png", here)
    assert (dry.returncode, dry.stdout) == (1, "dry/in/seed0001.png.npz\n")
    assert not (here / "dry").exists()


def test_a_face_is_cut_as_animecrop_cuts_it(here: Path) -> None:
    raw = quick("animedraw --count 1 --portraits 256 -o raw", here).stdout.strip()
    face = quick(f"animecrop --align --largest -o faces {raw}", here).stdout.strip()
    for line in (f"-o a --align --sheet {raw}", f"-o b --sheet {face}"):
        done = quick(f"sgproject {FEW} {line}", here)
        assert done.returncode == 0, done.stderr
    one, other = (read_rgb(str(path)) for path in sorted(here.glob("[ab]/**/*.png")))
    assert np.array_equal(one[:, :16], other[:, :16])
    (here / "empty.png").write_bytes(encode_png(np.full((64, 64, 3), 255, np.uint8)))
    none = quick(f"sgproject {FEW} --align empty.png", here)
    assert (none.returncode, none.stdout) == (1, "")
    assert "empty.png: no face found" in none.stderr


def test_faces_are_aligned_without_nvxs(shell: Shell, here: Path) -> None:
    raw = quick("animedraw --count 1 --portraits 256 -o raw", here).stdout.strip()
    (here / "run.py").write_text(
        "from animetools.images import nvxs\n"
        "nvxs.is_installed = lambda: False\n"
        "from animetools.commands.sgproject import sgproject\n"
        "sgproject()\n"
    )
    done = shell(f"{ROOT}/.venv/bin/python run.py {FEW} --align -n {raw}")
    assert done.stdout == f"latents/{raw}.npz\n", done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--network gone.pkl", "gone.pkl does not exist"),
        ("--network in/seed0000.png", "not a network file"),
        ("--class 1", "this network has no classes"),
        ("--class 1 --tags 2", "exclude each other"),
        ("--portrait", "--portrait needs --align"),
        ("--features in/seed0000.png", "not a TorchScript file"),
        ("--steps 0", "--steps is at least 1"),
        ("--device cuda:99", "--device cuda:99"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(here: Path, options: str, words: str) -> None:
    done = quick(f"sgproject --network model.pkl {options} in", here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert words in done.stderr


def test_a_network_without_a_discriminator_compares_pixels(here: Path) -> None:
    alone = NetworkFile("animetools", {"G_ema": snapshot().generator}, {})
    checkpoints.write(str(here / "g.pkl"), alone)
    done = quick("sgproject --network g.pkl --steps 3 --json in/seed0000.png", here)
    assert done.returncode == 0, done.stderr
    assert "comparing pixels only" in done.stderr
    assert "features" not in json.loads(done.stdout)


def test_damaged_networks_are_refused(tmp_path: Path) -> None:
    whole = snapshot()
    state = whole.generator.state | {"mapping.w_avg": torch.full((8,), torch.nan)}
    networks = {"G_ema": type(whole.generator)(whole.generator.config, state)}
    checkpoints.write(str(tmp_path / "nan.pkl"), NetworkFile("animetools", networks, {}))
    with pytest.raises(FatalError, match="not finite"):
        open_network(ProjectOptions(network=str(tmp_path / "nan.pkl")))

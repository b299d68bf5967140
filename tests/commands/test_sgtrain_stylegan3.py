"""sgtrain --preset s3t and s3r: StyleGAN 3."""

import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig
from tests import tiny
from tests.commands.test_sgtrain import assert_same, train
from tests.dataset.sets import picture, zipped
from tests.netfiles import sg3
from tests.quick import quick, start

NARROW = "--channel-base 64 --channel-max 4"
SMALL = f"{NARROW} --map-layers 1 --batch 4 -j 1"
RUN = "results/00000-d-s3r"
LAST = f"{RUN}/snapshot-000000.012.pkl"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets of 16 and 32 pixels, and a run of config R on the first."""
    path = tmp_path_factory.mktemp("alias-free")
    zipped(path / "d", [picture(seed) for seed in range(8)])
    zipped(path / "larger", [picture(seed, 32, 32) for seed in range(4)])
    zipped(path / "wide", [picture(seed, 32, 16) for seed in range(4)])
    train(f"d.zip --preset s3r {SMALL} --kimg 0.012 --snap 0.004", path)
    checkpoints.write(str(path / "s2.pkl"), tiny.snapshot())
    only = {"G_ema": snapshot(path / LAST).generator}
    checkpoints.write(str(path / "g.pkl"), NetworkFile("animetools", only, {}))
    for name in ("m32", "t32x"):
        (path / f"{name}.pkl").symlink_to(sg3.path(name))
    return path


def snapshot(path: Path) -> NetworkFile:
    return checkpoints.read(str(path))


@pytest.mark.parametrize(
    ("line", "outputs"),
    [
        ("sggen --seeds 0-1 --rotate 90 --translate 0.25,0 -o", 2),
        ("sgvideo turn --seconds 0.2 --fps 20 --frames", 4),
        ("sgvideo drift --seconds 0.1 --fps 20 --frames", 2),
        ("sgfig mixing --rows 1 --seeds 0-2 -o", 1),
    ],
)
def test_its_snapshots_are_what_other_commands_take(
    data: Path, tmp_path: Path, line: str, outputs: int
) -> None:
    done = quick(f"{line} {tmp_path}/out --network {LAST} -j 1", data)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == outputs


def test_its_discriminator_ranks(data: Path, tmp_path: Path) -> None:
    for number in range(2):
        Image.fromarray(picture(number).transpose(1, 2, 0)).save(tmp_path / f"{number}.png")
    done = quick(f"dranker {LAST} -j 1 {tmp_path}/0.png {tmp_path}/1.png", data)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2), done.stderr


def test_its_pictures_turn(data: Path, tmp_path: Path) -> None:
    line = f"sggen --network {LAST} --seeds 3 -j 1"
    for more in ("-o plain", "--rotate 90 -o turned"):
        done = quick(f"{line} {more.replace('-o ', f'-o {tmp_path}/')}", data)
        assert done.returncode == 0, done.stderr
    plain, turned = (
        np.asarray(Image.open(tmp_path / f"{name}/seed0003.png"), np.float64)
        for name in ("plain", "turned")
    )
    assert plain.std() > 1
    assert abs(turned - np.rot90(plain)).max() <= 1


def test_killed_and_resumed_it_is_the_run_that_was_not(data: Path, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as there:
        line = f"sgtrain d.zip --preset s3r {SMALL} --kimg 50 --snap 0.004 -o {tmp_path}"
        process = start(line, data, there)
        while not list(tmp_path.glob("*/snapshot-000000.008.pkl")) and process.is_alive():
            time.sleep(0.01)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    for later in sorted(tmp_path.glob("*/*.pkl"))[1:]:
        later.unlink()
    train(f"d.zip --kimg 0.012 --snap 0.004 --resume latest -o {tmp_path} -j 1", data)
    (*_, last) = sorted(tmp_path.glob("*/*.pkl"))
    assert_same(last, data / LAST)


def test_weights_go_on_at_the_same_size(data: Path, tmp_path: Path) -> None:
    still = "--g-lr 0 --d-lr 0 --batch 4 --kimg 0.004 -j 1"
    done = train(f"d.zip --preset s3r {still} --transfer {LAST} -o {tmp_path}", data)
    assert "layers that start from random weights: none" in done.stderr
    before, after = snapshot(data / LAST).generator.state, snapshot(Path(done.stdout.strip()))
    assert after.facts["config"]["blur_kimg"] == 0
    for name, value in before.items():
        if not name.endswith(("w_avg", "magnitude_ema")):  # which follow
            assert torch.equal(after.networks["G"].state[name], value), name


def test_another_size_keeps_its_own_layers(data: Path, tmp_path: Path) -> None:
    small = f"{NARROW} --batch 4 -j 1"
    done = train(
        f"larger.zip --preset s3r {small} --kimg 0.004 --transfer {LAST} -o {tmp_path}", data
    )
    assert "G.synthesis.L5_52_4, " in done.stderr
    assert "G.synthesis.L5_52_4." not in done.stderr  # the layer, not each of its tensors
    made, theirs = (snapshot(each).generator for each in (Path(done.stdout.strip()), data / LAST))
    assert isinstance(made.config, StyleGAN3GeneratorConfig)
    assert isinstance(theirs.config, StyleGAN3GeneratorConfig)
    assert made.config.image_size == (32, 32)
    assert made.config.mapping == theirs.config.mapping
    name = "synthesis.L1_36_4.down_filter"  # of a lower cutoff at 16 px
    assert not torch.equal(made.state[name], theirs.state[name])


def test_a_golden_file_is_trained_on(data: Path, tmp_path: Path) -> None:
    rest = f"--batch 4 --kimg 0.004 -j 1 -o {tmp_path}"
    done = train(f"larger.zip --preset s3t --transfer m32.pkl {rest}", data)
    assert "the networks are those of m32.pkl, not of s3t" in done.stderr
    made = snapshot(Path(done.stdout.strip()))
    assert made.generator.config == snapshot(data / "m32.pkl").generator.config


@pytest.mark.parametrize(
    ("line", "radial"),
    [
        (f"d.zip --preset s3t --resume {LAST}", True),
        (f"d.zip --preset s3t --transfer {LAST}", True),
        (f"d.zip --preset s3t {NARROW} --transfer g.pkl", True),
        ("larger.zip --preset s3r --transfer t32x.pkl", False),
        (f"larger.zip --preset s3t {SMALL} --transfer {LAST}", False),
    ],
)
def test_the_settings_are_those_of_the_networks(data: Path, line: str, radial: bool) -> None:
    done = quick(f"sgtrain -n --batch 4 --kimg 0.02 -j 1 {line}", data)
    assert done.returncode == 0, done.stderr
    assert f"radial {radial}\n" in done.stderr


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "wide.zip --preset s3t",
            "--preset s3t draws squares of 16, 32, 64... pixels, not 32 x 16",
        ),
        (
            "d.zip --preset s3t --transfer s2.pkl",
            "s2.pkl: a StyleGAN 2, while the networks of this",
        ),
        ("larger.zip --preset s2 --transfer m32.pkl", "StyleGAN 2: pass --preset s3t or s3r"),
        ("d.zip --blur-kimg 5", "--blur-kimg is for --preset s3t and s3r: leave it out"),
        (
            f"d.zip --preset s3r --map-layers 3 --transfer {LAST}",
            "--map-layers 3: the networks are",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(data: Path, line: str, reason: str) -> None:
    done = quick(f"sgtrain {line} -j 1", data)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr

"""sgtrain --preset s1: StyleGAN 1, whose networks grow."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from tests import tiny
from tests.commands.test_sgtrain import assert_same, train
from tests.dataset.sets import picture, zipped
from tests.netfiles import goldens
from tests.quick import quick

# 8 px to 0.016 kimg, 16 px from 0.032 to 0.048, 32 px from 0.064.
SMALL = "--preset s1 --channel-base 64 --channel-max 8 --map-layers 1 -j 1"
QUICK = f"{SMALL} --batch 8,16px:4 --stable-kimg 0.016 --fade-kimg 0.016"
RUN = "results/00000-d-s1"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images of 32 x 32 in d.zip, and a run on them that has grown to 32 pixels."""
    path = tmp_path_factory.mktemp("growth")
    zipped(path / "d", [picture(seed, 32, 32) for seed in range(8)])
    zipped(path / "classes", [picture(seed, 32, 32) for seed in range(8)], [0, 1] * 4)
    (path / "said").write_text(train(f"d.zip {QUICK} --kimg 0.072 --snap 0.008", path).stderr)
    checkpoints.write(str(path / "s2.pkl"), tiny.snapshot())
    checkpoints.write(str(path / "s1.pkl"), tiny.old_snapshot())
    (path / "tf.pkl").write_bytes(goldens.tf_file("s1_32_lod1.5"))
    return path


def snapshot(path: Path) -> NetworkFile:
    return checkpoints.read(str(path))


def lods(made: NetworkFile) -> list[float]:
    """How far G, D and G_ema have grown."""
    states = [made.networks[name].state for name in ("G", "D", "G_ema")]
    return [float(state.get("lod", state.get("synthesis.lod"))) for state in states]  # type: ignore[arg-type]


def test_a_run_grows_from_8_to_32_pixels(data: Path) -> None:
    found = {path.name[9:-4]: lods(snapshot(path)) for path in data.glob(f"{RUN}/*.pkl")}
    assert found.keys() == {f"000000.0{n}" for n in (40, 48, 56, 64, 72)}
    for kimg, lod in {"40": 1.0, "48": 1.0, "56": 0.75, "64": 0.25, "72": 0.0}.items():
        assert found[f"000000.0{kimg}"] == [lod] * 3, kimg
    said = (data / "said").read_text()
    assert re.search(r"take .*: [\d.]+ s/kimg at 8 px, [\d.]+ s/kimg at 16 px, .* at 32 px\n", said)
    assert re.search(r"s/kimg  32 px  G ", said)
    curve = EventAccumulator(str(data / RUN))
    curve.Reload()
    steps = {point.step: point.value for point in curve.Scalars("lod")}
    assert steps[16] == 2
    assert steps[40] == 1


def test_an_early_snapshot_samples_and_ranks(data: Path, tmp_path: Path) -> None:
    early = f"{RUN}/snapshot-000000.040.pkl"
    drawn = quick(f"sggen --network {early} --seeds 0-3 -j 1 -o {tmp_path}", data)
    assert drawn.returncode == 0, drawn.stderr
    for path in drawn.stdout.split():
        pixels = np.asarray(Image.open(data / path))
        assert pixels.shape == (32, 32, 3)
        assert (pixels == pixels[::2, ::2].repeat(2, 0).repeat(2, 1)).all()  # it is at 16 px
    ranked = quick(f"dranker {early} -j 1 {' '.join(drawn.stdout.split())}", data)
    assert (ranked.returncode, len(ranked.stdout.splitlines())) == (0, 4), ranked.stderr


@pytest.mark.parametrize("kimg", ["0.012", "0.02", "0.044"])  # before, and while 16 and 32 fade in
def test_resumed_before_or_amid_a_fade_it_is_the_run_that_was_not(
    data: Path, tmp_path: Path, kimg: str
) -> None:
    train(f"d.zip {QUICK} --kimg {kimg} -o {tmp_path}", data)
    train(f"d.zip --kimg 0.072 --resume latest -o {tmp_path} -j 1", data)
    (*_, last) = sorted(tmp_path.glob("*/*.pkl"))
    assert_same(last, data / f"{RUN}/snapshot-000000.072.pkl")


@pytest.mark.parametrize(
    ("source", "kimg", "lod"),
    [
        (f"{RUN}/snapshot-000000.072.pkl", 0.064, 0.0),
        (f"{RUN}/snapshot-000000.056.pkl", 0.052, 0.75),
        ("tf.pkl", 0.024, 1.5),
        ("s1.pkl", 0.032, 1.0),  # of 16 px: 32 px are to fade in
    ],
)
def test_weights_go_on_where_they_are(
    data: Path, tmp_path: Path, source: str, kimg: float, lod: float
) -> None:
    preset = "--preset s1 --batch 4 --stable-kimg 0.016 --fade-kimg 0.016 -j 1"
    end = kimg + 0.004
    done = train(
        f"d.zip {preset} --g-lr 0 --d-lr 0 --kimg {end:.3f} --transfer {source} -o {tmp_path}", data
    )
    assert "go back" not in done.stderr
    made, old = snapshot(data / done.stdout.strip()), snapshot(data / source)
    assert made.facts["kimg"] == pytest.approx(end)
    assert lods(made) == [lod] * 3
    for name, value in old.generator.state.items():
        if name not in ("mapping.w_avg", "synthesis.lod"):
            assert torch.equal(made.networks["G"].state[name], value), name


def test_a_model_is_erased_by_command_only(data: Path, tmp_path: Path) -> None:
    source = f"{RUN}/snapshot-000000.072.pkl"
    back = train(f"-n d.zip {QUICK} --transfer {source} --resume-kimg 0", data)
    assert "at 0 kimg the networks would go back from 32 to 8 px" in back.stderr
    assert "raise --resume-kimg to keep it" in back.stderr
    done = quick(f"sgtrain d.zip --resume {source} --fade-kimg 9 --kimg 30 -j 1", data)
    assert done.returncode == 2
    assert "go back from 32 to 16 px" in done.stderr
    assert "leave out --stable-kimg and --fade-kimg" in done.stderr


def test_conditional_networks_grow(data: Path, tmp_path: Path) -> None:
    done = train(f"classes.zip {QUICK} --cond --kimg 0.024 -o {tmp_path}", data)
    network = data / done.stdout.strip()
    made = snapshot(network)
    assert (made.generator.config.mapping.c_dim, made.discriminator.config.c_dim) == (2, 2)  # type: ignore[attr-defined]
    drawn = quick(f"sggen --network {network} --seeds 0 --class 1 -o {tmp_path}/i -j 1", data)
    assert drawn.returncode == 0, drawn.stderr
    ranked = quick(f"dranker {network} --class 1 {drawn.stdout.strip()} -j 1", data)
    assert ranked.returncode == 0, ranked.stderr


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--preset s1 --dtype bf16", "--dtype bf16: a StyleGAN 1 trains in fp32: leave it out"),
        ("--preset s1 --batch 8,px:4", "--batch: '8,px:4' is neither a whole number from 1 to"),
        ("--preset s1 --batch 8,32px:6 --accumulate 4", "--batch 6 cannot be split into 4 equal"),
        ("--preset s1 --fade-kimg 600,100:5", "--fade-kimg: '600,100:5' is neither a number of"),
        ("--preset tiny --stable-kimg 5", "--stable-kimg is for --preset s1: leave it out"),
        ("--preset s1 --resume-kimg 5", "--resume-kimg is for --transfer: leave it out"),
        ("--transfer s2.pkl --resume-kimg 5", "--resume-kimg is for --preset s1: leave it out"),
        ("--preset s1 --transfer s1.pkl --resume-kimg -1", "--resume-kimg is at least 0, not -1"),
        ("--preset s1 --transfer s1.pkl --kimg 9", "s1.pkl would continue at 1200 kimg, where"),
        ("--transfer s1.pkl", "s1.pkl: a StyleGAN 1, while the networks of this run are StyleGAN 2"),
        ("--preset s1 --transfer s2.pkl", "s2.pkl: a StyleGAN 2, while the networks of this run"),
        (f"--preset s2 --resume {RUN}/snapshot-000000.072.pkl", "pass --preset s1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(data: Path, tmp_path: Path, line: str, reason: str) -> None:
    done = quick(f"sgtrain d.zip {line} -j 1 -o {tmp_path}/results", data)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()

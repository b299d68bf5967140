"""Networks in the layouts of other programs, through the commands that take networks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from animetools.netfiles import checkpoints
from tests.netfiles import genforce_files, lucid
from tests.quick import quick


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A network of lucidrains with transparency, attention and a codebook."""
    lucid.written(tmp_path, "rich")
    return "model_1.pt"


def test_a_network_of_lucidrains_is_drawn_scored_and_described(tmp_path: Path, model: str) -> None:
    done = quick(f"sggen --network {model} --seeds 3,4 --psi 1", tmp_path)
    assert done.returncode == 0, done.stderr
    pictures = done.stdout.split()
    shown = np.asarray(Image.open(tmp_path / pictures[0]))
    generator = checkpoints.read(str(tmp_path / model)).generator.build()
    z = torch.tensor(np.random.RandomState(3).randn(1, 12)).float()
    image = (generator(z)[0] * 127.5 + 128).clamp(0, 255).permute(1, 2, 0)
    assert shown.shape == (16, 16, 4)
    assert abs(shown - image.numpy()).max() <= 1
    done = quick(f"dranker {model} {' '.join(pictures)}", tmp_path)
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == pictures
    done = quick(f"sgconvert --info {model}", tmp_path)
    assert "StyleGAN 2 of lucidrains" in done.stdout


def test_its_colors_and_noise_are_in_figures(tmp_path: Path, model: str) -> None:
    for kind in ("pyramid --seeds 1", "noise-layers --seeds 1", "mixing --seeds 1,2 --rows 3-5"):
        done = quick(f"sgfig {kind} --network {model}", tmp_path)
        assert done.returncode == 0, done.stderr


def test_a_lost_config_is_told(tmp_path: Path, model: str) -> None:
    (tmp_path / ".config.json").unlink()
    done = quick(f"sggen --network {model} --seeds 3", tmp_path)
    assert done.returncode == 0
    assert "lr_mlp 0.1, the default, is assumed" in done.stderr


def test_a_network_of_genforce_is_drawn_and_converted(tmp_path: Path) -> None:
    torch.save(genforce_files.content("s2"), tmp_path / "a.pth")
    done = quick("sgconvert a.pth b.pt", tmp_path)
    assert done.returncode == 0, done.stderr
    quick("sggen --network a.pth --seeds 1 --noise none -o a", tmp_path)
    quick("sggen --network b.pt --seeds 1 --noise none -o b", tmp_path)
    one, other = (np.asarray(Image.open(tmp_path / f"{n}/seed0001.png"), int) for n in "ab")
    assert abs(one - other).max() <= 1


def test_nothing_trains_a_network_of_lucidrains(tmp_path: Path) -> None:
    lucid.written(tmp_path, "plain")
    quick("sggen --network model_1.pt --seeds 0-3 -o i", tmp_path)
    quick("animepack i -o d.zip --size 32", tmp_path)
    done = quick("sgtrain d.zip --transfer model_1.pt --dry-run", tmp_path)
    assert done.returncode == 2
    assert "no --preset trains a StyleGAN 2 of lucidrains" in done.stderr

"""What is compared, and that noise stays noise."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from animetools.errors import FatalError
from animetools.inversion import noise
from animetools.inversion.loss import (
    as_shown,
    feature_distance,
    of_discriminator,
    of_torchscript,
    pixel_distance,
)
from animetools.networks.discriminator import Discriminator
from animetools.networks.ops import normalize_instances
from tests.tiny import snapshot

CPU = torch.device("cpu")


def white(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def test_pixels_are_compared_at_every_scale() -> None:
    image = white(2, 3, 16, 16)
    assert pixel_distance(image, image).tolist() == [0, 0]
    # A change of the whole picture is seen at all three scales, a pattern of single pixels at one.
    even = pixel_distance(image, image + 0.5)
    board = (torch.arange(16)[:, None] + torch.arange(16)) % 2 - 0.5
    fine = pixel_distance(image, image + board)
    assert torch.allclose(even, torch.full((2,), 3 * 0.25), atol=1e-5)
    assert torch.allclose(fine, torch.full((2,), 0.25), atol=1e-5)


def test_what_is_beyond_white_is_white() -> None:
    targets = torch.tensor([1.0, 1.0, -1.0, -1.0, 0.5]).view(1, 1, 1, 5)
    images = torch.tensor([1.5, -1.5, -3.0, 0.5, 2.0]).view(1, 1, 1, 5)
    assert as_shown(images, targets).flatten().tolist() == [1, -1.5, -1, 0.5, 2]


def test_every_block_of_a_discriminator_counts_and_their_last_is_what_its_head_takes() -> None:
    discriminator = snapshot().discriminator.build()
    assert isinstance(discriminator, Discriminator)
    images = white(2, 3, 16, 16)
    outputs = list(discriminator.block_outputs(images))
    assert [list(x.shape[2:]) for x in outputs] == [[16, 16], [8, 8], [4, 4]]
    assert torch.equal(outputs[-1], discriminator.features(images))
    features = of_discriminator(discriminator)
    norms = [x.square().sum(1) for x in features(images)]
    assert all(torch.allclose(norm, torch.ones_like(norm), atol=1e-4) for norm in norms)
    assert feature_distance(features(images), features(images)).tolist() == [0, 0]
    both = feature_distance(features(images), features(images.flip(0)))
    assert both[0] > 0.01
    assert torch.allclose(both[0], both[1])


class Embedding(torch.nn.Module):
    """A layer's maps, and a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.conv(x)
        return [x, x.mean((2, 3))]


class Rounding(torch.nn.Module):
    """What has no gradients."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).detach()


class Total(torch.nn.Module):
    """One number for all images."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_gives_features_or_says_why_not(tmp_path: Path) -> None:
    def saved(module: torch.nn.Module) -> str:
        path = str(tmp_path / f"{type(module).__name__}.pt")
        torch.jit.script(module).save(path)  # type: ignore[no-untyped-call]
        return path

    features = of_torchscript(saved(Embedding()), 3, (16, 16), CPU)
    assert [list(x.shape) for x in features(white(2, 3, 16, 16))] == [[2, 4, 14, 14], [2, 4]]
    grey = of_torchscript(saved(Embedding()), 1, (16, 16), CPU)
    assert len(grey(white(2, 1, 16, 16))) == 2
    (tmp_path / "text.pt").write_text("no program")
    for path, words in [
        (str(tmp_path / "text.pt"), "not a TorchScript file"),
        (str(tmp_path / "gone.pt"), "not a TorchScript file"),
        (saved(Rounding()), "cannot be used for images of 16x16 pixels"),
        (saved(torch.nn.Conv2d(5, 4, 3)), "cannot be used for images of 16x16 pixels"),
        (saved(Total()), "cannot be used for images of 16x16 pixels"),
    ]:
        with pytest.raises(FatalError, match=words) as why:
            of_torchscript(path, 3, (16, 16), CPU)
        assert "\n" not in str(why.value)


def test_white_noise_is_told_from_smooth_noise_and_stripes() -> None:
    maps = white(1, 1, 64, 64)
    stripes = torch.arange(64).remainder(2).float().expand(1, 1, 64, 64)
    smooth = torch.nn.functional.avg_pool2d(maps, 3, 1, 1)
    found = [float(noise.correlation([normalize_instances(x)])) for x in (maps, smooth, stripes)]
    assert found[0] < 0.1 < 0.5 < min(found[1:])
    kept = normalize_instances(5 * maps + 2)
    assert abs(float(kept.mean())) < 1e-5
    assert abs(float(kept.var(correction=0)) - 1) < 1e-4

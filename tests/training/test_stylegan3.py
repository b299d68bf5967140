"""What is particular to training a StyleGAN 3."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from animetools.errors import FatalError
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig
from animetools.networks.stylegan3.modules import Generator
from animetools.training.architecture import networks
from animetools.training.averages import magnitude_decay, track_average
from animetools.training.blurring import blurred, sigma_at
from animetools.training.config import TrainConfig, preset
from animetools.training.gan import GAN
from animetools.training.networks import new_networks
from animetools.training.settings import settings
from tests.benchmarks import stylegan3 as benchmark
from tests.conftest import ROOT
from tests.netfiles import sg3
from tests.netfiles.goldens import error
from tests.training import pairs

CLOSE = 2e-5


def small(name: Any = "s3t", **changes: Any) -> TrainConfig:
    """A preset with few channels, for images of 16 px."""
    narrow = replace(preset(name, 16), channel_base=64, channel_max=4, latent=8, **changes)
    return replace(narrow, batch="4", mbstd=2, gamma=1.0, aug="none")


def gan_of(config: TrainConfig, dtype: torch.dtype = torch.float32) -> GAN:
    g, d = new_networks(*networks(config, 16, 16, 3, 0), 0)
    return GAN(g.to(dtype), d.to(dtype), config)


def reals(number: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return pairs.uniform(number, 4, 3, 16, 16).to(dtype)


@pytest.mark.parametrize(
    ("name", "size", "gamma", "counts"),
    [
        ("s3t", 256, 2, (28_472_133, 28_864_129)),
        ("s3r", 256, 2, (18_816_387, 28_864_129)),
        ("s3t", 512, 8, (24_873_519, 28_982_849)),
        ("s3r", 1024, 32, (15_093_151, 29_012_513)),
    ],
)
def test_presets_are_the_papers(
    name: Any, size: int, gamma: float, counts: tuple[int, int]
) -> None:
    config = preset(name, size)
    with torch.device("meta"):
        pair = new_networks(*networks(config, size, size, 3, 0), 0)
    assert tuple(sum(p.numel() for p in network.parameters()) for network in pair) == counts
    assert (config.gamma, config.g_lr, config.d_lr) == (gamma, "0.0025", "0.002")
    assert (config.pl_weight, config.mixing, config.w_decay) == (0, 0, 0.998)
    assert (config.aug, config.target, config.ema_kimg, config.ema_ramp) == ("ada", 0.6, 10, 0.05)
    assert config.blur_kimg == (200 if name == "s3r" else 0)


def test_half_lives_follow_the_batch_that_is_given() -> None:
    config = settings({"preset": "s3r", "batch": "8"}, 64, None, "", transfer=False)
    assert (config.ema_kimg, config.blur_kimg) == (2.5, 50)
    config = settings({"preset": "s3r"}, 64, None, "", transfer=True)
    assert (config.ema_ramp, config.ada_kimg, config.blur_kimg) == (None, 100, 0)
    with pytest.raises(FatalError, match="--blur-kimg is for --preset s3t and s3r: leave it out"):
        settings({"preset": "ada", "blur_kimg": 3.0}, 64, None, "", transfer=False)
    with pytest.raises(
        FatalError, match=r"draws squares of 16, 32, 64\.\.\. pixels, not 20 x 16: ani"
    ):
        networks(small(), 16, 20, 3, 0)


def test_the_blur_is_the_originals() -> None:
    with np.load(ROOT / "tests/golden/sg3/blur.npz") as golden:
        random = np.random.RandomState(int(golden["x_seed"]))
        x = torch.tensor(random.randn(1, 3, 64, 64).astype(np.float32))
        for sigma in (10.0, 3.3, 0.5, 0.2):
            wanted = torch.tensor(golden[f"blur_{sigma}"])
            assert error(blurred(x, sigma)[0, :1], wanted) < CLOSE
    config = replace(small(), blur_kimg=2.0)
    assert [sigma_at(config, kimg) for kimg in (0, 1, 2, 3)] == [10, 5, 0, 0]
    assert sigma_at(replace(config, blur_kimg=0.0), 0) == 0


@pytest.mark.parametrize("name", ["t32x", "m32", "r64", "t64c"])
def test_averages_follow_as_the_originals_do(name: str) -> None:
    file, info, wanted = sg3.read(name)
    g = file.generator.build()
    assert isinstance(g, Generator)
    with torch.no_grad():
        ws = g.mapping(wanted["z"], wanted.get("c"))
        track_average(g.mapping, ws[:, 0].mean(0), info["w_avg_beta"])
        decay = info["magnitude_ema_beta"]
        images = g.synthesis.following(list(ws.split(1)), decay, lambda rows: rows.mean(0))
        again = g.synthesis(ws)
    magnitudes = torch.stack([layer.magnitude_ema for layer in g.synthesis.layers])
    assert error(magnitudes, wanted["ema_magnitude"]) < CLOSE
    assert error(g.mapping.w_avg, wanted["ema_w_avg"]) < CLOSE
    assert error(torch.cat(images), again) < CLOSE


@pytest.mark.parametrize("name", ["t32x", "m32"])
def test_every_gradient_is_that_of_the_plain_form(name: str) -> None:
    """Zeros between the samples, and weights scaled for the image; in float64, with the clamp."""
    file, _, wanted = sg3.read(name)
    g = file.generator.build()
    assert isinstance(g, Generator)
    g = g.double().requires_grad_()
    z, gradients = wanted["z"][:1].double(), []
    for draw in (lambda ws: benchmark.plain(g, ws), g.synthesis):
        image = draw(g.mapping(z))
        weights = torch.linspace(-1, 1, image.numel(), dtype=torch.float64).view_as(image)
        gradients.append(torch.autograd.grad((image * weights).sum(), list(g.parameters())))
    for (key, parameter), mine, theirs in zip(g.named_parameters(), *gradients, strict=True):
        assert mine.shape == parameter.shape
        assert (mine - theirs).norm() <= 1e-7 * theirs.norm().clamp_min(1e-9), key


def test_averages_move_with_the_discriminators_fakes_only() -> None:
    gan = gan_of(small())
    before = {key: value.clone() for key, value in gan.generator.named_buffers()}
    gan.g.begin()
    gan.phases.generator_gradients(gan.draw(4))
    gan.g.step()
    moved = {
        key: value
        for key, value in gan.generator.named_buffers()
        if not torch.equal(value, before[key])
    }
    assert moved == {}
    gan.d.begin()
    gan.phases.discriminator_gradients(gan.draw(4), reals(0), None)
    g: Any = gan.generator
    average: Any = gan.ema
    of_layers = [layer.magnitude_ema for layer in g.synthesis.layers]
    assert all(value != 1 for value in of_layers)
    assert gan.generator.mapping.w_avg.any()
    gan.finish(4)
    assert average.synthesis.layers[3].magnitude_ema == of_layers[3]
    assert magnitude_decay(20000) == 0.5


def test_only_the_discriminators_rate_is_corrected_for_a_regularizer() -> None:
    for weight, g_rate, g_beta in ((0.0, 0.0025, 0.99), (2.0, 0.002, 0.99**0.8)):
        gan = gan_of(small(pl_weight=weight))
        terms = gan.step(reals(0))
        assert ("path_penalty" in terms) == (weight > 0)
        g, d = (x.adam.param_groups[0] for x in (gan.g, gan.d))
        assert (g["lr"], g["betas"][1]) == pytest.approx((g_rate, g_beta))
        assert (d["lr"], d["betas"][1]) == pytest.approx((0.002 * 16 / 17, 0.99 ** (16 / 17)))


def test_the_discriminator_sees_a_blur_that_fades_before_any_augmentation() -> None:
    seen: list[Tensor] = []

    def watched(images: Tensor, p: float, chance: torch.Generator) -> Tensor:
        seen.append(images.detach())
        return images

    gan = gan_of(small("s3r", blur_kimg=0.008))
    gan.augment = watched
    for number, sigma in enumerate((10.0, 5.0, 0.0)):
        seen.clear()
        gan.step(reals(number))
        torch.testing.assert_close(seen[2], blurred(reals(number), sigma))
        smooth = [images.diff(dim=2).abs().mean() / images.abs().mean() for images in seen]
        assert all((each < 0.3) == (sigma > 0) for each in smooth[2:])


def test_a_batch_gives_the_same_in_several_parts() -> None:
    states = []
    for parts in (1, 2):
        config = small("s3r", accumulate=parts, blur_kimg=0.1)
        gan = gan_of(config, torch.float64)
        for number in range(2):
            gan.step(reals(number, torch.float64))
        states.append(gan.ema.state_dict() | gan.discriminator.state_dict())
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, rtol=1e-8, atol=1e-10, msg=key)


def test_half_precision_is_that_of_the_layers_at_high_rates() -> None:
    config = replace(preset("s3t", 256), channel_base=256, channel_max=4, latent=8, dtype="fp16")
    g, d = new_networks(*networks(config, 256, 256, 3, 0), 0)
    assert isinstance(g, Generator)
    assert isinstance(g.config, StyleGAN3GeneratorConfig)
    assert g.config.clamp == 256
    exact, _ = networks(replace(config, dtype="fp32"), 256, 256, 3, 0)
    assert isinstance(exact, StyleGAN3GeneratorConfig)
    assert exact.clamp is None
    gan = GAN(g, d, config, precision=torch.bfloat16)
    kinds: list[torch.dtype] = []
    for layer in g.synthesis.layers:
        layer.register_forward_hook(lambda layer, given, made: kinds.append(made.dtype))
    halved = [layer.rate * 16 > 256 for layer in g.config.layers]
    assert set(halved) == {False, True}
    fakes = gan.phases.fakes(gan.draw(1))
    draws: list[Callable[[], Tensor]] = [
        lambda: gan.networks.images(torch.zeros(1, 16, 8), None),
        lambda: next(fakes),
    ]
    for draw in draws:
        kinds.clear()
        images = draw()
        assert [kind == torch.bfloat16 for kind in kinds] == halved
        assert images.dtype == torch.float32
        assert math.isfinite(float(images.sum()))

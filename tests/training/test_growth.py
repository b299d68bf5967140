"""Progressive growing: its schedule, the images at each size, and GANs that grow."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from animetools.networks.ops import enlarge
from animetools.networks.stylegan1.config import (
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
)
from animetools.training.architecture import networks
from animetools.training.config import TrainConfig, preset
from animetools.training.gan import GAN
from animetools.training.growth import faded, kimg_at, lod_at, setback, size_at, stages
from animetools.training.networks import new_networks
from tests.training import pairs

CHANNELS = (8, 8, 8, 8)  # of networks of 32 px
S1 = preset("s1", 512)
# 8 px to 0.016 kimg, fading to 0.048, 16 px to 0.064, fading to 0.096, then 32 px.
QUICK = replace(S1, batch="4", stable_kimg="0.016", fade_kimg="0.032", ema_kimg=0.02)


def grown_gan(config: TrainConfig = QUICK, *, seen: int = 0, seed: int = 0) -> GAN:
    """New networks of 32 x 32 pixels, whose noise shows."""
    pair = new_networks(
        StyleGAN1GeneratorConfig(pairs.MAPPING, CHANNELS),
        StyleGAN1DiscriminatorConfig(CHANNELS, dense=8),
        seed,
    )
    for name, value in pair[0].named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.constant_(value, 0.1)
    return GAN(*pair, config, seen=seen)


def reals(number: int, count: int = 4) -> Tensor:
    return pairs.uniform(number, count, 3, 32, 32).float()


@pytest.mark.parametrize(
    ("resolution", "kimg", "lod"),
    [
        (512, 0, 6),
        (512, 600, 6),
        (512, 900, 5.5),
        (512, 1200, 5),
        (512, 7000, 1 / 3),
        (512, 7200, 0),
        (512, 25000, 0),
        (1024, 8400, 0),
        (1024, 8399, 1 / 600),
        (8, 0, 0),
    ],
)
def test_it_grows_as_the_original(resolution: int, kimg: float, lod: float) -> None:
    assert lod_at(S1, resolution, kimg) == pytest.approx(lod, abs=1e-9)


@given(st.integers(0, 10**7))
def test_it_grows_by_the_formula_of_the_original(images: int) -> None:
    kimg = images / 1000
    phase = math.floor(kimg / 1200)
    lod = 6 - phase - max(kimg - 1200 * phase - 600, 0) / 600
    assert lod_at(S1, 512, kimg) == pytest.approx(max(lod, 0), abs=1e-9)
    assert size_at(S1, 512, kimg) == 2 ** (9 - math.floor(max(lod, 0) + 1e-9))


@given(
    st.sampled_from(["0", "3", "5,32px:1", "0,64px:2"]),
    st.sampled_from(["0", "2", "4,16px:0,64px:7"]),
    st.integers(8, 130),
    st.lists(st.floats(0, 60), min_size=2, max_size=20),
)
def test_networks_never_shrink(
    stable: str, fade: str, resolution: int, moments: list[float]
) -> None:
    config = replace(S1, stable_kimg=stable, fade_kimg=fade)
    lods = [lod_at(config, resolution, kimg) for kimg in sorted(moments)]
    assert all(before >= after >= 0 for before, after in pairwise(lods))
    for lod in lods:
        begins = kimg_at(config, resolution, lod)
        assert lod_at(config, resolution, begins + 1e-6) <= lod
        assert begins == 0 or lod_at(config, resolution, max(0, begins - 0.001)) >= lod
    found = list(stages(config, resolution))
    assert [stage.size for stage in found] == [resolution >> s.lod for s in found]
    assert 8 <= found[0].size < 16
    assert all(one.ends == other.begins for one, other in pairwise(found))


def test_the_kimg_of_each_size_are_what_was_told() -> None:
    config = replace(S1, stable_kimg="200,512px:20000", fade_kimg="200,1024px:500")
    at = {stage.size: (stage.grown, stage.ends) for stage in stages(config, 1024)}
    assert at[512] == (2400, 22400)
    assert at[1024] == (22900, math.inf)


def test_sizes_without_kimg_are_passed_over() -> None:
    assert lod_at(replace(S1, stable_kimg="0", fade_kimg="0"), 512, 0) == 0
    assert lod_at(replace(S1, stable_kimg="0"), 512, 0) == 6
    late = replace(S1, stable_kimg="0,64px:600")
    assert lod_at(late, 512, 2400) == 3 > lod_at(late, 512, 2401)


def test_networks_that_do_not_grow_have_one_stage() -> None:
    (stage,) = stages(preset("s2", 512), 512)
    assert (stage.lod, stage.size, stage.ends) == (0, 512, math.inf)


def test_a_setback_is_told() -> None:
    assert setback(S1, 512, 7200, 0.0) == setback(S1, 512, 7000, 0.0) == ""
    assert "at 0 kimg the networks would go back from 512 to 8 px" in setback(S1, 512, 0, 0.0)


@given(st.floats(0, 2))
def test_images_have_the_detail_of_the_networks(lod: float) -> None:
    images = reals(1).double()
    found = enlarge(faded(images, lod), 2 ** math.floor(lod))
    half, quarter = (
        torch.nn.functional.avg_pool2d(images, n).repeat_interleave(n, 2).repeat_interleave(n, 3)
        for n in (2, 4)
    )
    whole = (images, half, quarter)[math.floor(lod)]
    below = (half, quarter, quarter)[math.floor(lod)]
    torch.testing.assert_close(found, whole + (below - whole) * (lod % 1))


@pytest.mark.parametrize("begins", [0, 24, 60, 90])
def test_small_images_teach_the_same_as_enlarged_ones(begins: int) -> None:
    """All gradients agree at whole levels of detail and between them."""
    found = []
    for small in (True, False):
        gan = grown_gan(seen=begins)
        gan.networks = replace(gan.networks, small=small)
        draws, shown = [gan.draw(4), gan.draw(4)], faded(reals(0), gan.lod)
        if not small:
            shown = enlarge(shown, 2 ** int(gan.lod))
        gan.g.begin()
        gan.phases.generator_gradients(draws[0])
        gan.d.begin()
        gan.phases.discriminator_gradients(draws[1], shown, None)
        gan.phases.r1_gradients(shown, None)
        found.append((gan.g.gradient, gan.d.gradient, torch.tensor(shown.shape)))
    assert torch.equal(*(each[2] for each in found)) == (begins == 90)
    for one, other in zip(found[0][:2], found[1][:2], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))


def test_the_discriminator_sees_reals_and_fakes_alike() -> None:
    """At every level of detail both are made of squares as large as the generator's pixels."""
    seen: list[Tensor] = []

    def watched(images: Tensor) -> Tensor:
        seen.append(images.detach())
        return images

    gan = grown_gan()
    gan.networks = replace(gan.networks, augment=watched, small=False)
    for number in range(30):
        seen.clear()
        gan.step(reals(number))
        squares = 32 // 2 ** int(gan.lod)
        fakes, others, shown, again = seen  # G's, D's fakes and reals, R1's
        torch.testing.assert_close(shown, enlarge(faded(reals(number), gan.lod), 32 // squares))
        torch.testing.assert_close(again, shown)
        for images in (fakes, others, shown):
            again = enlarge(faded(images, math.log2(32 // squares)), 32 // squares)
            torch.testing.assert_close(images, again)
    assert gan.lod == 0


def test_all_networks_grow_together_and_adam_starts_anew_at_each_stage() -> None:
    gan = grown_gan()
    assert gan.lod == 2  # before the first step
    sizes, steps = [], []
    for number in range(27):
        sizes.append(gan.size)
        gan.step(reals(number))
        assert {float(lod) for lod in gan.lods} == {gan.lod}
        steps.append(int(gan.g.state()[0]["step"]))
        assert steps[-1] == int(gan.d.state()[0]["step"])
    # By batches of 4: 8 px in steps 0 to 4, fading in 16 px to 11, 16 px at 12 to 16, fading to 23.
    assert sizes == [8] * 5 + [16] * 12 + [32] * 10
    begun = [number for number, step in enumerate(steps) if step == 1]
    assert begun == [0, 5, 12, 17, 24]


def test_what_has_not_grown_is_left_alone() -> None:
    gan = grown_gan()
    before = {name: value.clone() for name, value in gan.generator.named_parameters()}
    gan.step(reals(0))
    changed = {
        name for name, value in gan.generator.named_parameters() if not torch.equal(value, before[name])
    }  # fmt: skip
    upper = ("synthesis.b16", "synthesis.b32", "synthesis.b4.torgb")
    assert changed == {name for name in before if not name.startswith(upper)}
    assert all(gan.draw(2).noise.shape == (2, 2 * (16 + 64)) for _ in range(2))  # type: ignore[union-attr]


def test_styles_are_mixed_in_layers_that_run() -> None:
    gan = grown_gan()
    cutoffs = {draw.mixed[1] for _ in range(200) if (draw := gan.draw(1)).mixed}
    assert cutoffs == {1, 2, 3}
    gan.lods[1].fill_(0.0)
    gan.lods[0].fill_(0.0)
    cutoffs = {draw.mixed[1] for _ in range(200) if (draw := gan.draw(1)).mixed}
    assert cutoffs == set(range(1, 8))


def test_no_image_jumps_where_a_fade_begins_or_ends() -> None:
    """Images of fixed weights move evenly with the level of detail, all the way."""
    gan = grown_gan()
    gan.ema.requires_grad_(False)
    z = pairs.normal(5, 4, 8).float()

    def images(lod: float) -> Tensor:
        gan.lods[-1].fill_(lod)
        made: Tensor = gan.ema(z)
        return made

    for whole in (2.0, 1.0):
        torch.testing.assert_close(images(whole), images(whole - 1e-6), atol=1e-5, rtol=1e-4)
    for whole in (1.0, 0.0):
        torch.testing.assert_close(images(whole), images(whole + 1e-6), atol=1e-5, rtol=1e-4)
    for top in (2.0, 1.0):
        whole_way = images(top - 1) - images(top)
        for share in (0.01, 0.3, 0.99):
            torch.testing.assert_close(images(top - share), images(top) + share * whole_way)


def test_no_sample_jumps_while_it_grows() -> None:
    """From step to step the average generator's samples move no more at a border than elsewhere."""
    gan, z = grown_gan(replace(QUICK, fade_kimg="0.048")), pairs.normal(5, 16, 8).float()
    moves: dict[int, float] = {}
    last = gan.ema(z)
    for number in range(40):
        gan.step(reals(number))
        now = gan.ema(z)
        moves[number] = float((now - last).square().mean().sqrt())
        last = now
    borders = {4, 5, 16, 17, 20, 21, 32, 33}
    usual = sorted(move for number, move in moves.items() if number not in borders)
    assert max(moves[number] for number in borders) <= 1.5 * usual[-1]


def test_colors_and_labels() -> None:
    """A grey dataset with classes, not square, and path lengths."""
    config = replace(QUICK, channel_base=64, channel_max=8, latent=8, map_layers=2, cond=True)
    config = replace(config, pl_weight=2.0)
    pair = new_networks(*networks(config, 16, 20, 1, 3), 0)
    assert pair[1].config.c_dim == 3
    assert pair[0].mapping.config.labels == "concat"
    gan = GAN(*pair, config, labels=torch.eye(3))
    before = {name: value.clone() for name, value in gan.discriminator.state_dict().items()}
    for number in range(14):
        terms = gan.step(pairs.uniform(number, 3, 1, 16, 20).float(), torch.eye(3))
        assert all(term.isfinite() for term in terms.values())
    changed = (gan.discriminator.state_dict()["b4.out.weight"] != before["b4.out.weight"]).any(1)
    assert changed.tolist() == [True] * 3

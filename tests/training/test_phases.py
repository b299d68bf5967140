"""The gradients of the phases: the original program's, and in half precision."""

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from animetools.training.config import TrainConfig
from animetools.training.draw import Draw
from animetools.training.gan import GAN
from animetools.training.loss import Terms
from tests.conftest import ROOT
from tests.training import pairs
from tests.training.test_gan import SMALL
from tests.training.test_loss import near

STEPS: dict[str, Any] = json.loads((ROOT / "tests/golden/training/steps.json").read_text())


def assert_state(network: nn.Module, wanted: dict[str, list[float]]) -> None:
    """Compare a network with [sum, norm] of each tensor."""
    state = {pairs.original_name(name): value for name, value in network.state_dict().items()}
    for name, numbers in wanted.items():
        if not name.endswith("resample_filter"):
            assert near(state[name], numbers, 1e-8), name


def assert_first(network: nn.Module, wanted: dict[str, list[float]]) -> None:
    """Compare the first numbers of some of a network's tensors."""
    state = {pairs.original_name(name): value for name, value in network.state_dict().items()}
    for name, numbers in wanted.items():
        first = state[name].flatten()[: len(numbers)]
        missed = (first - torch.tensor(numbers, dtype=torch.float64)).norm()
        assert missed <= 1e-8 * state[name].norm(), name


def test_five_steps_are_the_originals() -> None:
    """The original adds up the gradients of its rounds, here the losses of several batches.

    Each of its rounds is a batch to us: with an average path length of its own, and an average w.
    """
    gan = GAN(
        *pairs.golden_pair("ada-auto-64"),
        TrainConfig(g_lr="0.0025", d_lr="0.0025", gamma=0.1024, ema_kimg=0.02),
    )
    gan.g.tune(0.0025, 4)
    gan.d.tune(0.0025, 16)
    directions = (pairs.normal(3000 + i, 2, 3, 64, 64) for i in range(4))
    for i in range(5):
        reals = pairs.uniform(2000 + i, 8, 3, 64, 64).chunk(2)
        latents = [part.chunk(2) for part in pairs.normal(1000 + i, 32, 64).chunk(4)]
        terms: list[tuple[str, Terms]] = []
        gan.g.begin()
        terms += [("G", gan.phases.generator_gradients(Draw(z))) for z in latents[0]]
        gan.g.step()
        if i % 4 == 0:
            gan.g.begin()
            for z in latents[1]:
                found, gan.path_mean = gan.phases.path_length_gradients(
                    Draw(z[:2]), next(directions), gan.path_mean
                )
                terms.append(("Greg", found))
            gan.g.step()
        gan.d.begin()
        for z, images in zip(latents[2], reals, strict=True):
            terms.append(("D", gan.phases.discriminator_gradients(Draw(z), images, None)))
        gan.d.step()
        if i % 16 == 0:
            gan.d.begin()
            terms += [("Dreg", gan.phases.r1_gradients(images, None)) for images in reals]
            gan.d.step()
        gan.finish(8)

        wanted = STEPS[str(i + 1)]
        assert gan.path_mean.item() == pytest.approx(wanted["pl_mean"], rel=1e-10)
        for name, theirs in [
            ("score_fake", "scores/fake"),
            ("loss_g", "G/loss"),
            ("path_penalty", "pl_penalty"),
            ("score_real", "scores/real"),
            ("r1_penalty", "r1_penalty"),
        ]:
            means = [part[name].mean().item() for _, part in terms if name in part]
            assert means == pytest.approx(wanted["report"].get(f"Loss/{theirs}", []), rel=1e-9)
        if "G" in wanted:
            for network, key in [
                (gan.generator, "G"),
                (gan.discriminator, "D"),
                (gan.ema, "G_ema"),
            ]:
                assert_state(network, wanted[key])
                assert_first(network, wanted[f"{key}_first8"])
    image = gan.ema(pairs.normal(4000, 2, 64))
    assert near(image, STEPS["5"]["ema_image"], 1e-8)


def types_of(*modules: Any) -> list[torch.dtype]:
    """A list that will hold the type of what each of the modules makes, at every call."""
    seen: list[torch.dtype] = []
    for module in modules:
        module.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    return seen


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_upper_blocks_in_half_precision_learn_much_the_same(precision: torch.dtype) -> None:
    gradients: dict[torch.dtype, list[Tensor]] = {}
    for each in (torch.float32, precision):
        half = None if each == torch.float32 else each
        gan = GAN(*pairs.small_pair(), SMALL, precision=half)
        networks: tuple[Any, ...] = (gan.generator, gan.discriminator, gan.ema)
        g, d, ema = networks[0].synthesis, networks[1], networks[2].synthesis
        upper = types_of(g.b16.conv1, g.b8.conv0, d.b16.conv0, d.b8.conv1)
        lower = types_of(g.b4.conv1, d.b4.conv, ema.b16.conv1)
        reals = pairs.uniform(0, 8, 3, 16, 16).float()
        draw, few = gan.draw(8), gan.draw(4)
        gradients[each] = []
        for number in range(4):
            optimizer = (gan.g, gan.d)[number // 2]
            optimizer.begin()
            if number == 0:
                gan.phases.generator_gradients(draw)
            elif number == 1:
                gan.phases.path_length_gradients(few, gan.directions(4), gan.path_mean)
            elif number == 2:
                gan.phases.discriminator_gradients(draw, reals, None)
            else:
                gan.phases.r1_gradients(reals, None)
            gradients[each].append(optimizer.gradient.clone())
        gan.ema(torch.randn(1, 8))
        assert set(upper) == {each}
        assert set(lower) == {torch.float32}
    for full, rounded in zip(gradients[torch.float32], gradients[precision], strict=True):
        assert bool(full.any())
        assert bool(rounded.isfinite().all())
        assert torch.cosine_similarity(full, rounded, 0) > 0.98

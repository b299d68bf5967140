"""What learns and draws on a card: the same as on the CPU, and everything in its place."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from animetools.inversion.network import ProjectingNetwork
from animetools.inversion.options import ProjectionOptions
from animetools.inversion.project import Projector
from animetools.netfiles import checkpoints
from animetools.networks.devices import devices
from animetools.ranking.scores import Scorer
from animetools.text.learning.config import TextConfig
from animetools.text.learning.learner import Learner
from animetools.training import snapshots
from animetools.training.augment import Ada
from animetools.training.config import TrainConfig
from animetools.training.gan import GAN
from tests.card import insert_cards, two_cards
from tests.quick import quick
from tests.ranking.test_scores import pictures
from tests.text.learning.test_learner import DATA
from tests.text.small_models import small
from tests.tiny import snapshot
from tests.training import pairs
from tests.training.test_gan import LABELS, SMALL

CPU = torch.device("cpu")


def gan_on(
    device: torch.device,
    config: TrainConfig = SMALL,
    augment: Ada | None = None,
    precision: torch.dtype | None = None,
) -> GAN:
    generator, discriminator = pairs.small_pair()
    networks = generator.to(device), discriminator.to(device)
    return GAN(*networks, config, augment=augment, precision=precision)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", [None, torch.float16])
def test_a_card_has_the_gradients_of_the_cpu(
    precision: torch.dtype | None, card: torch.device
) -> None:
    """All losses, in halves of a batch: their gradients of gradients too."""
    config = replace(SMALL, accumulate=2)
    gradients: list[Tensor] = []
    reals = pairs.uniform(0, 8, 3, 16, 16).float()
    on_cpu = gan_on(CPU, config)
    draw, few, directions = on_cpu.draw(8), on_cpu.draw(4), on_cpu.directions(4)
    for device in (CPU, card):
        gan = gan_on(device, config, precision=None if device == CPU else precision)
        there = [
            replace(each, z=each.z.to(device), noise=moved(each.noise, device), mixed=None)
            for each in (draw, few)
        ]
        gan.g.begin()
        gan.phases.generator_gradients(there[0])
        gan.phases.path_length_gradients(there[1], directions.to(device), gan.path_mean)
        gan.d.begin()
        gan.phases.discriminator_gradients(there[0], reals.to(device), None)
        gan.phases.r1_gradients(reals.to(device), None)
        gradients.append(torch.cat([gan.g.gradient, gan.d.gradient]).cpu())
    assert gradients[0].any()
    assert torch.cosine_similarity(gradients[0], gradients[1], 0) > (0.98 if precision else 0.999)


def moved(x: Tensor | None, device: torch.device) -> Tensor | None:
    return None if x is None else x.to(device)


@pytest.mark.gpu
def test_a_run_on_a_card_goes_on_anywhere(card: torch.device, tmp_path: Path) -> None:
    reals = pairs.uniform(0, 8, 3, 16, 16).float()
    gan = gan_on(card, augment=Ada(), precision=torch.float16)
    for _ in range(2):
        terms = gan.step(reals.to(card))
    assert all(bool(value.isfinite()) for value in terms.values())
    path = snapshots.write(str(tmp_path), gan, SMALL, {})
    content = torch.load(path, weights_only=True)  # which would look for the card
    assert content["training"]["G_adam"][0]["step"].device == CPU
    for device in (CPU, card):
        other = gan_on(device, augment=Ada())
        snapshots.restore(other, snapshots.read(path), SMALL)
        assert other.seen == 16
        other.step(reals.to(device))


@pytest.mark.gpu
def test_labels_go_to_the_card(card: torch.device) -> None:
    generator, discriminator = pairs.small_pair(c_dim=3)
    networks = generator.to(card), discriminator.to(card)
    gan = GAN(*networks, replace(SMALL, cond=True), augment=Ada(), labels=LABELS)
    terms = gan.step(
        pairs.uniform(0, 8, 3, 16, 16).float().to(card), LABELS[[0, 1, 2, 3, 4, 5, 0, 1]]
    )
    assert bool(terms["loss_real"].isfinite())


@pytest.mark.gpu
def test_scores_are_those_of_the_cpu(card: torch.device) -> None:
    discriminator = snapshot().networks["D"].build()
    some = pictures(5)
    found, wanted = (
        Scorer(discriminator, device, torch.float32, group=4).features(some)  # type: ignore[arg-type]
        for device in (card, CPU)
    )
    torch.testing.assert_close(found, wanted, rtol=0.01, atol=0.01)


@pytest.mark.gpu
@pytest.mark.parametrize("noise", [False, True])
def test_latents_are_looked_for_on_a_card(noise: bool, card: torch.device, tmp_path: Path) -> None:
    name = str(tmp_path / "n.pkl")
    checkpoints.write(name, snapshot())
    options = ProjectionOptions(steps=3, realism=0, feature_weight=0.01, space="w+", noise=noise)
    network = ProjectingNetwork(name, options).resolved()
    found, wanted = (Projector(network, device)(pictures(2)) for device in (card, CPU))
    for one, other in zip(found, wanted, strict=True):
        assert not isinstance(one, Exception) and not isinstance(other, Exception)
        assert np.abs(one.values - other.values).max() < 0.05 * np.abs(other.values).max()


@pytest.mark.gpu
def test_a_language_model_learns_and_goes_on_on_a_card(card: torch.device) -> None:
    settings = TextConfig(steps=4, batch=4, context=16, dtype="bf16")
    first = Learner(small(), settings, card)
    losses = [first.step(DATA) for _ in range(2)]
    then = Learner(first.model, settings, card)
    then.load({name: value.cpu() for name, value in first.state().items()}, 2)
    losses.append(then.step(DATA))
    on_cpu = Learner(small(), replace(settings, dtype="fp32"), CPU)
    assert losses == pytest.approx([on_cpu.step(DATA) for _ in range(3)], rel=0.02)


def test_two_cards_draw_what_the_cpu_draws(tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "n.pkl"), snapshot())
    line = "sggen --network n.pkl --seeds 0-5 --psi 0.5 -o"
    done = [
        quick(f"{line} all --device all --batch 2", tmp_path, two_cards),
        quick(f"{line} cpu --device cpu", tmp_path),
    ]
    assert [each.returncode for each in done] == [0, 0], done[0].stderr
    from animetools.images.files import read_rgb

    for seed in range(6):
        found, wanted = (
            read_rgb(str(tmp_path / to / f"seed000{seed}.png")) for to in ("all", "cpu")
        )
        assert np.abs(found.astype(int) - wanted).max() <= 1


def test_the_card_without_a_card_is_as_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    insert_cards(monkeypatch, 2)
    assert [str(each) for each in devices("all")] == ["cuda:0", "cuda:1"]
    here = torch.ones(3)
    one, other = (here.to(each) for each in devices("all"))
    assert (one + here.sum()).tolist() == [4, 4, 4]  # a number of the CPU's is taken
    assert one[torch.tensor([0])].device == one.device  # and its places are
    for mixed in (lambda: one + here, lambda: one + other, lambda: torch.cat([one, here])):
        with pytest.raises(RuntimeError, match="all tensors to be on the same device"):
            mixed()  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="generator"):
        one.normal_(generator=torch.Generator())
    with pytest.raises(RuntimeError, match="generator"):
        torch.randn(2, generator=torch.Generator(), device=one.device)
    with pytest.raises(RuntimeError, match="numpy"):
        one.numpy()
    assert one.cpu().numpy().tolist() == [1, 1, 1]

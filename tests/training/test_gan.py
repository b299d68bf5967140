"""Iterations of training."""

import copy
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from animetools.errors import FatalError
from animetools.training import loss, snapshots
from animetools.training.config import Aug, TrainConfig
from animetools.training.gan import GAN
from animetools.training.loss import Terms
from tests.training import pairs
from tests.training.pairs import tensors_of

SMALL = TrainConfig(gamma=1.0, ema_kimg=0.02, aug="ada", p=0.3, target=0.0, ada_kimg=0.1)
LABELS = torch.eye(3)[[0, 0, 1, 2, 2, 2]]


def noisy(images: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """Brighten each image by chance, as much as p allows."""
    drawn = torch.rand(len(images), generator=generator, dtype=images.dtype)
    return images + p * drawn[:, None, None, None]


def gan_of(config: TrainConfig = SMALL, *, seed: int = 0, **wishes: Any) -> GAN:
    """Small networks, not square and with labels, that augments."""
    networks = pairs.small_pair(seed=seed, base=(4, 5), c_dim=3, **wishes)
    return GAN(*networks, replace(config, seed=seed), augment=noisy, labels=LABELS)


def batch_of(gan: GAN, number: int, count: int = 8) -> tuple[Tensor, Tensor]:
    """The images and labels of some iteration."""
    generator, dtype = gan.generator, gan.dtype
    reals = pairs.uniform(number, count, 3, generator.height, generator.width)
    return reals.to(dtype), LABELS[torch.arange(count) % 6].to(dtype)


def run(gan: GAN, first: int, last: int) -> list[Terms]:
    """The terms of these iterations."""
    return [gan.step(*batch_of(gan, number)) for number in range(first, last)]


def assert_same(left: GAN, right: GAN) -> None:
    """Every bit of the two GANs' states is the same."""
    mine, yours = tensors_of(left.state()), tensors_of(right.state())
    assert mine.keys() == yours.keys()
    for name, value in mine.items():
        assert torch.equal(value, yours[name]), name


@pytest.mark.parametrize(("repeats", "iterations"), [(1, 6), (3, 14)])
def test_a_step_is_the_phases_in_their_order(repeats: int, iterations: int) -> None:
    config = replace(SMALL, d_repeats=repeats)
    stepping, walking = gan_of(config), gan_of(config)
    for number in range(iterations):
        reals, labels = batch_of(walking, number)
        turn, repeat = divmod(number, repeats)
        walking.g.tune(0.002, 4)
        walking.d.tune(0.002, 16)
        if repeat == 0:
            walking.g.begin()
            walking.phases.generator_gradients(walking.draw(8))
            walking.g.step()
            if turn % 4 == 0:
                walking.g.begin()
                _, walking.path_mean = walking.phases.path_length_gradients(
                    walking.draw(4), walking.directions(4), walking.path_mean
                )
                walking.g.step()
        walking.d.begin()
        walking.watched(walking.phases.discriminator_gradients(walking.draw(8), reals, labels))
        walking.d.step()
        if number == 0:
            walking.d.begin()
            walking.watched(walking.phases.r1_gradients(reals, labels))
            walking.d.step()
        walking.finish(8)
        terms = stepping.step(reals, labels)
        assert ("loss_g" in terms) == (repeat == 0)
    assert_same(stepping, walking)
    assert stepping.seen == iterations * 8


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        (replace(SMALL, label_noise=0.3), 2),
        (replace(SMALL, top_k="0.5", mismatch=0.5, classify=0.3), 4),
    ],
)
def test_a_batch_gives_the_same_in_several_parts(config: TrainConfig, parts: int) -> None:
    at_once = gan_of(config, group=2, dtype=torch.float64)
    in_parts = gan_of(replace(config, accumulate=parts), group=2, dtype=torch.float64)
    for one, many in zip(run(at_once, 0, 5), run(in_parts, 0, 5), strict=True):
        torch.testing.assert_close(one, many, rtol=1e-9, atol=1e-12)
    wanted = tensors_of(at_once.state())
    for name, value in tensors_of(in_parts.state()).items():
        if value.is_floating_point():
            missed = (value - wanted[name]).norm() / wanted[name].norm().clamp_min(1e-12)
            assert missed <= 1e-9, name
        else:
            assert torch.equal(value, wanted[name]), name


def test_groups_that_are_cut_would_show() -> None:
    gradients = []
    for order in (torch.arange(8), torch.tensor([0, 4, 1, 5, 2, 6, 3, 7])):
        gan = gan_of(group=2, dtype=torch.float64)
        reals, labels = batch_of(gan, 0)
        gan.p.zero_()
        gan.d.begin()
        gan.phases.discriminator_gradients(gan.draw(8), reals[order], labels[order])
        gradients.append(gan.d.gradient)
    assert (gradients[0] - gradients[1]).norm() > 1e-6 * gradients[0].norm()


@pytest.mark.parametrize(
    ("config", "bag"),
    [
        (SMALL, 0),
        (replace(SMALL, label_dropout=0.5, label_noise=0.3, classify=0.3, d_repeats=2), 2),
    ],
)
def test_a_resumed_run_is_the_same_to_the_last_bit(config: TrainConfig, bag: int) -> None:
    whole = gan_of(config, bag=bag)
    files = {}
    for number in range(6):
        if number in (1, 3, 5):
            files[number] = io.BytesIO()
            torch.save(whole.state(), files[number])
        run(whole, number, number + 1)
    for number, file in files.items():
        file.seek(0)
        state = torch.load(file, weights_only=True)
        resumed = gan_of(config, bag=bag, seed=1)
        for _ in range(2):  # a state stays what it is, and can be gone back to
            resumed.load_state(state)
            run(resumed, number, 6)
            assert_same(whole, resumed)


def test_a_classifier_may_come_and_go() -> None:
    without, with_one = gan_of(), gan_of(replace(SMALL, classify=0.3))
    run(without, 0, 2)
    with_one.load_state(without.state())  # and the classifier begins anew
    assert with_one.classifier is not None
    assert not with_one.classifier.weight.any()
    terms = run(with_one, 2, 4)
    assert terms[1]["loss_classify"] < terms[0]["loss_classify"]
    without.load_state(with_one.state())
    run(without, 4, 5)


def test_a_classifier_learns_on_where_other_layers_are_frozen(tmp_path: Path) -> None:
    config = replace(SMALL, classify=0.3)
    for before, now in [(0, 2), (2, 0)]:
        frozen = replace(config, freeze_d=before)
        first, other = gan_of(frozen), replace(config, freeze_d=now)
        run(first, 0, 1)
        second = gan_of(other)
        saved = snapshots.read(snapshots.write(str(tmp_path), first, frozen, {}))
        snapshots.restore(second, saved, other)
        for mine, theirs in zip(second.d.parameters[-2:], first.d.parameters[-2:], strict=True):
            moments = second.d.adam.state[mine], first.d.adam.state[theirs]
            assert torch.equal(*(each["exp_avg_sq"] for each in moments))


def test_a_state_of_other_networks_is_refused() -> None:
    gan = gan_of()
    run(gan, 0, 1)
    sound = gan.state()
    moments = copy.deepcopy(sound["D_adam"])
    moments[0]["exp_avg_sq"] = torch.zeros(1)
    hostile: list[Any] = [
        {},
        [],
        sound | {"G": gan_of(dtype=torch.float32).discriminator.state_dict()},
        sound | {"D": {}},
        sound | {"G_adam": {99: moments[0]}},
        sound | {"D_adam": moments},
        sound | {"D_adam": {0: {"step": 1}}},
        sound | {"signs": torch.zeros(10**6)},
        sound | {"p": "high"},
        sound | {"seen": "many"},
        sound | {"seen": float("inf")},
        sound | {"chance": torch.zeros(3, dtype=torch.uint8)},
        sound | {"chance": None},
    ]
    for state in hostile:
        with pytest.raises(FatalError, match="does not fit the networks of this run"):
            gan_of().load_state(state)


def test_one_step_changes_every_parameter_and_average() -> None:
    gan = gan_of()
    before = {name: value.clone() for name, value in tensors_of(gan.state()).items()}
    terms = run(gan, 0, 2)
    for name, value in tensors_of(gan.state()).items():
        if name in before and not name.endswith(("noise_const", "p")):
            assert not torch.equal(value, before[name]), name
    assert set(terms[0]) - set(terms[1]) == {"path_penalty", "r1_penalty"}
    assert all(value.isfinite() for part in terms for value in part.values())
    assert torch.equal(gan.ema.mapping.w_avg, gan.generator.mapping.w_avg)


def test_works_with_one_image_in_the_batch() -> None:
    gan = gan_of()
    terms = gan.step(*batch_of(gan, 0, 1))
    assert all(value.isfinite() for value in terms.values())


def test_a_batch_that_cuts_groups_is_refused() -> None:
    for rounds, count in [(4, 8), (3, 8), (1, 6)]:
        gan = gan_of(replace(SMALL, accumulate=rounds))
        with pytest.raises(ValueError, match=f"batch of {count} images does not divide into"):
            gan.step(*batch_of(gan, 0, count))


def test_labels_are_not_forgotten() -> None:
    gan = gan_of()
    with pytest.raises(ValueError, match="labeled images only"):
        gan.step(batch_of(gan, 0)[0])
    drawn = gan.draw(600).c
    assert drawn is not None
    torch.testing.assert_close(drawn.mean(0), torch.tensor([1, 0.5, 1.5]) / 3, rtol=0, atol=0.08)


def test_reals_and_fakes_lose_their_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[Tensor] = []

    def real_loss(
        networks: loss.Networks, reals: Tensor, c: Tensor, *others: Any
    ) -> tuple[Tensor, Terms]:
        judged.append(c)
        return loss.real_loss(networks, reals, c, *others)

    watched = SimpleNamespace(**vars(loss) | {"real_loss": real_loss})
    monkeypatch.setattr("animetools.training.phases.loss", watched)
    gan = gan_of(replace(SMALL, label_dropout=1.0))
    run(gan, 0, 1)
    drawn = gan.draw(8).c
    assert drawn is not None
    assert not drawn.any()
    assert len(judged) == 1
    assert not judged[0].any()
    assert batch_of(gan, 0)[1].any()


def test_noise_on_labels_is_as_strong_as_asked() -> None:
    gan = gan_of(replace(SMALL, label_noise=0.5))
    draw = gan.draw(500)
    assert draw.c is not None
    assert draw.blur is not None
    mapping = gan.generator.mapping
    clean, noisy = (mapping._embedded(draw.c, blur) for blur in (None, draw.blur))
    ratio = (noisy - clean).square().mean(1).sqrt() / clean.square().mean(1).sqrt()
    assert 0.4 < ratio.mean() < 0.6
    assert gan_of().draw(2).blur is None


def adam_of(gan: GAN) -> list[tuple[int, float, float]]:
    """Steps, rate and second beta of the generator's Adam and the discriminator's."""
    return [
        (
            int(optimizer.adam.state[optimizer.parameters[0]]["step"]),
            optimizer.adam.param_groups[0]["lr"],
            optimizer.adam.param_groups[0]["betas"][1],
        )
        for optimizer in (gan.g, gan.d)
    ]


def test_regularizers_that_are_not_lazy_are_part_of_every_step() -> None:
    gan = gan_of(replace(SMALL, g_lr="0.002", d_lr="0.0025", lazy=False))
    for terms in run(gan, 0, 3):
        assert {"path_penalty", "r1_penalty"} <= terms.keys()
    assert adam_of(gan) == [(3, 0.002, 0.99), (3, 0.0025, 0.99)]


def test_the_share_of_the_best_fakes_follows_a_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def generator_loss(*given: Any) -> tuple[Tensor, dict[str, Tensor]]:
        asked.append(given[4])
        return loss.generator_loss(*given)

    watched = SimpleNamespace(**vars(loss) | {"generator_loss": generator_loss})
    monkeypatch.setattr("animetools.training.phases.loss", watched)
    run(gan_of(replace(SMALL, top_k="1,0.016:0.5")), 0, 3)
    assert asked == [1.0, 1.0, 0.5]


def test_regularizers_are_lazy_or_not_there() -> None:
    rates = replace(SMALL, g_lr="0.002", d_lr="0.0025")
    lazy = [(7, 0.0016, 0.9919919678), (6, 0.00235294, 0.9905854573)]
    none = [(5, 0.0016, 0.9919919678), (5, 0.00235294, 0.9905854573)]
    for config, wanted, terms in [
        (rates, lazy, {"path_penalty", "r1_penalty"}),
        (replace(rates, pl_weight=0, gamma=0), none, set()),
    ]:
        gan = gan_of(config)
        first, *_ = run(gan, 0, 5)
        assert adam_of(gan) == [pytest.approx(numbers, abs=1e-8) for numbers in wanted]
        assert {"path_penalty", "r1_penalty"} & first.keys() == terms


def test_rates_can_be_changed_between_steps() -> None:
    gan = gan_of()
    run(gan, 0, 1)
    gan.config = replace(SMALL, g_lr="0")
    before = copy.deepcopy(gan.generator.state_dict())
    judge = gan.discriminator.b4.out.weight.clone()
    run(gan, 1, 2)
    for name, value in gan.generator.state_dict().items():
        assert torch.equal(value, before[name]) == (name != "mapping.w_avg"), name
    assert not torch.equal(gan.discriminator.b4.out.weight, judge)


def test_mixing_happens_as_often_as_it_should() -> None:
    gan = gan_of(replace(SMALL, mixing=0.75))
    cutoffs = [draw.mixed[1] for draw in map(gan.draw, [1] * 400) if draw.mixed is not None]
    assert 0.68 < len(cutoffs) / 400 < 0.82
    assert set(cutoffs) == set(range(1, gan.generator.num_ws))
    gan.config = replace(SMALL, mixing=0.0)
    assert all(draw.mixed is None for draw in map(gan.draw, [1] * 50))


def test_frozen_layers_stay_as_they_are() -> None:
    networks = pairs.small_pair()
    before = {name: value.clone() for name, value in networks[1].state_dict().items()}
    gan = GAN(*networks, replace(SMALL, freeze_d=3))
    for i in range(2):
        gan.step(pairs.uniform(i, 4, 3, 16, 16).float())
    frozen = ("b16.fromrgb.", "b16.conv0.", "b16.conv1.")
    for name, value in gan.discriminator.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith(frozen), name


def test_what_is_not_finite_is_told_and_kept_out_of_the_networks() -> None:
    gan = gan_of()
    reals, labels = batch_of(gan, 0)
    reals[3, 1, 2, 0] = torch.nan
    terms = gan.step(reals, labels)
    assert not terms["loss_real"].isfinite()
    for name, value in tensors_of(gan.state()).items():
        assert name == "/signs" or bool(value.isfinite().all()), name


def test_gradients_are_cleaned() -> None:
    gan = gan_of()
    gan.g.tune(2.0, 1)  # half of it is an iteration's
    gan.g.begin()
    gan.g.gradient[:4] = torch.tensor([torch.nan, torch.inf, -torch.inf, 3.0])
    before = gan.g.parameters[0].flatten()[:4].clone()
    gan.g.step()
    assert gan.g.gradient[:4].tolist() == [0, 1e5, -1e5, 3]
    moved = gan.g.parameters[0].flatten()[:4] - before
    torch.testing.assert_close(moved, torch.tensor([0.0, -1, 1, -1]))


@pytest.mark.parametrize(
    ("aug", "target", "p"), [("ada", -2.0, 0.3 + 0.32), ("ada", 2.0, 0.0), ("fixed", 2.0, 0.3)]
)
def test_p_is_adjusted_every_four_iterations(aug: Aug, target: float, p: float) -> None:
    gan = gan_of(replace(SMALL, aug=aug, target=target))
    found = [float(terms["p"]) for terms in run(gan, 0, 5)]
    assert found == pytest.approx([0.3] * 3 + [p] * 2)
    assert gan.signs[1] == 8  # those of the fifth


def test_p_hears_of_every_real_score() -> None:
    gan = gan_of()
    scores = [part["sign_real"] for part in run(gan, 0, 3)]
    assert gan.signs[1] == 8 * 4  # with those of R1
    assert all(-1 <= score <= 1 for score in scores)

"""The losses of the four phases."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import backward, gradcheck
from torch.nn.functional import one_hot, softplus

from animetools.networks.layers import Dense
from animetools.training import augment, loss
from animetools.training.averages import track_average
from animetools.training.loss import Networks
from tests.conftest import ROOT
from tests.training import pairs

GOLDEN: dict[str, Any] = json.loads((ROOT / "tests/golden/training/losses.json").read_text())


@dataclass(frozen=True)
class Golden:
    """A golden pair, what it is given, and what the original program made of it."""

    pair: Networks
    c: Tensor | None
    labels: Tensor | None
    reals: Tensor
    wanted: dict[str, Any]

    def ws(self, seed: int = 1000, count: int = 4) -> Tensor:
        """Rows of w for the first `count` of the latents of a seed."""
        c = None if self.c is None else self.c[:count]
        ws: Tensor = self.pair.generator.mapping(pairs.normal(seed, 4, 64)[:count], c)
        return ws

    def check(self, network: nn.Module, wanted: dict[str, Any]) -> None:
        """Compare the gradients with [sum, norm, first numbers], and forget them."""
        names = {pairs.original_name(name): x for name, x in network.named_parameters()}
        assert set(names) == set(wanted["grads"])
        for name, parameter in names.items():
            found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            assert near(found, wanted["grads"][name], 1e-9), name
        network.zero_grad()

    def check_average(self, wanted: dict[str, Any]) -> None:
        """Compare the average w with [sum, norm]."""
        assert near(self.pair.generator.mapping.w_avg, wanted["w_avg"], 1e-9)


def near(found: Tensor, wanted: list[float], tolerance: float) -> bool:
    """Whether a tensor has this sum, norm and, after these, first numbers."""
    found = found.detach()
    summary = torch.cat([torch.stack([found.sum(), found.norm()]), found.flatten()])
    missed = summary[: len(wanted)] - torch.tensor(wanted, dtype=torch.float64)
    return float(missed.abs().max()) <= tolerance * wanted[1]


def assert_terms(terms: loss.Terms, report: dict[str, list[float]], **names: str) -> None:
    """Compare terms, by our names, with the original's per-sample values, by its names."""
    for name, theirs in names.items():
        wanted = torch.tensor(report[f"Loss/{theirs}"], dtype=torch.float64)
        torch.testing.assert_close(terms[name], wanted, rtol=1e-9, atol=1e-12)
        assert not terms[name].requires_grad


@pytest.fixture(params=["ada-auto-64", "ada-cond-64"])
def golden(request: pytest.FixtureRequest) -> Golden:
    generator, discriminator = pairs.golden_pair(request.param)
    c = labels = None
    if discriminator.config.c_dim:
        c = one_hot(torch.tensor([1, 4, 0, 5]), 6).double()
        labels = one_hot(torch.tensor([2, 2, 3, 1]), 6).double()
    reals = pairs.uniform(2000, 4, 3, 64, 64)
    return Golden(Networks(generator, discriminator), c, labels, reals, GOLDEN[request.param])


@pytest.mark.parametrize("mixed", [False, True])
def test_the_generators_loss_is_the_originals(golden: Golden, mixed: bool) -> None:
    wanted = golden.wanted["Gmain_mix" if mixed else "Gmain"]
    ws = golden.ws()
    track_average(golden.pair.generator.mapping, ws[:, 0].detach().mean(0), 0.995)
    if mixed:
        ws = loss.mix(ws, golden.ws(1001), 3)
    golden.pair.discriminator.requires_grad_(False)
    value, terms = loss.generator_loss(golden.pair, ws, None, golden.c)
    backward(value)
    assert_terms(terms, wanted["report"], score_fake="scores/fake", loss_g="G/loss")
    golden.check(golden.pair.generator, wanted)
    golden.check_average(wanted)


def test_the_path_lengths_loss_is_the_originals(golden: Golden) -> None:
    mean = torch.zeros((), dtype=torch.float64)
    directions = pairs.normal(3000, 2, 3, 64, 64)
    for wanted in (golden.wanted["Greg"], golden.wanted["Greg"]["second"]):
        ws = golden.ws(count=2)
        track_average(golden.pair.generator.mapping, ws[:, 0].detach().mean(0), 0.995)
        lengths = loss.path_lengths(golden.pair, ws, None, directions)
        value, mean, terms = loss.path_loss(lengths, mean, 2.0)
        backward(value)
        assert_terms(terms, wanted["report"], path_penalty="pl_penalty")
        assert value.item() == pytest.approx(sum(wanted["report"]["Loss/G/reg"]) / 2, rel=1e-11)
        assert mean.item() == pytest.approx(wanted["pl_mean"], rel=1e-11)
        golden.check(golden.pair.generator, wanted)
        if "w_avg" in wanted:
            golden.check_average(wanted)


def test_the_discriminators_loss_is_the_originals(golden: Golden) -> None:
    wanted = golden.wanted["Dmain"]
    ws = golden.ws()
    track_average(golden.pair.generator.mapping, ws[:, 0].detach().mean(0), 0.995)
    fakes = golden.pair.images(ws, None)
    fake, terms = loss.fake_loss(golden.pair, fakes, golden.c)
    real, more = loss.real_loss(golden.pair, golden.reals, golden.labels)
    backward(fake)
    backward(real)
    terms |= more | {"loss_d": terms["loss_fake"] + more["loss_real"]}
    assert_terms(terms, wanted["report"], score_fake="scores/fake", score_real="scores/real")
    assert_terms(terms, wanted["report"], loss_d="D/loss")
    golden.check(golden.pair.discriminator, wanted)
    golden.check_average(wanted)
    assert all(parameter.grad is None for parameter in golden.pair.generator.parameters())


@pytest.mark.parametrize("d_labels", ["projection", "output"])
def test_images_with_wrong_labels_count_as_fakes(d_labels: str) -> None:
    pair = Networks(*pairs.small_pair(c_dim=3, dtype=torch.float64, labels=d_labels))
    images, c = reals_for(pair, 4), one_hot(torch.tensor([0, 1, 1, 2]), 3).double()
    wrong = torch.stack([c.roll(-n, 0) for n in range(1, 4)], 1)
    value, terms = loss.real_loss(pair, images, c, c, wrong, 0.5)
    refused = [softplus(pair.scores(images, wrong[:, n])).detach() for n in range(3)]
    wanted = [
        torch.stack([refused[n][k] for n in range(3) if not torch.equal(c[k], wrong[k, n])]).mean()
        for k in range(4)
    ]
    torch.testing.assert_close(terms["loss_mismatch"], torch.stack(wanted))
    plain, _ = loss.real_loss(pair, images, c)
    torch.testing.assert_close(value, plain + 0.5 * torch.stack(wanted).mean())
    empty = torch.zeros_like(c)  # and what is true of an image does not
    wrong = torch.stack([empty, c[[0] * 4]], 1)
    value, terms = loss.real_loss(pair, images, empty, c, wrong, 0.5)
    assert terms["loss_mismatch"].tolist() == [0, *softplus(pair.scores(images, c[[0] * 4]))[1:]]


def test_a_classifier_learns_whole_labels_and_asks_for_given_ones() -> None:
    generator, discriminator = pairs.small_pair(c_dim=3, dtype=torch.float64)
    classifier = Dense(discriminator.config.dense, 3).double()
    plain = Networks(generator, discriminator)
    pair = replace(plain, classifier=classifier)
    images, whole = reals_for(pair, 4), torch.tensor([[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 1, 1]])
    some = whole * torch.tensor([1, 1, 0])  # what a label has left
    found = classifier(pair.hidden(images)).detach()
    value, terms = loss.real_loss(pair, images, some.double(), whole.double(), classify=0.5)
    missed = torch.where(whole > 0, softplus(-found), softplus(found)).sum(1)
    torch.testing.assert_close(terms["loss_classify"], missed)
    torch.testing.assert_close(
        value, loss.real_loss(plain, images, some.double())[0] + 0.5 * missed.mean()
    )

    ws = generator.mapping(pairs.normal(5, 4, generator.config.mapping.z_dim), some.double())
    found = classifier(pair.hidden(pair.images(ws, None))).detach()
    value, terms = loss.generator_loss(pair, ws, None, some.double(), classify=0.5)
    asked = (softplus(-found) * some).sum(1)
    torch.testing.assert_close(terms["loss_asked"], asked)
    torch.testing.assert_close(
        value, loss.generator_loss(plain, ws, None, some.double())[0] + 0.5 * asked.mean()
    )


def test_r1_is_the_originals(golden: Golden) -> None:
    wanted = golden.wanted["Dreg"]
    value, terms = loss.r1_loss(golden.pair, golden.reals, golden.labels, 0.8)
    backward(value)
    assert_terms(terms, wanted["report"], score_real="scores/real", r1_penalty="r1_penalty")
    assert value.item() == pytest.approx(sum(wanted["report"]["Loss/D/reg"]) / 4, rel=1e-11)
    golden.check(golden.pair.discriminator, wanted)


@pytest.mark.parametrize("percentile", ["0.2", "0.8"])
def test_losses_of_augmented_images_are_the_originals(percentile: str) -> None:
    """The original's debug mode: all gates open, and every draw at this place of its range."""
    wanted, place = GOLDEN["augmented"][percentile], torch.tensor(float(percentile))
    drawn = {}
    for name in augment.PIPES["bgc"]:
        value = torch.erfinv(2 * place - 1) if augment.NUMBERS[name].normal else place
        values = value.expand(4, augment.NUMBERS[name].count)
        if name == "rotpost":
            values = torch.full_like(values, 0.5)  # no second turn
        drawn[name] = torch.cat([torch.zeros(4, 1), values], 1)
    pair = Networks(
        *pairs.golden_pair("ada-auto-64"),
        lambda images: augment.augmented(images, 1.0, drawn, lambda: images),
    )
    subject = Golden(pair, None, None, pairs.uniform(2000, 4, 3, 64, 64), wanted)
    value, terms = loss.r1_loss(pair, subject.reals, None, 0.8)
    backward(value)
    assert_terms(terms, wanted["Dreg"]["report"], r1_penalty="r1_penalty")
    subject.check(pair.discriminator, wanted["Dreg"])
    pair.discriminator.requires_grad_(False)
    value, terms = loss.generator_loss(pair, subject.ws(), None, None)
    backward(value)
    assert_terms(terms, wanted["Gmain"]["report"], score_fake="scores/fake")
    subject.check(pair.generator, wanted["Gmain"])


@pytest.fixture(scope="module")
def small() -> Networks:
    """Networks whose images are wider than high and which compares four of them."""
    return Networks(*pairs.small_pair(base=(4, 5), dtype=torch.float64))


def rows_of(pair: Networks, count: int) -> Tensor:
    ws: Tensor = pair.generator.mapping(pairs.normal(1, count, 8))
    return ws.detach().requires_grad_()


def reals_for(pair: Networks, count: int) -> Tensor:
    return pairs.uniform(2, count, 3, pair.generator.height, pair.generator.width)


@given(cutoff=st.integers(1, 6))
def test_mixing_swaps_the_rows_from_the_cutoff_on(cutoff: int) -> None:
    ws, others = pairs.normal(0, 2, 6, 3), pairs.normal(1, 2, 6, 3)
    wanted = torch.cat([ws[:, :cutoff], others[:, cutoff:]], 1)
    assert torch.equal(loss.mix(ws, others, cutoff), wanted)


def test_noise_is_cut_into_that_of_each_layer(small: Networks) -> None:
    layers = [pairs.normal(i, 2, 1, *shape) for i, shape in enumerate(small.generator.noise_shapes)]
    in_a_row = torch.cat([layer.flatten(1) for layer in layers], 1)
    ws = rows_of(small, 2)
    assert torch.equal(small.images(ws, in_a_row), small.generator.synthesis(ws, layers))
    assert not torch.equal(small.images(ws, in_a_row), small.images(ws, None))


def test_every_fake_has_the_noise_that_it_is_given(small: Networks) -> None:
    ws, directions = rows_of(small, 4), reals_for(small, 4)
    noise = pairs.normal(
        5, 4, sum(height * width for height, width in small.generator.noise_shapes)
    )
    for given_noise in (None, noise):
        images = small.images(ws, given_noise)
        scores = small.scores(images, None)
        (slopes,) = torch.autograd.grad((images * directions).sum(), ws)
        lengths = (slopes.square().sum(2).mean(1) / images[0, 0].numel()).sqrt()
        for _, terms in (
            loss.generator_loss(small, ws, given_noise, None),
            loss.fake_loss(small, images, None),
        ):
            torch.testing.assert_close(terms["score_fake"], scores)
        found = loss.path_lengths(small, ws, given_noise, directions, learn=False)
        torch.testing.assert_close(found, lengths)


@pytest.mark.parametrize(("share", "kept"), [(0.5, 2), (0.75, 3), (0.01, 1)])
def test_only_the_best_fakes_of_each_group_count(small: Networks, share: float, kept: int) -> None:
    ws = rows_of(small, 8)
    value, terms = loss.generator_loss(small, ws, None, None, share)
    groups = terms["score_fake"].view(2, 4)
    best = torch.cat([group.sort(descending=True).values[:kept] for group in groups])
    assert value.item() == pytest.approx(softplus(-best).mean().item(), rel=1e-12)


@pytest.mark.parametrize("group", [1, 2, 4])
def test_a_cut_between_groups_changes_no_score(group: int) -> None:
    pair = Networks(*pairs.small_pair(group=group, c_dim=3, dtype=torch.float64))
    images, c = reals_for(pair, 8), pairs.normal(3, 8, 3)
    halves = [pair.scores(images[half], c[half]) for half in (slice(0, 4), slice(4, 8))]
    torch.testing.assert_close(torch.cat(halves), pair.scores(images, c))


def test_everything_works_with_one_image(small: Networks) -> None:
    ws = rows_of(small, 1)
    lengths = loss.path_lengths(small, ws, None, reals_for(small, 1))
    values = [
        loss.generator_loss(small, ws, None, None, 0.5)[0],
        loss.fake_loss(small, small.images(ws, None), None)[0],
        loss.real_loss(small, reals_for(small, 1), None)[0],
        loss.r1_loss(small, reals_for(small, 1), None, 1.0)[0],
        loss.path_loss(lengths, torch.zeros((), dtype=torch.float64), 2.0)[0],
    ]
    assert all(value.isfinite() and value.requires_grad for value in values)


def test_r1_is_of_the_image_before_its_augmentation(small: Networks) -> None:
    reals = reals_for(small, 4)
    halving = Networks(small.generator, small.discriminator, lambda images: images / 2)
    _, plain = loss.r1_loss(small, reals / 2, None, 1.0)
    _, augmented = loss.r1_loss(halving, reals, None, 1.0)
    torch.testing.assert_close(augmented["score_real"], plain["score_real"])
    torch.testing.assert_close(augmented["r1_penalty"], plain["r1_penalty"] / 4)


def test_a_path_length_is_the_norm_of_a_gradient(small: Networks) -> None:
    ws, directions = rows_of(small, 2), reals_for(small, 2)
    for learn in (True, False):
        found = loss.path_lengths(small, ws, None, directions, learn=learn)
        assert found.requires_grad == learn
    height, width = directions.shape[2:]
    for w, direction, length in zip(ws.detach(), directions, found, strict=True):
        nudges = torch.eye(w.numel(), dtype=w.dtype).view(-1, *w.shape) * 1e-5
        either_way = small.images(torch.cat([w + nudges, w - nudges]), None).detach()
        there, back = ((either_way * direction).sum((1, 2, 3)) / 2e-5).view(2, *w.shape)
        slopes = (there - back) / (height * width) ** 0.5
        torch.testing.assert_close(length, slopes.square().sum(1).mean().sqrt(), rtol=1e-5, atol=0)


def test_the_average_length_has_its_share_in_the_gradient() -> None:
    lengths = pairs.uniform(0, 5).abs().requires_grad_()
    mean = torch.tensor(0.3, dtype=torch.float64)

    def value(x: Tensor) -> Tensor:
        average = 0.99 * mean + 0.01 * x.mean()
        return 2 * (x - average).square().mean()

    found, average, _ = loss.path_loss(lengths, mean, 2.0)
    torch.testing.assert_close(found, value(lengths))
    assert average.item() == pytest.approx(0.297 + 0.01 * lengths.mean().item())
    (slopes,) = torch.autograd.grad(found, lengths)
    torch.testing.assert_close(slopes, torch.autograd.grad(value(lengths), lengths)[0])
    assert gradcheck(lambda x: loss.path_loss(x, mean, 2.0)[0], (lengths,))
